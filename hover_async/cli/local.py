"""`hover-async local up|status|down`"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from hover_async.cli.run import run

if TYPE_CHECKING:
    from hover_async.local import LocalAws, LocalStatus

_INSTANCE = click.option(
    "--instance",
    envvar="HOVER_LOCAL_INSTANCE",
    default="default",
    show_default=True,
    show_envvar=True,
    help="Which one: each name is a local AWS of its own.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")


@click.group()
def local() -> None:
    """The AWS on your own machine, which really runs the images.

    It keeps everything in memory: 'down' forgets buckets, stacks, images and queues. It takes port
    4566, or the next free one; HOVER_LOCAL_PORT names another.
    """


@local.command()
@_INSTANCE
@_JSON
def up(*, instance: str, as_json: bool) -> None:
    """Start it. The first time, what it needs is installed below ~/.cache/hover-async.

    Where no Docker Engine runs, and you are root on Debian or Ubuntu, that is installed and started
    as well.
    """
    from hover_async import local as local_aws

    running = run(lambda: local_aws.up(_say, instance=instance))
    if as_json:
        click.echo(_as_json(running))
    else:
        click.echo(running.endpoint_url)


@local.command()
@_INSTANCE
@_JSON
def status(*, instance: str, as_json: bool) -> None:
    """Show how it stands. Exit code 0: it runs and answers; 1: it does not."""
    from hover_async import local as local_aws

    now = run(lambda: local_aws.status(instance))
    if as_json:
        click.echo(_as_json(now))
    else:
        for name, value in _lines(now):
            click.echo(f"{name:<10} {value}")
    if now.aws is None:
        raise click.exceptions.Exit(1)


@local.command()
@_INSTANCE
def down(*, instance: str) -> None:
    """Stop what 'up' started, the Docker Engine too if 'up' had to start that."""
    from hover_async import local as local_aws

    run(lambda: local_aws.down(_say, instance=instance))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _lines(now: LocalStatus) -> list[tuple[str, str]]:
    engine = "none answers" if now.engine is None else f"Docker Engine {now.engine}"
    docker = ("docker", f"{engine}, started by 'up'" if now.engine_is_ours else engine)
    if now.aws is None:
        problem = [("found", now.problem)] if now.problem else []
        return [("local AWS", "not running"), *problem, docker]
    return [
        ("local AWS", f"running for {now.uptime_s:.0f} s (process {now.aws.pid})"),
        ("endpoint", now.aws.endpoint_url),
        ("websites", now.aws.edge_url.format(label="<distribution>")),
        ("account", f"{now.aws.account_id}, {now.aws.region}"),
        ("functions", f"{now.functions} container{'' if now.functions == 1 else 's'}"),
        ("state", "in memory: 'hover-async local down' forgets it"),
        ("log", str(now.aws.log)),
        docker,
    ]


def _as_json(value: LocalAws | LocalStatus) -> str:
    return json.dumps(dataclasses.asdict(value), default=str)
