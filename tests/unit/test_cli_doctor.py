"""How a diagnosis looks."""

from __future__ import annotations

import json
from io import StringIO

from rich.console import Console

from hover_async.cli.doctor import print_diagnosis
from hover_async.doctor.diagnosis import Diagnosis, Health, Result

ILL = Diagnosis(
    "dev",
    [
        Result("build", Health.OK, "b1, 266 MB of image"),
        Result("clock", Health.WARNING, "90 s behind AWS's", "set this machine's clock"),
        Result("stack-role", Health.FAILED, "there is no role 'x'", "create it"),
    ],
)


def text(diagnosis: Diagnosis, width: int = 110) -> str:
    output = StringIO()
    print_diagnosis(diagnosis, Console(file=output, width=width, color_system=None))
    return output.getvalue()


def test_every_check_is_a_row_with_its_advice() -> None:
    """How it is, what was found, what to do; and the sum of it."""
    told = text(ILL)
    for words in (
        "✓ ok",
        "! warning",
        "✗ failed",
        "there is no role 'x'",
        "→ create it",
        "stage 'dev': 1 failed, 1 to look at",
    ):
        assert words in told


def test_all_is_well() -> None:
    """Nothing to do is one word."""
    assert "all is well" in text(Diagnosis("dev", ILL.results[:1]))


def test_what_many_checks_say_is_told_once() -> None:
    """Offline, one sentence for all that asks AWS; each keeps its name, and is counted."""
    offline = [
        Result("region", Health.FAILED, "no answer", "check the network"),
        *(Result(f"check-{n}", Health.WARNING, "could not check: see 'region'") for n in range(9)),
        Result("lock", Health.OK, "none"),
        Result("queues", Health.OK, "none"),
    ]
    told = text(Diagnosis("dev", offline))
    assert told.count("could not check") == 1
    assert "9 checks" in told
    assert all(result.check in told for result in offline)
    assert told.count("✓ ok") == 2
    assert "1 failed, 9 to look at" in told


def test_it_fits_a_narrow_terminal() -> None:
    """Long findings fold."""
    assert max(len(line) for line in text(ILL, width=60).splitlines()) <= 60


def test_it_is_json_ready() -> None:
    """Machines get every check by name, and the exit code."""
    told = json.loads(json.dumps(ILL.as_json()))
    assert told["exit_code"] == 1
    assert told["checks"][2] == {
        "check": "stack-role",
        "health": "failed",
        "found": "there is no role 'x'",
        "advice": "create it",
    }
