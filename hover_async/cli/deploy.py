"""`hover-async deploy [STAGE]`"""

from __future__ import annotations

from typing import Any

import click

from hover_async.cli.options import (
    chooses_the_lane,
    lane_of,
    located,
    says_where,
    waits_for_the_lock,
)
from hover_async.cli.plain import JsonReporter
from hover_async.cli.reporting import reporter, tell_of_lost_output, to_whoever_listens
from hover_async.cli.run import run
from hover_async.cli.timeline import timeline


@click.command()
@click.argument("stage", required=False)
@says_where
@chooses_the_lane
@click.option(
    "--timeline",
    "picture",
    metavar="FILE",
    help="Draw where the time went, also of a deploy that fails: a .svg or .html file.",
)
@waits_for_the_lock
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
def deploy(
    stage: str | None,
    *,
    direct: bool,
    stack: bool,
    picture: str | None,
    wait_s: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Take the build in .hover/out live. STAGE, if given, must be the build's.

    \b
    Exit codes:
      0    live: every function is at its new version
      1    failed; nothing live has changed, unless the message says that the
           build is live and its workers are not all started (deploy it again)
      2    wrong usage, project, manifest or build, or a damaged record
      3    another run holds the lock, or has taken it away before the flip
      4    the flip failed and was put back: nothing live has changed
      5    the flip failed and functions are mixed; each is named
      130  interrupted; nothing live has changed
    """
    from hover_async import api
    from hover_async.cli.summary import print_summary

    with reporter(as_json=as_json) as report, timeline(picture, report) as told:
        lane = lane_of(direct=direct, stack=stack)
        place = located(**where)
        deployment = run(
            lambda: api.deploy(
                stage,
                lane=lane,
                wait_s=wait_s,
                report=told,
                **place,
            )
        )
    # Live is live: whether the table can be read changes nothing about the exit code.
    with tell_of_lost_output(), to_whoever_listens():
        if as_json:
            assert isinstance(report, JsonReporter)  # noqa: S101 - what `reporter` gives for --json
            report.write({"event": "Deployed", **deployment.as_json()})
        else:
            print_summary(deployment)
