"""`hover-async releases [STAGE]`"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from hover_async.cli.options import located, says_where
from hover_async.cli.reporting import to_whoever_listens
from hover_async.cli.run import run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hover_async.deploy.history import Entry, History

SHOWN = 20
GIT_DIGITS = 7
TO_THE_SECOND = 19
WIDEST, NARROWEST = 1_000, 72
"""On a screen that is narrower still, columns would vanish."""
Columns: TypeAlias = Sequence[str]
SIDE_BY_SIDE: Columns = ("build", "live since")
STACKED: Columns = ("build, live since",)


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
        _print_timings(shown, console)
    elif shown:
        _print_fitting(partial(_overview, shown), console)
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


def _overview(entries: Sequence[Entry], columns: Columns) -> Table:
    table = _table(columns, ("kind", "by", "git", "seconds", "versions"), numbers={"seconds"})
    for entry in entries:
        activated, release = entry.activated, entry.release
        versions = activated.versions if activated else release.versions
        table.add_row(
            *_first_cells(entry, columns),
            _kind(entry),
            activated.by if activated else "",
            _git(release.git_revision),
            f"{activated.seconds:.1f}" if activated else "",
            _versions(versions.values()),
            style="bold" if entry.is_live else "dim" if release.pruned_at else "",
        )
    return table


def _print_timings(entries: Sequence[Entry], console: Console) -> None:
    """A column for every step that any of them had; too wide, it goes on in a further table."""
    parts: list[list[str]] = [[]]
    for name in ["kind", "total", *_steps(entries)]:
        longer = _timings(entries, [*parts[-1], name], STACKED)
        if parts[-1] and _width(longer, console) > console.width:
            parts.append([])
        parts[-1].append(name)
    for names in parts:
        _print_fitting(partial(_timings, entries, names), console)


def _steps(entries: Sequence[Entry]) -> Sequence[str]:
    """In the order in which they began in the run that had most of them; then those of others."""
    runs = [entry.activated.steps for entry in entries if entry.activated]
    began: dict[str, None] = {}
    for steps in sorted(runs, key=len, reverse=True):
        for timed in sorted(steps, key=lambda timed: timed.start_s):
            began.setdefault(timed.step)
    return list(began)


def _timings(entries: Sequence[Entry], names: Sequence[str], columns: Columns) -> Table:
    table = _table(columns, names, numbers={*names} - {"kind"})
    for entry in entries:
        cells = {"kind": _kind(entry)}
        if entry.activated:
            cells["total"] = f"{entry.activated.seconds:.1f}"
            cells |= {timed.step: f"{timed.seconds:.1f}" for timed in entry.activated.steps}
        table.add_row(
            *_first_cells(entry, columns),
            *(cells.get(name, "") for name in names),
            style="bold" if entry.is_live else "",
        )
    return table


def _print_fitting(draw: Callable[[Columns], Table], console: Console) -> None:
    """Side by side where there is room, else the time below the build.

    A build id is never broken: it is what one pastes behind `rollback --to`.
    """
    table = draw(SIDE_BY_SIDE)
    if _width(table, console) > console.width:
        table = draw(STACKED)
    before = console.width
    console.width = max(before, min(_width(table, console), NARROWEST))
    console.print(table, crop=False)
    console.width = before


def _width(table: Table, console: Console) -> int:
    """With nothing folded, whatever the screen's."""
    return console.measure(table, options=console.options.update(width=WIDEST)).maximum


def _first_cells(entry: Entry, columns: Columns) -> Sequence[str]:
    build = entry.release.build_id
    since = f"{entry.activated.at[:TO_THE_SECOND]}Z" if entry.activated else ""
    cells = [build, since] if columns == SIDE_BY_SIDE else [f"{build}\n{since}".rstrip()]
    return ["*" if entry.is_live else "", *cells]


def _table(whole: Columns, others: Sequence[str], *, numbers: AbstractSet[str]) -> Table:
    """Those that are `whole`, and `numbers`, are never folded."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("", *whole):
        table.add_column(heading, no_wrap=True)
    for heading in others:
        if heading in numbers:
            table.add_column(heading, no_wrap=True, justify="right")
        else:
            table.add_column(heading, overflow="fold")
    return table


def _kind(entry: Entry) -> str:
    """As `deploy`, `rollback, recovered` or `deploy, pruned`."""
    if entry.activated is None:
        return "pruned" if entry.release.pruned_at else ""
    words = [str(entry.activated.kind)]
    words += ["recovered"] * bool(entry.activated.recovered_by)
    words += ["pruned"] * bool(entry.release.pruned_at)
    return ", ".join(words)


def _git(revision: str | None) -> str:
    """As `git describe --dirty` shortens it."""
    commit, dash, mark = (revision or "").partition("-")
    return f"{commit[:GIT_DIGITS]}{dash}{mark}"


def _versions(versions: Iterable[str]) -> str:
    """`12` where all functions have the same one, else `12 (2), 3 (1)`, by how many have it."""
    counted = Counter(versions).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return ", ".join(f"{version} ({count})" for version, count in counted)
