"""The reporter that keeps what a timeline shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hover_async.deploy.deployment import DEPENDS
from hover_async.events import (
    AliasMoved,
    CodeUpdated,
    ContainerWarmed,
    DeployBegun,
    Event,
    Output,
    Progress,
    Reporter,
    ResourceChanged,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    VersionPublished,
    silent,
)
from hover_async.steps import critical_path
from hover_async.timeline.chart import Chart, End, Lane, Part
from hover_async.values import Lane as CodeLane

MOST_POINTS = 200
"""Of the progress of one step; a deploy may tell a hundred thousand."""


@dataclass
class Track:
    """A step as it goes on."""

    step: Step
    start_s: float
    end_s: float | None = None
    end: End = End.OPEN
    summary: str = ""
    parts: list[Part] = field(default_factory=list)
    progress: list[tuple[float, int]] = field(default_factory=list)
    total: int = 0

    def lane(self, now_s: float, *, critical: bool) -> Lane:
        return Lane(
            self.step,
            self.start_s,
            now_s if self.end_s is None else self.end_s,
            self.end,
            self.summary,
            critical,
            tuple(self.parts),
            self._shares(),
        )

    def _shares(self) -> Sequence[tuple[float, float]]:
        """Of the whole as it turned out to be: a push learns of its layers while it goes on."""
        return [(at_s, min(done / self.total, 1.0)) for at_s, done in thinned(self.progress)]


class Recording:
    """Passes every event on to `report`, and keeps when it came by `clock`, in seconds."""

    def __init__(
        self,
        report: Reporter = silent,
        *,
        clock: Callable[[], float] = time.monotonic,
        depends: Mapping[Step, Sequence[Step]] = DEPENDS,
    ) -> None:
        self._report = report
        self._clock = clock
        self._depends = depends
        self._began = clock()
        self._title = ""
        self._tracks: dict[Step, Track] = {}
        self._given: dict[str, float] = {}

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, DeployBegun):  # not with what was imported and opened before
            self._began = self._clock()
        self._keep(event, self._clock() - self._began)
        self._report(event)

    def chart(self) -> Chart:
        """What has happened until now."""
        now_s = max((track.end_s or 0.0 for track in self._tracks.values()), default=0.0)
        if any(track.end_s is None for track in self._tracks.values()):
            now_s = self._clock() - self._began
        # What was cancelled decided nothing: it ended because something else did.
        ends_s = {
            step: now_s if track.end_s is None else track.end_s
            for step, track in self._tracks.items()
            if track.end is not End.CANCELLED
        }
        path = critical_path(ends_s, self._depends)
        lanes = {
            step: track.lane(now_s, critical=step in path) for step, track in self._tracks.items()
        }
        return Chart(
            self._title,
            self._ended(now_s),
            now_s,
            sorted(lanes.values(), key=lambda lane: lane.start_s),
            [lanes[step] for step in reversed(path)],
        )

    def _ended(self, now_s: float) -> str:
        failed = [track for track in self._tracks.values() if track.end is End.FAILED]
        flip = self._tracks.get(Step.ACTIVATE)
        if flip and flip.end is End.DONE and flip.end_s is not None:
            live = f"live after {flip.end_s:.1f} s"
            return f"{live}, then failed in '{failed[0].step}'" if failed else live
        if failed:
            return f"failed in '{failed[0].step}' after {now_s:.1f} s"
        if any(track.end is End.CANCELLED for track in self._tracks.values()):
            return f"stopped after {now_s:.1f} s"
        return f"not live after {now_s:.1f} s"

    def _keep(self, event: Event, at_s: float) -> None:
        match event:
            case DeployBegun(stage, build_id, lane):
                by = " in the direct lane" if lane is CodeLane.DIRECT else ""
                self._title = f"{build_id} to stage '{stage}'{by}"
            case StepStarted(step):
                self._tracks[step] = Track(step, at_s)
            case StepFinished(step, _, summary):
                self._end(step, at_s, End.DONE, summary)
            case StepFailed(step, _, cancelled):
                self._end(step, at_s, End.CANCELLED if cancelled else End.FAILED)
            case Progress(step, done, total):
                if total > 0 and (track := self._tracks.get(step)):
                    track.progress.append((at_s, done))
                    track.total = max(track.total, total)
            case _:
                self._keep_part(event, at_s)

    def _keep_part(self, event: Event, at_s: float) -> None:
        match event:
            case Output(Step.COMMANDS, source):
                self._part(Step.COMMANDS, at_s, source, start_s=self._last_end(Step.COMMANDS))
            case ContainerWarmed(_, instance, cold, boot_ms):
                boot_s = boot_ms / 1000 if cold else 0.0
                how = f"booted in {boot_ms:.0f} ms" if cold else "was warm"
                self._part(Step.WARM, at_s, f"{instance} {how}", start_s=at_s - boot_s)
            case CodeUpdated(function):
                self._given[function] = at_s
            case VersionPublished(function, version):
                start_s = self._given.get(function, at_s)
                self._part(Step.PUBLISH, at_s, f"{function}:{version}", start_s=start_s)
            case AliasMoved(function, before, after):
                self._part(Step.ACTIVATE, at_s, f"{function} {before or 'none'} -> {after}")
            case ResourceChanged(resource, _, status, reason) if not status.endswith("_PROGRESS"):
                of = Step.WORKERS if Step.WORKERS in self._tracks else Step.STACK
                told = f"{resource} {status.lower().replace('_', ' ')}"
                failed = status.endswith("FAILED")
                self._part(of, at_s, f"{told}: {reason}" if reason else told, failed=failed)
            case _:
                pass

    def _part(
        self,
        step: Step,
        at_s: float,
        label: str,
        *,
        start_s: float | None = None,
        failed: bool = False,
    ) -> None:
        if track := self._tracks.get(step):
            began_s = at_s if start_s is None else max(start_s, track.start_s)
            track.parts.append(Part(began_s, at_s, label, failed))

    def _last_end(self, step: Step) -> float:
        track = self._tracks.get(step)
        return track.parts[-1].end_s if track and track.parts else 0.0

    def _end(self, step: Step, at_s: float, end: End, summary: str = "") -> None:
        if track := self._tracks.get(step):
            track.end_s, track.end, track.summary = at_s, end, summary


def thinned(points: Sequence[tuple[float, int]]) -> Sequence[tuple[float, int]]:
    """At most about `MOST_POINTS` of the points, the last one among them."""
    if len(points) <= MOST_POINTS:
        return tuple(points)
    every = len(points) // MOST_POINTS
    return (*points[::every], points[-1])
