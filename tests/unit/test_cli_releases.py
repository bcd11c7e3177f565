"""What `releases` shows: a line for every activation, and what is odd about the records."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from hover_async.cli.releases import print_history
from hover_async.deploy.history import Entry, History
from hover_async.deploy.records import Activated, Kind, Release, StepTime
from hover_async.events import Step
from hover_async.values import FunctionName, Version

BUILD = "b20261123T063100Z-7f3a9c1d"
HTTP, CLI = FunctionName("shop-http"), FunctionName("shop-cli")


def shown(history: History, count: int = 20, *, timings: bool = False, width: int = 140) -> str:
    console = Console(width=width, file=StringIO(), color_system=None)
    with console.capture() as captured:
        print_history(history, console, count, timings=timings)
    return captured.get()


def entry(kind: Kind, *, is_live: bool = False, version: str = "12") -> Entry:
    versions = {HTTP: Version(version), CLI: Version("12")}
    steps = [StepTime("push", 0.5, 3.25), StepTime("stack", 4.0, 20.0)]
    activated = Activated("2026-11-23T06:31:00.123+00:00", kind, "ann@laptop", versions, None, 31.4)
    activated = Activated(**{**vars(activated), "steps": steps if kind is Kind.DEPLOY else ()})
    release = Release(BUILD, git_revision="0123456789abcdef-dirty", activations=[activated])
    return Entry(release, activated, is_live=is_live)


def test_a_line_tells_what_when_who_and_how_long() -> None:
    """And a star what is live."""
    text = shown(History("dev", BUILD, [entry(Kind.ROLLBACK, is_live=True, version="3")]))
    (line,) = [line for line in text.splitlines() if BUILD in line]
    words = ("*", "2026-11-23T06:31:00Z", "rollback", "ann@laptop", " 0123456-dirty ", "31.4")
    assert all(word in line for word in words)
    assert "3 (1), 12 (1)" in line


def test_the_longest_run_says_which_step_comes_first() -> None:
    """However long after its beginning the same step began in another run."""
    slow, whole = entry(Kind.DEPLOY), entry(Kind.DEPLOY)
    assert slow.activated
    assert whole.activated
    one = replace(slow.activated, steps=[StepTime("push", 90.0, 1.0), StepTime("check", 0.0, 1.0)])
    three = [*whole.activated.steps, StepTime("health", 30.0, 1.0)]
    two = replace(whole.activated, steps=three)
    found = History("dev", BUILD, [replace(slow, activated=one), replace(whole, activated=two)])
    heading = next(line for line in shown(found, timings=True).splitlines() if "total" in line)
    assert heading.split()[-4:] == ["push", "stack", "health", "check"]


def test_timings_are_columns_in_the_order_of_the_steps() -> None:
    """A rollback has none of a deploy's: its cells are empty."""
    found = History("dev", BUILD, [entry(Kind.ROLLBACK), entry(Kind.DEPLOY)])
    text = shown(found, timings=True)
    heading = next(line for line in text.splitlines() if "total" in line)
    assert heading.index("total") < heading.index("push") < heading.index("stack")
    assert "3.2" in text
    assert "20.0" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_timings_are_never_cut(width: int) -> None:
    """Every step of a deploy, with the time that it went live: in as many tables as fit."""
    one = entry(Kind.DEPLOY)
    assert one.activated
    steps = [StepTime(str(name), number, 100.5 + number) for number, name in enumerate(Step)]
    activated = replace(one.activated, steps=steps)
    found = History("dev", BUILD, [replace(one, activated=activated)])
    text = shown(found, timings=True, width=width)
    assert all(step.step in text and f"{step.seconds:.1f}" in text for step in steps)
    assert text.count(BUILD) == text.count("2026-11-23T06:31:00Z") == text.count("live since")
    assert max(map(len, text.splitlines())) <= max(width, 72)


@pytest.mark.parametrize("width", [30, 80, 120])
def test_a_build_id_is_never_broken(width: int) -> None:
    """Whatever else stands in the table and however narrow the screen: it is what one pastes."""
    pruned = replace(entry(Kind.DEPLOY), release=replace(entry(Kind.DEPLOY).release, pruned_at="x"))
    text = shown(History("dev", BUILD, [entry(Kind.ROLLBACK, version="3"), pruned]), width=width)
    assert text.count(BUILD) == text.count("2026-11-23T06:31:00Z") == 2
    assert "pruned" in text
    assert width < 80 or max(map(len, text.splitlines())) <= width


def test_nothing_and_more_than_is_shown() -> None:
    """Both are said."""
    assert "nothing of stage 'dev' was ever live" in shown(History("dev", None, []))
    more = shown(History("dev", BUILD, [entry(Kind.DEPLOY)] * 3), count=1)
    assert "2 more: -n 3" in more


def test_odd_records_are_told() -> None:
    """Damaged ones by their key, an activation that was not ended by its build."""
    text = shown(History("dev", None, [], ["hover/releases/b1.json"], BUILD))
    assert "hover/releases/b1.json cannot be read" in text
    assert f"an activation of {BUILD} was begun and not ended" in text
    bare = Entry(Release(BUILD), None, is_live=False)
    assert BUILD in shown(History("dev", None, [bare]))
    assert BUILD in shown(History("dev", None, [bare]), timings=True)
