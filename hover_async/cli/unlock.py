"""`hover-async unlock [STAGE]`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from hover_async.cli.options import located, says_where
from hover_async.cli.reporting import to_whoever_listens
from hover_async.cli.run import run
from hover_async.errors import LockHeld, UsageError

if TYPE_CHECKING:
    from hover_async.deploy.lock import Holder


@click.command()
@click.argument("stage", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also from a run whose lease has not run out.")
@says_where
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
def unlock(
    stage: str | None,
    *,
    yes: bool,
    force: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Free the stage's lock of a run that died. Says who has it, and asks.

    A deploy does this by itself, after it has watched a dead run's lock for a minute. A run whose
    lock is taken away while it is alive ends before it goes live.

    \b
    Exit codes:
      0    the lock is free (or was)
      1    failed; the lock is as it was
      2    usage or manifest error, or nobody to ask and no --yes
      3    the lock is held by a run that may be alive
      130  interrupted
    """
    from hover_async import api

    place = located(**where)
    holder = run(lambda: api.lock_holder(stage, **place))
    if holder is not None:
        _require_leave(holder, yes=yes, force=force)
    done = run(lambda: api.unlock(stage, force=force, **place))
    with to_whoever_listens():
        if as_json:
            found = asdict(done.holder) if done.holder else None
            click.echo(json.dumps({"was_locked": done.was_locked, "holder": found}))
        elif done.was_locked:
            click.echo(f"unlocked: it was held by {holder}")
        else:
            click.echo("nobody holds the lock")


def _require_leave(holder: Holder, *, yes: bool, force: bool) -> None:
    if holder.is_running and not force:
        raise LockHeld(
            f"the lock is held by {holder}",
            hint="wait until it ends; if that run is certainly dead, take it away with --force",
        )
    if yes or force:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"the lock was held by {holder}, and there is nobody to ask", hint="give --yes"
        )
    click.echo(f"the lock was held by {holder}", err=True)
    if not click.confirm("unlock?", err=True):
        raise UsageError("not unlocked")
