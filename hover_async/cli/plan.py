"""`hover-async plan [STAGE]`"""

from __future__ import annotations

from typing import Any

import click

from hover_async.cli.main import fail
from hover_async.cli.options import chooses_the_lane, lane_of, located, says_where
from hover_async.cli.plain import JsonReporter
from hover_async.cli.reporting import reporter, to_whoever_listens
from hover_async.cli.run import run
from hover_async.errors import UsageError

FAILED = 1
"""Every failure's code here, wrong usage included: 2 means changes and nothing else."""


class _Plan(click.Command):
    """Answers as `terraform plan -detailed-exitcode` does, whose 2 is no error either."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(FAILED) from error


@click.command(cls=_Plan)
@click.argument("stage", required=False)
@says_where
@chooses_the_lane
@click.option(
    "--json", "as_json", is_flag=True, help="Events and the plan as JSON lines on stdout."
)
def plan(
    stage: str | None,
    *,
    direct: bool,
    stack: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """What a deploy of the build in .hover/out would do, before it does. STAGE, if given, must be
    the build's. Nothing is changed: CloudFormation is asked with a change set that is deleted
    again.

    \b
    Exit codes:
      0    nothing would change
      1    failed, wrong usage or manifest included (stdout has no plan)
      2    there are changes; the plan is on stdout
      130  interrupted
    """
    from hover_async import api
    from hover_async.cli.plan_text import print_plan
    from hover_async.cli.screen import show

    try:
        with reporter(as_json=as_json, usage_exit_code=FAILED) as report:
            lane = lane_of(direct=direct, stack=stack)
            place = located(**where)
            found = run(
                lambda: api.plan(
                    stage,
                    lane=lane,
                    report=report,
                    **place,
                )
            )
    except UsageError as error:
        fail(error, exit_code=FAILED)
    with to_whoever_listens():
        if as_json:
            assert isinstance(report, JsonReporter)  # noqa: S101 - what `reporter` gives for --json
            report.write({"event": "Planned", **found.as_json()})
        else:
            show(lambda console: print_plan(found, console))
    raise click.exceptions.Exit(found.exit_code)
