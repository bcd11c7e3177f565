"""`hover-async doctor [STAGE]`"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from hover_async.cli.options import located, says_where
from hover_async.cli.reporting import to_whoever_listens
from hover_async.cli.run import run

if TYPE_CHECKING:
    from rich.console import Console

    from hover_async.doctor.diagnosis import Diagnosis, Result

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}


@click.command()
@click.argument("stage", required=False)
@says_where
@click.option("--json", "as_json", is_flag=True, help="The results as JSON on stdout.")
def doctor(stage: str | None, *, as_json: bool, **where: Any) -> None:
    """Check everything that a deploy of STAGE needs, before it changes anything.

    STAGE may be left out where there is a build, or only one stage.

    \b
    Exit codes:
      0    nothing failed; warnings do not count
      1    a check failed (or the local AWS was meant, and none runs)
      2    usage or manifest error
      130  interrupted
    """
    from hover_async import api
    from hover_async.cli.screen import show, waiting

    place = located(**where)
    with waiting("looking at this machine and at AWS ..."):
        diagnosis = run(lambda: api.doctor(stage, **place))
    with to_whoever_listens():
        if as_json:
            click.echo(json.dumps(diagnosis.as_json(), indent=2))
        else:
            show(lambda console: print_diagnosis(diagnosis, console))
    raise click.exceptions.Exit(diagnosis.exit_code)


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """A row a check, its advice below it, and a verdict."""
    from rich.table import Table
    from rich.text import Text

    from hover_async.doctor.diagnosis import Health

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding, checks in _alike(diagnosis.results):
        sign, style = MARKS[finding.health]
        dim = "dim" if finding.health == "ok" else ""
        name = checks[0] if len(checks) == 1 else f"{len(checks)} checks"
        table.add_row(Text(f"{sign} {finding.health}", style), name, Text(finding.found, dim))
        if len(checks) > 1:
            table.add_row("", "", Text(", ".join(checks), "dim"))
        if finding.advice:
            table.add_row("", "", Text(f"→ {finding.advice}", "cyan"))
    console.print(table)
    failed, warned = diagnosis.count(Health.FAILED), diagnosis.count(Health.WARNING)
    counts = [f"{failed} failed"] * bool(failed) + [f"{warned} to look at"] * bool(warned)
    told = ", ".join(counts) or "all is well"
    console.print(Text(f"\nstage '{diagnosis.stage}': {told}", "bold red" if failed else "bold"))


def _alike(results: Sequence[Result]) -> Iterator[tuple[Result, Sequence[str]]]:
    """Each finding with the checks that found it: what all of AWS's say is told once."""

    def finding(result: Result) -> tuple[str, ...]:
        name = result.check if result.health == "ok" else ""
        return (result.health, result.found, result.advice or "", name)

    for _, group in groupby(results, finding):
        alike = list(group)
        yield alike[0], [result.check for result in alike]
