"""A reporter that keeps what it was told."""

from __future__ import annotations

from typing import TypeVar

from hover_async.events import Event, Step, StepFailed, StepFinished, StepStarted

E = TypeVar("E")


class RecordingReporter:
    """`events` holds every event in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def started(self) -> list[Step]:
        return [event.step for event in self.of(StepStarted)]

    def finished(self) -> list[Step]:
        return [event.step for event in self.of(StepFinished)]

    def failed(self) -> list[Step]:
        return [event.step for event in self.of(StepFailed) if not event.cancelled]
