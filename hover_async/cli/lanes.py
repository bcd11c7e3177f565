"""Events as lanes, for people at a terminal: a line per step that moves while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hover_async.cli.plain import describe, is_asked_for
from hover_async.events import (
    AliasMoved,
    CodeUpdated,
    ContainerWarmed,
    Event,
    LiveNow,
    Output,
    Progress,
    ResourceChanged,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    VersionPublished,
    Waiting,
    Warned,
)

LASTING = (AliasMoved, LiveNow, Waiting, Warned)
"""Events that stay on the screen above the lanes."""


@dataclass
class Lane:
    """A step as it is drawn: what it is doing now, or how it ended."""

    step: Step
    began: float
    detail: str = ""
    ended: str = ""
    seconds: float = 0.0
    count: int = 0


class LanesReporter:
    """Draws on stderr until its block ends; then the last picture stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lanes: dict[Step, Lane] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=10, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event, /) -> None:  # noqa: C901 - one arm for each kind of event
        match event:
            case StepStarted(step):
                self._lanes[step] = Lane(step, time.monotonic())
            case StepFinished(step, seconds, summary):
                self._end(step, "done", seconds, summary)
            case StepFailed(step, seconds, cancelled):
                self._end(step, "cancelled" if cancelled else "failed", seconds)
            case Progress(step, done, total, unit):
                self._tell(step, _amount(done, total, unit))
            case Output(step, _, text):
                self._output(event, step, text)
            case ResourceChanged(resource, _, status, reason):
                self._tell(Step.STACK, f"{status.lower().replace('_', ' ')} {resource}")
                if reason and status.endswith("FAILED"):
                    self._print(event)
            case CodeUpdated(function):
                self._tell(Step.PUBLISH, f"{function} is given the image")
            case VersionPublished(function, version):
                self._count(Step.PUBLISH, f"{function}:{version}")
            case ContainerWarmed(_, instance, _, boot_ms):
                self._count(Step.WARM, f"{instance} in {boot_ms:.0f} ms")
            case _:
                if isinstance(event, LASTING):
                    self._print(event)

    def _output(self, event: Output, step: Step, text: str) -> None:
        if is_asked_for(event):
            self._print(event)
        elif lines := text.strip().splitlines():
            self._tell(step, lines[-1])

    def _print(self, event: Event) -> None:
        style = "yellow" if isinstance(event, Warned) else None
        for line in describe(event):
            self._live.console.print(Text(line, style=style or ""))

    def _tell(self, step: Step, detail: str) -> None:
        if lane := self._lanes.get(step):
            lane.detail = detail

    def _count(self, step: Step, detail: str) -> None:
        if lane := self._lanes.get(step):
            lane.count += 1
            lane.detail = f"{lane.count}: {detail}"

    def _end(self, step: Step, how: str, seconds: float, detail: str = "") -> None:
        lane = self._lanes[step]
        lane.ended, lane.seconds, lane.detail = how, seconds, detail

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=2)
        table.add_column(min_width=14)
        table.add_column(justify="right", min_width=8)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for lane in self._lanes.values():
            table.add_row(*self._row(lane))
        return Group(table)

    def _row(self, lane: Lane) -> tuple[Text | Spinner, Text, Text, Text]:
        marks = {"done": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("-", "yellow")}
        if lane.ended:
            sign, style = marks[lane.ended]
            return (
                Text(sign, style=style),
                Text(lane.step),
                Text(f"{lane.seconds:.1f} s"),
                Text(lane.detail or lane.ended, style="dim"),
            )
        seconds = time.monotonic() - lane.began
        return self._spinner, Text(lane.step, "bold"), Text(f"{seconds:.1f} s"), Text(lane.detail)


def _amount(done: int, total: int, unit: str) -> str:
    if unit != "bytes":
        return f"{done:,} of {total:,} {unit}"
    return f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
