"""How a plan looks, and how its command ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hover_async.cli.plan_text import print_plan
from hover_async.deploy.planned import (
    LogsFate,
    Plan,
    PlannedBeside,
    PlannedEnvironment,
    PlannedFunction,
    PlannedImage,
    PlannedLogs,
    PlannedQueue,
    PlannedStack,
    QueueFate,
)
from hover_async.deploy.upload import Amount, PlannedUpload
from hover_async.template.difference import HIDDEN, Action, Change, PropertyChange
from hover_async.values import BuildId, FunctionName, Lane, Version

THIS = BuildId("b20261123T063102Z-7f3a9c1d")
BEFORE = BuildId("b20261123T063101Z-7f3a9c1d")
FUNCTION = "AWS::Lambda::Function"


BESIDE = PlannedBeside(
    queues=[
        PlannedQueue("new-shop-dev", QueueFate.MADE),
        PlannedQueue("found-shop-dev", QueueFate.TAKEN_OVER, 12),
        PlannedQueue(
            "jobs-shop-dev",
            QueueFate.CHANGED,
            changes=[PropertyChange("VisibilityTimeout", "360", "720")],
        ),
        PlannedQueue("old-shop-dev", QueueFate.LEFT, 3),
        PlannedQueue("theirs-shop-dev", QueueFate.REFUSED, problem="it belongs to stage 'dev'"),
        PlannedQueue("quiet-shop-dev", QueueFate.STAYS),
    ],
    logs=[
        PlannedLogs("/aws/lambda/shop-dev-http", LogsFate.CHANGED, None, 30),
        PlannedLogs("/aws/lambda/shop-dev-cli", LogsFate.STAYS, 30, 30),
        PlannedLogs("/aws/lambda/shop-dev-jobs-queue", LogsFate.MADE, None, 30),
    ],
)


def plan(
    *changes: Change, unconfirmed: str = "", lane: Lane = Lane.STACK, refused: Sequence[str] = ()
) -> Plan:
    return Plan(
        stage="dev",
        build_id=THIS,
        live_build=BEFORE,
        region="eu-central-1",
        stack=PlannedStack(
            name="shop-dev",
            does="update" if changes else "nothing",
            status="UPDATE_COMPLETE",
            changes=changes,
            source="templates",
            confirmed=not unconfirmed,
            unconfirmed=unconfirmed,
            refused=refused,
        ),
        functions=[
            PlannedFunction(FunctionName("shop-dev-http"), Version("7"), "new-version"),
            PlannedFunction(FunctionName("shop-dev-cli"), None, "new"),
        ],
        image=PlannedImage(THIS, in_registry=False, digest=None),
        assets=PlannedUpload(send=Amount(2, 1_234_567), copy=Amount(1_000, 999)),
        commands=["php artisan migrate --force"],
        environment=PlannedEnvironment(added=["NEW"], removed=["OLD"], unknown=["KEPT"]),
        beside=BESIDE,
        lane=lane,
    )


MEMORY = Change(
    Action.MODIFY,
    "HttpFunction",
    FUNCTION,
    "shop-dev-http",
    [
        PropertyChange("MemorySize", "1024", "2048"),
        PropertyChange("Environment.Variables.APP_ENV", HIDDEN, HIDDEN),
        PropertyChange("Code.ImageUri", f"1.dkr/shop@sha256:{'a' * 64}", "the image of this build"),
    ],
)
LOGS = Change(
    Action.DELETE,
    "Logs",
    "AWS::Logs::LogGroup",
    "/aws/lambda/x",
    fate="it is deleted with its logs",
    loses=True,
)


def text(found: Plan, *, colour: bool = False, width: int = 110) -> str:
    output = StringIO()
    print_plan(
        found,
        Console(
            file=output,
            width=width,
            highlight=False,
            force_terminal=colour,
            color_system="standard" if colour else None,
        ),
    )
    return output.getvalue()


def test_a_plan_reads_as_prose_in_a_table() -> None:
    """Every fact of the plan stands in its text."""
    told = text(plan(MEMORY, LOGS))
    for words in (
        "stack shop-dev is updated: 1 to modify, 1 to delete",
        "confirmed by CloudFormation",
        "MemorySize 1024 → 2048",
        "Code.ImageUri sha256:aaaaaaaaaaaa → the image of this build",
        "APP_ENV changed (values are not shown)",
        "! it is deleted with its logs",
        "version 7 is live",
        "goes live for the first time",
        "2 (1.2 MB) to send, 1,000 (999 bytes) copied inside S3",
        "1. php artisan migrate --force",
        "+ NEW",
        "- OLD",
        "? KEPT",
        "there are changes; this is lost: /aws/lambda/x",
    ):
        assert words in told


def test_what_stands_in_the_way_stands_out() -> None:
    """A stack that cannot be updated, an image that Lambda refuses, a deploy under way."""
    ill = replace(
        plan(),
        stack=replace(plan().stack, obstacle="it is stuck; get it out"),
        image=PlannedImage(THIS, in_registry=True, digest="sha256:1", problem="is an index"),
        deploying="ada@laptop",
    )
    told = text(ill)
    assert "! a deploy cannot begin: it is stuck; get it out" in told
    assert "! Lambda would refuse it: is an index" in told
    assert "! another run holds the lock: ada@laptop" in told


def changed(before: str | None, after: str | None) -> str:
    change = replace(MEMORY, properties=[PropertyChange("P", before, after)])
    return next(line.strip() for line in text(plan(change)).splitlines() if " P " in line)


def test_long_values_show_where_they_differ() -> None:
    """Not their beginning, which is the same."""
    assert changed("x" * 300 + "old", "x" * 300 + "new") == f"P …{'x' * 12}old → …{'x' * 12}new"
    assert changed("x" * 61, "y") == f"P {'x' * 59}… → y"
    assert changed(None, "y") == "P none → y"


def test_no_value_commands_the_terminal() -> None:
    """What a terminal would obey is shown as what it is; a value stays on its line."""
    assert changed("\x1b[2J", "a\nb") == r"P \x1b[2J → a\nb"
    assert r"1. \x1b]0;x" in text(replace(plan(), commands=["\x1b]0;x"]))


def test_an_unconfirmed_plan_says_why() -> None:
    """Without CloudFormation's word the reader is told."""
    assert "not confirmed by CloudFormation: may not" in text(plan(MEMORY, unconfirmed="may not"))


