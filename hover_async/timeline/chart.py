"""What a timeline shows, in seconds since the deploy began; how it looks is not decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class End(StrEnum):
    """How a step ended; `OPEN`: it has not."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OPEN = "open"


@dataclass(frozen=True)
class Part:
    """Something within a step: a command, a container's boot, a function's version.

    Where only its end is known, it is an instant (`start_s` equals `end_s`).
    """

    start_s: float
    end_s: float
    label: str
    failed: bool = False

    @property
    def is_instant(self) -> bool:
        return self.start_s == self.end_s


@dataclass(frozen=True)
class Lane:
    """A step. `progress`: moments, and which share was done by then, from 0 to 1."""

    name: str
    start_s: float
    end_s: float
    end: End
    summary: str = ""
    critical: bool = False
    parts: Sequence[Part] = ()
    progress: Sequence[tuple[float, float]] = ()

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Chart:
    """A deploy. `ended` says in a few words how it ended; `path` is the critical path in order."""

    title: str
    ended: str
    seconds: float
    lanes: Sequence[Lane]
    path: Sequence[Lane] = field(default_factory=tuple)

    def share(self, lane: Lane) -> float:
        return lane.seconds / self.seconds if self.seconds else 0.0
