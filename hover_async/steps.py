"""Steps that are timed and told, and what their times say about the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from anyio import current_time, get_cancelled_exc_class

from hover_async.events import (
    Event,
    Reporter,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    steadfast,
)

R = TypeVar("R")


class Done(Protocol):
    """Notes what a step made, to sum the step up by `str`, and hands it back."""

    def __call__(self, result: R, /) -> R: ...


@contextmanager
def step(report: Reporter, name: Step) -> Iterator[Done]:
    """Report the start and the end of a step.

    `with step(report, Step.PUSH) as done: image = done(await push_image(...))`
    """
    summary = ""

    def done(result: R) -> R:
        nonlocal summary
        summary = str(result)
        return result

    started = current_time()
    report(StepStarted(name))
    try:
        yield done
    except BaseException as failure:
        cancelled = isinstance(failure, get_cancelled_exc_class())
        report(StepFailed(name, current_time() - started, cancelled=cancelled))
        raise
    report(StepFinished(name, current_time() - started, summary))


@dataclass(frozen=True)
class Timed:
    """A finished step: when it began after the start of the run, how long it took, in seconds."""

    step: Step
    start_s: float
    seconds: float
    summary: str
    critical: bool = False

    @property
    def end_s(self) -> float:
        return self.start_s + self.seconds


class Timeline:
    """A reporter that passes every event on and keeps when each step ran."""

    def __init__(self, report: Reporter) -> None:
        self._report = steadfast(report)
        self._began = current_time()
        self._started: dict[Step, float] = {}
        self._finished: list[Timed] = []

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, StepStarted):
            self._started[event.step] = current_time() - self._began
        elif isinstance(event, StepFinished):
            start_s = self._started[event.step]
            self._finished.append(Timed(event.step, start_s, event.seconds, event.summary))
        self._report(event)

    @property
    def seconds(self) -> float:
        return current_time() - self._began

    def steps(self, depends: Mapping[Step, Sequence[Step]]) -> tuple[Timed, ...]:
        """The finished steps in the order of their start, those on the critical path marked."""
        critical = critical_path({timed.step: timed.end_s for timed in self._finished}, depends)
        return tuple(
            Timed(timed.step, timed.start_s, timed.seconds, timed.summary, timed.step in critical)
            for timed in sorted(self._finished, key=lambda timed: timed.start_s)
        )


def critical_path(
    ends_s: Mapping[Step, float], depends: Mapping[Step, Sequence[Step]]
) -> Sequence[Step]:
    """The steps that decided when the run ended, the last one first; `ends_s`: when each ended.

    It is walked back from the step that ended last: what it waited for longest, what that one
    waited for, and so on. Shortening anything else would not have ended the run earlier.
    """
    path: list[Step] = []
    latest = max(ends_s, key=ends_s.__getitem__, default=None)
    while latest is not None and latest not in path:
        path.append(latest)
        before = [step for step in depends.get(latest, ()) if step in ends_s]
        latest = max(before, key=ends_s.__getitem__, default=None)
    return path
