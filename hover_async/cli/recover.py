"""`hover-async recover [STAGE]`"""

from __future__ import annotations

from typing import Any, Literal

import click

from hover_async.cli.options import located, says_where, waits_for_the_lock
from hover_async.cli.plain import JsonReporter
from hover_async.cli.reporting import reporter, tell_of_lost_output, to_whoever_listens
from hover_async.cli.run import run
from hover_async.errors import UsageError


@click.command()
@click.argument("stage", required=False)
@click.option("--forward", is_flag=True, help="Take every function to its new version.")
@click.option("--back", is_flag=True, help="Take every function to its version of before.")
@says_where
@waits_for_the_lock
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
def recover(
    stage: str | None,
    *,
    forward: bool,
    back: bool,
    wait_s: float,
    as_json: bool,
    **where: Any,
) -> None:
    """End an activation that was interrupted, as by kill -9: all new, or all old.

    AWS is asked where every function is. Forward, if some have moved and the new versions stand;
    back, if they do not. --forward and --back decide it for you, also for functions that somebody
    has moved since. With nothing to recover it does nothing. A deploy does the same by itself.

    \b
    Exit codes:
      0    every function serves one build (or there was nothing to do)
      1    failed; no function was moved
      2    usage or manifest error, or a record that cannot be read
      3    another run holds the lock
      5    functions are mixed still; each is named
      130  interrupted; no function was moved
    """
    from hover_async import api

    if forward and back:
        raise UsageError("--forward and --back exclude each other", hint="give one, or none")
    way: Literal["forward", "back"] | None = "forward" if forward else "back" if back else None
    with reporter(as_json=as_json) as report:
        place = located(**where)
        recovery = run(
            lambda: api.recover(
                stage,
                way=way,
                wait_s=wait_s,
                report=report,
                **place,
            )
        )
    with tell_of_lost_output(), to_whoever_listens():
        if as_json:
            assert isinstance(report, JsonReporter)  # noqa: S101 - what `reporter` gives for --json
            report.write({"event": "Recovered", **recovery.as_json()})
        else:
            click.echo(f"{recovery.build_id}: {recovery}" if recovery.build_id else str(recovery))
            for function, version in (recovery.live or {}).items():
                click.echo(f"  {function}:{version}")
