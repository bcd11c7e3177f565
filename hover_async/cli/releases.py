"""`hover-async releases [STAGE]`"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from hover_async.cli.options import located, says_where
from hover_async.cli.reporting import to_whoever_listens
from hover_async.cli.run import run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hover_async.deploy.history import Entry, History

SHOWN = 20
GIT_DIGITS = 10
TO_THE_SECOND = 19
WIDEST = 1_000
WORDS = {"", "build", "live since", "kind", "by", "git", "versions"}
"""The columns that are no numbers."""


@click.command()
@click.argument("stage", required=False)
@click.option("-n", "count", type=click.IntRange(min=1), help=f"How many.  [default: {SHOWN}]")
@click.option("--timings", is_flag=True, help="The seconds of every step, instead of versions.")
@says_where
@click.option("--json", "as_json", is_flag=True, help="Everything on record as JSON on stdout.")
def releases(
    stage: str | None,
    *,
    count: int | None,
    timings: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """What was live, when, and by whom: the latest first, what is live now marked with '*'.

    Every time that a build went live is a line, by a deploy or by a rollback.
    """
    from hover_async import api
    from hover_async.cli.screen import show, waiting

    place = located(**where)
    with waiting("reading the releases ..."):
        found = run(lambda: api.releases(stage, **place))
    with to_whoever_listens():
        if as_json:
            told = found.as_json()
            listed = told["releases"]
            assert isinstance(listed, list)  # noqa: S101 - as it was made just now
            click.echo(json.dumps({**told, "releases": listed[:count]}, indent=2, default=str))
        else:
            show(lambda console: print_history(found, console, count or SHOWN, timings=timings))


def print_history(found: History, console: Console, count: int, *, timings: bool) -> None:
    """A line for every activation, and below it what is odd about the records."""
    from rich.text import Text

    shown = found.entries[:count]
    if shown and timings:
        _print_whole(_timings(shown), console)
    elif shown:
        console.print(_overview(shown))
    else:
        console.print(f"nothing of stage '{found.stage}' was ever live")
    if len(found.entries) > len(shown):
        console.print(f"{len(found.entries) - len(shown)} more: -n {len(found.entries)}")
    for key in found.damaged:
        console.print(Text(f"warning: the record {key} cannot be read", "yellow"))
    if found.interrupted is not None:
        of = f" of {found.interrupted}" if found.interrupted else ""
        told = f"warning: an activation{of} was begun and not ended: 'hover-async recover'"
        console.print(Text(told, "yellow"))


def _overview(entries: Sequence[Entry]) -> Table:
    table = _table("build", "live since", "kind", "by", "git", "seconds", "versions")
    for entry in entries:
        activated, release = entry.activated, entry.release
        versions = activated.versions if activated else release.versions
        table.add_row(
            "*" if entry.is_live else "",
            _build(entry),
            f"{activated.at[:TO_THE_SECOND]}Z" if activated else "",
            _kind(entry),
            activated.by if activated else "",
            (release.git_revision or "")[:GIT_DIGITS],
            f"{activated.seconds:.1f}" if activated else "",
            _versions(versions.values()),
            style="bold" if entry.is_live else "dim" if release.pruned_at else "",
        )
    return table


def _timings(entries: Sequence[Entry]) -> Table:
    """A column for every step that any of them had, in the order in which they began."""
    began: dict[str, float] = {}
    for entry in entries:
        for timed in entry.activated.steps if entry.activated else ():
            began[timed.step] = max(timed.start_s, began.get(timed.step, 0.0))
    names = sorted(began, key=lambda name: began[name])
    table = _table("build", "kind", "total", *names)
    for entry in entries:
        activated = entry.activated
        times = {timed.step: timed.seconds for timed in activated.steps} if activated else {}
        table.add_row(
            "*" if entry.is_live else "",
            entry.release.build_id,
            activated.kind if activated else "",
            f"{activated.seconds:.1f}" if activated else "",
            *(f"{times[name]:.1f}" if name in times else "" for name in names),
            style="bold" if entry.is_live else "",
        )
    return table


def _print_whole(table: Table, console: Console) -> None:
    """As wide as it is: with a column for every step, squeezing would leave no number whole."""
    before = console.width
    console.width = WIDEST
    console.width = max(before, console.measure(table).maximum)
    console.print(table, crop=False)
    console.width = before


def _table(*headings: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for heading in ("", *headings):
        is_text = heading in WORDS
        table.add_column(heading, overflow="fold", justify="left" if is_text else "right")
    return table


def _build(entry: Entry) -> str:
    return f"{entry.release.build_id}{' (pruned)' if entry.release.pruned_at else ''}"


def _kind(entry: Entry) -> str:
    if entry.activated is None:
        return ""
    return f"{entry.activated.kind}{', recovered' if entry.activated.recovered_by else ''}"


def _versions(versions: Iterable[str]) -> str:
    """`12` where all functions have the same one, else `12 (2), 3 (1)`, by how many have it."""
    counted = Counter(versions).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return ", ".join(f"{version} ({count})" for version, count in counted)
