"""`hover-async rollback [STAGE]`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hover_async.cli.options import located, says_where, waits_for_the_lock
from hover_async.cli.plain import JsonReporter
from hover_async.cli.reporting import reporter, tell_of_lost_output, to_whoever_listens
from hover_async.cli.run import run

if TYPE_CHECKING:
    from hover_async.deploy.rollback import Rollback


@click.command()
@click.argument("stage", required=False)
@click.option("--to", metavar="BUILD", help="The release.  [default: what was live before]")
@says_where
@waits_for_the_lock
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
def rollback(
    stage: str | None,
    *,
    to: str | None,
    wait_s: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Take an earlier release live again: every function at once, or none.

    Needs no build on this machine. The release must stand as a whole: versions, image and assets.
    It is warmed and asked for its health first. Deploy commands are not run and what they did, as
    migrations, is not undone; the stack stays as the newer build made it.

    \b
    Exit codes:
      0    live: every function is at its version of that release
      1    failed; nothing live has changed
      2    usage or manifest error, or a release that cannot be gone back to
      3    another run holds the lock, or has taken it away before the flip
      4    the flip failed and was put back: nothing live has changed
      5    the flip failed and functions are mixed; each is named
      130  interrupted; nothing live has changed
    """
    from hover_async import api

    with reporter(as_json=as_json) as report:
        place = located(**where)
        done = run(
            lambda: api.rollback(
                stage,
                to=to,
                wait_s=wait_s,
                report=report,
                **place,
            )
        )
    with tell_of_lost_output(), to_whoever_listens():
        if as_json:
            assert isinstance(report, JsonReporter)  # noqa: S101 - what `reporter` gives for --json
            report.write({"event": "RolledBack", **done.as_json()})
        else:
            _print(done)


def _print(done: Rollback) -> None:
    live = ", ".join(f"{move.before.function}:{move.to}" for move in done.activation.moves)
    click.echo(f"{done.build_id} is live after {done.seconds:.1f} s, in place of {done.replaced}")
    click.echo(f"live: {live}")
    click.echo("deploy commands were not run, and what they did (migrations) is not undone")
    if done.stack_of != done.build_id:
        click.echo(f"the stack is that of {done.stack_of}; the next deploy takes it along")
