"""What a deploy ends with: what is live, where, and where the time went."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from hover_async.values import Lane

if TYPE_CHECKING:
    from hover_async.deploy.deployment import Deployment

WIDEST_BAR, NARROWEST_BAR = 32, 8
NAME, SECONDS, BETWEEN = 10, 7, 14
"""Columns of a step's name, of its seconds, and of all that keeps columns apart."""
PLAIN_WIDTH = 110


def print_summary(deployment: Deployment) -> None:
    """The table on stdout, and the URL as its last line."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else _plain_width())
    facts = Table.grid(padding=(0, 2))
    facts.add_row("build", deployment.build_id)
    facts.add_row("stage", deployment.stage)
    if deployment.lane is Lane.DIRECT:
        facts.add_row("lane", "direct: the stack's template keeps the earlier image")
    facts.add_row("CDN", deployment.distribution_domain)
    moves = deployment.activation.moves
    live = ", ".join(f"{move.before.function}:{move.to}" for move in moves)
    facts.add_row("live", live)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("step", no_wrap=True, width=NAME)
    table.add_column("seconds", justify="right", no_wrap=True, width=SECONDS)
    # Given here, for what a step says may be long, and the table would take from all columns alike.
    room = max(0, console.width - NAME - SECONDS - BETWEEN)
    width = min(WIDEST_BAR, max(NARROWEST_BAR, room // 2))
    table.add_column("when", width=width, no_wrap=True, overflow="crop")
    table.add_column("", max_width=max(1, room - width), no_wrap=True, overflow="ellipsis")
    for timed in deployment.steps:
        style = "bold" if timed.critical else "dim"
        share = (timed.start_s / deployment.seconds, timed.end_s / deployment.seconds)
        bar = _bar(*share, width, critical=timed.critical)
        table.add_row(timed.step, f"{timed.seconds:.2f}", bar, timed.summary, style=style)
    console.print(facts)
    console.print(table)
    path = [timed for timed in deployment.steps if timed.critical]
    shares = ", ".join(
        f"{timed.step} {timed.seconds / deployment.seconds:.0%}"
        for timed in sorted(path, key=lambda timed: -timed.seconds)[:4]
    )
    ending = f"live after {deployment.live_after_s:.1f} s; critical path (━): {shares}"
    console.print(ending, soft_wrap=True)
    console.print(deployment.url, soft_wrap=True, highlight=False)


def _bar(start: float, end: float, width: int, *, critical: bool) -> str:
    """From `start` to `end`, parts of the whole, in `width` columns; never nothing."""
    length = max(1, round((end - start) * width))
    return " " * min(round(start * width), width - 1) + ("━" if critical else "─") * length


def _plain_width() -> int:
    return int(os.environ.get("COLUMNS", "") or PLAIN_WIDTH)
