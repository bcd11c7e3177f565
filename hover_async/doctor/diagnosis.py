"""Findings, and how checks come to them: at once, each by a deadline, none hiding the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from anyio import move_on_after

from hover_async.concurrency import bounded_map
from hover_async.errors import AccessDenied, HoverError

DEADLINE_S = 20.0
"""For each check; most take a fraction of a second."""


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What a check found; `advice` says what to do, where there is something to do."""

    health: Health
    found: str
    advice: str | None = None


@dataclass(frozen=True)
class Check:
    """A named look at one thing."""

    name: str
    examine: Callable[[], Awaitable[Finding]]


@dataclass(frozen=True)
class Result:
    check: str
    health: Health
    found: str
    advice: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """Every check's result, in the order of the checks."""

    stage: str
    results: Sequence[Result]

    def count(self, health: Health) -> int:
        return sum(result.health is health for result in self.results)

    @property
    def exit_code(self) -> int:
        return 1 if self.count(Health.FAILED) else 0

    def as_json(self) -> Mapping[str, object]:
        """The same for machines; `exit_code` is the command's."""
        checks = [vars(result) for result in self.results]
        return {"stage": self.stage, "checks": checks, "exit_code": self.exit_code}


def ok(found: str) -> Finding:
    return Finding(Health.OK, found)


def warning(found: str, advice: str | None) -> Finding:
    return Finding(Health.WARNING, found, advice)


def failed(found: str, advice: str | None) -> Finding:
    return Finding(Health.FAILED, found, advice)


def could_not(error: HoverError) -> Finding:
    """A check that may not look is no reason to fail: the deploy itself may need less."""
    return warning(f"could not check: {error.message}", error.hint or "let this identity look")


async def run_checks(
    checks: Sequence[Check], *, deadline_s: float = DEADLINE_S
) -> Sequence[Result]:
    """All at once; a check that raises or takes too long is a result like any other."""

    async def run(check: Check) -> Result:
        finding = await _examine(check, deadline_s)
        return Result(check.name, finding.health, finding.found, finding.advice)

    return await bounded_map(run, checks, limit=max(1, len(checks)))


async def _examine(check: Check, deadline_s: float) -> Finding:
    try:
        with move_on_after(deadline_s):
            return await check.examine()
    except AccessDenied as error:
        return could_not(error)
    except HoverError as error:
        return failed(error.message, error.hint)
    return failed(f"no answer within {deadline_s:.0f} s", "check the network, then try again")