def test_the_direct_lane_is_told() -> None:
    """Taken, it says that CloudFormation is left out; refused, why, and what the stack would do."""
    told = text(plan(lane=Lane.DIRECT))
    assert "in the direct lane: functions get the image without CloudFormation" in told
    assert "confirmed" not in told
    refused = ["function 'shop-dev-http': MemorySize 1024 -> 2048"]
    told = text(plan(MEMORY, lane=Lane.DIRECT, refused=refused))
    assert "! the direct lane refuses this; with --stack a deploy does it" in told
    assert refused[0] in told
    assert "MemorySize 1024 → 2048" in told


def test_colour_is_for_terminals() -> None:
    """Escape codes only where a terminal shows them; the words are the same."""
    assert "\x1b[" in text(plan(MEMORY), colour=True)
    assert "\x1b[" not in text(plan(MEMORY))


def test_it_fits_a_narrow_terminal() -> None:
    """Long lines fold instead of running over."""
    assert max(len(line) for line in text(plan(MEMORY, LOGS), width=80).splitlines()) <= 80


def test_it_is_json_ready() -> None:
    """Machines get the same facts and the exit code."""
    told = json.loads(json.dumps(plan(MEMORY).as_json()))
    assert told["exit_code"] == 2
    assert told["stack"]["changes"][0]["properties"][0]["after"] == "2048"


def test_what_stands_beside_the_stack_is_told_in_words() -> None:
    """Each queue and log group that something happens to, with what is in it; others count."""
    told = " ".join(text(plan()).split())
    for line in (
        "new-shop-dev is made",
        "found-shop-dev is there already, and will be worked on (12 messages)",
        "jobs-shop-dev is changed (empty) VisibilityTimeout 360 → 720",
        "old-shop-dev stays on AWS with what is in it; nobody works on it any more (3 messages",
        "theirs-shop-dev is another stage's (empty) ! it belongs to stage 'dev'",
        "/aws/lambda/shop-dev-http is changed, kept for 30 days (now for ever) ! logs that",
        "/aws/lambda/shop-dev-jobs-queue is made, kept for 30 days 1 stays as it is",
    ):
        assert line in told
    assert "quiet-shop-dev" not in told


NOTHING = replace(
    plan(),
    functions=[],
    image=PlannedImage(THIS, in_registry=True, digest="sha256:1"),
    assets=PlannedUpload(keep=Amount(3, 3)),
    environment=PlannedEnvironment(unchanged=["SAME"]),
    beside=PlannedBeside(
        [PlannedQueue("jobs", QueueFate.STAYS)], [PlannedLogs("http", LogsFate.STAYS, 30, 30)]
    ),
)
ALONE: Mapping[str, Any] = {
    "stack": {"stack": plan(MEMORY).stack},
    "image": {"image": PlannedImage(THIS, in_registry=False, digest=None)},
    "sent": {"assets": PlannedUpload(send=Amount(1, 1))},
    "copied": {"assets": PlannedUpload(copy=Amount(1, 1))},
    "version": {"functions": [PlannedFunction(FunctionName("f"), Version("1"), "new-version")]},
    "removed": {"functions": [PlannedFunction(FunctionName("f"), Version("1"), "removed")]},
    "queue": {"beside": PlannedBeside([PlannedQueue("jobs", QueueFate.MADE)], [])},
    "logs": {"beside": PlannedBeside([], [PlannedLogs("http", LogsFate.CHANGED, 14, 30)])},
    "added": {"environment": PlannedEnvironment(added=["NEW"])},
    "gone": {"environment": PlannedEnvironment(removed=["OLD"])},
}


def test_nothing_is_exit_code_0() -> None:
    """Of nothing, commands that run again are all that is told."""
    assert NOTHING.exit_code == 0
    assert "nothing would change; its commands would run again" in text(NOTHING)


@pytest.mark.parametrize("name", ALONE)
def test_each_change_alone_is_exit_code_2(name: str) -> None:
    """Whatever the one thing is that would be different."""
    assert replace(NOTHING, **ALONE[name]).exit_code == 2


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hover_async", "plan", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wrong_usage_is_never_taken_for_changes(tmp_path: Path) -> None:
    """Exit code 2 is changes alone: a wrong option or no build is 1, with nothing on stdout."""
    for arguments in (["--bogus"], [], ["a", "b"]):
        ended = run(tmp_path, *arguments)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_failure_is_a_json_line_of_its_own(tmp_path: Path) -> None:
    """With `--json` it is `Failed` where a plan is `Planned`."""
    ended = run(tmp_path, "--json")
    line = json.loads(ended.stdout)
    assert (line["event"], line["exit_code"], line["code"]) == ("Failed", 1, "project")
    assert ended.returncode == 1
