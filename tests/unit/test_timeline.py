"""The picture of where the time of a deploy went."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from hover_async.cli.main import cli
from hover_async.cli.timeline import timeline, writable
from hover_async.errors import UsageError
from hover_async.events import (
    AliasMoved,
    CodeUpdated,
    ContainerWarmed,
    DeployBegun,
    Event,
    Output,
    Progress,
    ResourceChanged,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    VersionPublished,
    silent,
)
from hover_async.testing import RecordingReporter
from hover_async.timeline import Chart, Recording, draw_html, draw_svg
from hover_async.timeline.chart import End
from hover_async.timeline.recording import MOST_POINTS
from hover_async.timeline.svg import MOST_ROWS
from hover_async.values import BuildId, Lane

BUILD = BuildId("b20261123T063100Z-7f3a9c1d")
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert('x')</script>&\x00\x1b[31m\ud800\ufffe]]>"
Timed = tuple[float, Event]

BEGUN: Sequence[Timed] = [(3.0, DeployBegun("dev", BUILD, Lane.STACK))]
DEPLOY: Sequence[Timed] = [
    *BEGUN,
    (3.0, StepStarted(Step.PREPARE)),
    (3.5, StepFinished(Step.PREPARE, 0.5, "3 functions are live")),
    (3.5, StepStarted(Step.UPLOAD)),
    (3.5, StepStarted(Step.PUSH)),
    (4.0, Progress(Step.PUSH, 10, 10, "bytes")),
    (4.5, Progress(Step.PUSH, 20, 80, "bytes")),
    (5.0, Progress(Step.UPLOAD, 2, 4, "files")),
    (5.5, Progress(Step.PUSH, 80, 80, "bytes")),
    (5.5, StepFinished(Step.PUSH, 2.0, "pushed")),
    (5.5, StepStarted(Step.LOCK)),
    (5.6, StepFinished(Step.LOCK, 0.1)),
    (5.6, StepStarted(Step.STACK)),
    (6.0, StepFinished(Step.UPLOAD, 2.5, "4 sent")),
    (8.0, ResourceChanged("HttpFunction", "AWS::Lambda::Function", "UPDATE_IN_PROGRESS")),
    (9.0, ResourceChanged("HttpFunction", "AWS::Lambda::Function", "UPDATE_COMPLETE")),
    (9.6, StepFinished(Step.STACK, 4.0, "updated")),
    (9.6, StepStarted(Step.PUBLISH)),
    (9.7, CodeUpdated("shop-cli")),
    (10.0, VersionPublished("shop-http", "7")),
    (10.6, VersionPublished("shop-cli", "7")),
    (10.6, StepFinished(Step.PUBLISH, 1.0, "2 functions")),
    (10.6, StepStarted(Step.WARM)),
    (10.6, StepStarted(Step.BOOT)),
    (11.6, StepFinished(Step.BOOT, 1.0)),
    (11.6, ContainerWarmed("shop-http", "one", cold=True, boot_ms=800.0)),
    (11.6, StepStarted(Step.COMMANDS)),
    (12.0, ContainerWarmed("shop-http", "two", cold=False, boot_ms=0.0)),
    (12.0, StepFinished(Step.WARM, 1.4, "2 of 2 containers")),
    (12.6, Output(Step.COMMANDS, "migrate --force", "done")),
    (14.6, Output(Step.COMMANDS, "cache:clear", "done")),
    (14.6, StepFinished(Step.COMMANDS, 3.0, "2 run")),
    (14.6, StepStarted(Step.ACTIVATE)),
    (14.9, AliasMoved("shop-http", "6", "7")),
    (15.0, StepFinished(Step.ACTIVATE, 0.4, "2 moved")),
]
FAILED: Sequence[Timed] = [
    *DEPLOY[:20],
    (10.6, StepFailed(Step.PUBLISH, 1.0, cancelled=False)),
]


def recorded(events: Sequence[Timed], *, now_s: float | None = None) -> Chart:
    """The chart of events that came at these moments of a clock that began at 1."""
    at_s = 1.0

    def clock() -> float:
        return at_s

    recording = Recording(clock=clock)
    for moment, event in events:
        at_s = moment
        recording(event)
    at_s = at_s if now_s is None else now_s
    return recording.chart()


def lanes(chart: Chart) -> dict[str, tuple[float, float]]:
    return {lane.name: (round(lane.start_s, 3), round(lane.end_s, 3)) for lane in chart.lanes}


def test_every_event_is_passed_on() -> None:
    """Recording changes nothing about what a user is told."""
    told = RecordingReporter()
    recording = Recording(told)
    for _, event in DEPLOY:
        recording(event)
    assert told.events == [event for _, event in DEPLOY]


def test_steps_stand_where_they_ran() -> None:
    """Seconds count from the beginning of the deploy, not from what came before it."""
    chart = recorded(DEPLOY)
    assert lanes(chart)["prepare"] == (0.0, 0.5)
    assert lanes(chart)["stack"] == (2.6, 6.6)
    assert (chart.title, chart.ended) == (f"{BUILD} to stage 'dev'", "live after 12.0 s")
    assert chart.seconds == 12.0
    assert {lane.end for lane in chart.lanes} == {End.DONE}


def test_the_critical_path_is_that_of_the_deploy() -> None:
    """What decided when the deploy ended, in order; what ran beside it is not in it."""
    path = [lane.name for lane in recorded(DEPLOY).path]
    steps = ["push", "lock", "stack", "versions", "first boot", "commands", "activate"]
    assert path == steps
    assert not next(lane for lane in recorded(DEPLOY).lanes if lane.name == "assets").critical


def test_what_happened_within_a_step() -> None:
    """Commands follow each other; a cold container booted before it answered; a version of the
    direct lane began with its update."""
    parts = {
        lane.name: [
            (round(part.start_s, 3), round(part.end_s, 3), part.label) for part in lane.parts
        ]
        for lane in recorded(DEPLOY).lanes
        if lane.parts
    }
    assert parts == {
        "stack": [(6.0, 6.0, "HttpFunction update complete")],
        "versions": [(7.0, 7.0, "shop-http:7"), (6.7, 7.6, "shop-cli:7")],
        "warm": [(7.8, 8.6, "one booted in 800 ms"), (9.0, 9.0, "two was warm")],
        "commands": [(8.6, 9.6, "migrate --force"), (9.6, 11.6, "cache:clear")],
        "activate": [(11.9, 11.9, "shop-http 6 -> 7")],
    }


def test_progress_is_of_the_whole_that_came_out() -> None:
    """A push that learns of more layers does not seem to go backwards."""
    push = next(lane for lane in recorded(DEPLOY).lanes if lane.name == "push")
    assert push.progress == [(1.0, 0.125), (1.5, 0.25), (2.5, 1.0)]


def test_a_hundred_thousand_events_are_a_small_picture() -> None:
    """Twenty thousand files make a curve of a few hundred points, and containers a few rows."""
    start: list[Timed] = [*BEGUN, (3.0, StepStarted(Step.UPLOAD)), (3.0, StepStarted(Step.WARM))]
    files: list[Timed] = [
        (3 + n / 1000, Progress(Step.UPLOAD, n, 20_000, "files")) for n in range(20_000)
    ]
    warmed: list[Timed] = [
        (25.0, ContainerWarmed("shop-http", str(n), cold=True, boot_ms=900)) for n in range(1000)
    ]
    chart = recorded([*start, *files, *warmed])
    assert len(chart.lanes[0].progress) <= 2 * MOST_POINTS + 1
    drawn = draw_svg(chart)
    heights = {box.get("y") for box in boxes(drawn, "part")}
    assert len(heights) <= MOST_ROWS
    assert parsed(drawn).get("height") != "0"


def test_a_failed_deploy_is_drawn_until_there() -> None:
    """The failing step ends the critical path; what was done stays, nothing is said to be live."""
    chart = recorded(FAILED)
    assert chart.ended == "failed in 'versions' after 7.6 s"
    assert chart.path[-1].name == "versions"
    assert 'class="failed"' in draw_svg(chart)


def test_what_was_cancelled_with_it_decided_nothing() -> None:
    """A step that ended because another failed is drawn as cancelled and is not critical."""
    events: list[Timed] = [
        *DEPLOY[:11],
        (5.8, StepFailed(Step.LOCK, 0.3, cancelled=False)),
        (5.9, StepFailed(Step.UPLOAD, 2.4, cancelled=True)),
    ]
    chart = recorded(events)
    assets = next(lane for lane in chart.lanes if lane.name == "assets")
    assert (assets.end, assets.critical) == (End.CANCELLED, False)
    assert chart.path[-1].name == "lock"


def test_a_deploy_that_was_interrupted() -> None:
    """Whatever was under way is drawn until now."""
    chart = recorded(DEPLOY[:11], now_s=7.0)
    assert lanes(chart)["lock"] == (2.5, 4.0)
    assert chart.ended == "not live after 4.0 s"
    events: list[Timed] = [*DEPLOY[:11], (6.0, StepFailed(Step.LOCK, 0.5, cancelled=True))]
    assert recorded(events, now_s=6.0).ended == "stopped after 3.0 s"


def test_live_with_workers_that_failed() -> None:
    """What came after the flip does not hide that the build is live."""
    events: list[Timed] = [
        *DEPLOY,
        (15.0, StepStarted(Step.WORKERS)),
        (16.0, StepFailed(Step.WORKERS, 1.0, cancelled=False)),
    ]
    assert recorded(events).ended == "live after 12.0 s, then failed in 'workers'"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - drawn a moment ago, by us


def boxes(svg: str, kind: str) -> list[ET.Element]:
    return [
        box for box in parsed(svg).iter(f"{SVG}rect") if (box.get("class") or "").split()[0] == kind
    ]


@pytest.mark.parametrize(
    "events",
    [DEPLOY, FAILED, BEGUN, [], DEPLOY[:2]],
    ids=["live", "failed", "begun", "none", "one"],
)
def test_it_is_well_formed_and_needs_nothing_from_elsewhere(events: Sequence[Timed]) -> None:
    """XML that parses; no address but the namespace, no script, no file, in either form."""
    svg = draw_svg(recorded(events))
    parsed(svg)
    page = draw_html(recorded(events))
    for text in (svg, page):
        assert set(re.findall(r"https?://[^\"' <>]+", text)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"<script|@import|url\((?!#)|<link|<img|<image|href", text)
    assert svg in page


def test_no_text_means_anything_to_xml() -> None:
    """Names, commands and reasons of others are text, whatever is in them."""
    events: list[Timed] = [
        (3.0, DeployBegun(HOSTILE, BuildId(BUILD), Lane.DIRECT)),
        (3.0, StepStarted(Step.STACK)),
        (4.0, ResourceChanged(HOSTILE, "kind", "UPDATE_FAILED", HOSTILE)),
        (4.0, StepStarted(Step.COMMANDS)),
        (9.0, Output(Step.COMMANDS, HOSTILE * 9, HOSTILE)),
        (9.0, StepFinished(Step.COMMANDS, 5.0, HOSTILE)),
    ]
    chart = recorded(events)
    svg, page = draw_svg(chart), draw_html(chart)
    assert {element.tag for element in parsed(svg).iter()} <= {
        f"{SVG}{name}"
        for name in ("svg", "title", "style", "defs", "pattern", "path", "rect", "text", "polyline")
    }
    for text in (svg, page):
        assert "<script>" not in text
        assert not set(text) & {"\x00", "\x1b", "\ud800", "\ufffe"}
        text.encode()
    assert "in the direct lane" in svg


def test_everything_is_inside_the_picture() -> None:
    """No bar and no part leaves the page, not even what takes no time at the very end."""
    svg = draw_svg(recorded(DEPLOY))
    page = parsed(svg)
    width, height = float(page.get("width", 0)), float(page.get("height", 0))
    for box in page.iter(f"{SVG}rect"):
        right = float(box.get("x", 0)) + float(box.get("width", 0))
        bottom = float(box.get("y", 0)) + float(box.get("height", 0))
        assert right <= width
        assert bottom <= height


# The option


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("picture.png", "ends with neither .svg nor .html"),
        ("picture", "ends with neither"),
        ("", "ends with neither"),
        (".svg", "ends with neither"),
        ("a\0b.svg", "ends with neither"),
        ("missing/picture.svg", "No such file or directory"),
        ("file/picture.svg", "Not a directory"),
        ("directory.svg", "it is no file"),
        ("fifo.svg", "it is no file"),
        ("x" * 300 + ".svg", "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before(
    tmp_path: Path, name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deploy does not begin; nothing is left behind."""
    (tmp_path / "file").write_text("")
    (tmp_path / "directory.svg").mkdir()
    os.mkfifo(tmp_path / "fifo.svg")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=says), timeline(name, silent):
        pytest.fail("the deploy has begun")
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_says_so_in_two_lines(tmp_path: Path) -> None:
    """Wrong usage is exit code 2, before a build is even looked for."""
    arguments = ["deploy", "--timeline", "x.pdf", "--project", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2
    assert "x.pdf" in done.exception.message


def test_looking_leaves_no_file(tmp_path: Path) -> None:
    """That a file can be written is found out without leaving one, and without touching one."""
    writable(str(tmp_path / "new.svg"))
    assert not (tmp_path / "new.svg").exists()
    (tmp_path / "old.html").write_text("old")
    writable(str(tmp_path / "old.html"))
    assert (tmp_path / "old.html").read_text() == "old"


@pytest.mark.parametrize(("name", "begins"), [("a.svg", "<svg"), ("a.html", "<!doctype html>")])
def test_the_picture_is_there_also_of_a_failure(tmp_path: Path, name: str, begins: str) -> None:
    """Whatever the deploy raises, what was done until then is drawn, and the failure goes on."""
    file = tmp_path / name
    with pytest.raises(KeyError):
        failing(file)
    assert file.read_text().startswith(begins)
    assert "failed in 'versions'" in file.read_text()


def failing(file: Path) -> None:
    with timeline(str(file), silent) as report:
        for _, event in FAILED:
            report(event)
        raise KeyError


def test_a_picture_that_cannot_be_written_in_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a warning: what was deployed is deployed."""
    directory = tmp_path / "gone"
    directory.mkdir()
    with timeline(str(directory / "a.svg"), silent) as report:
        for _, event in DEPLOY:
            report(event)
        directory.rmdir()
    assert "warning: the timeline could not be written" in capsys.readouterr().err


def test_without_the_option_nothing_is_recorded() -> None:
    """The reporter is the very one that was given."""
    with timeline(None, click.echo) as report:
        assert report is click.echo
