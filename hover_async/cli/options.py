"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hover_async.errors import UsageError
from hover_async.values import Lane

C = TypeVar("C", bound=Callable[..., Any])
WAIT_S = 1_800
"""Longer than a deploy with its commands takes, a first distribution of CloudFront included."""


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise click.BadParameter(
            f"{value!r} is no number of seconds; with a STAGE behind it, write '--wait=900'",
            ctx,
            param,
        )
    return seconds


def waits_for_the_lock(command: C) -> C:
    """`--wait [SECONDS]`, as `wait_s`."""
    return click.option(
        "--wait",
        "wait_s",
        callback=_seconds,
        is_flag=False,
        flag_value=str(WAIT_S),
        default="0",
        metavar="[SECONDS]",
        help=f"Wait while another run holds the lock: SECONDS at most, or {WAIT_S:,}.",
    )(command)


def says_where(command: C) -> C:
    """`--local`, `--profile` and `--project`, for `located`."""
    for option in (
        click.option("-C", "--project", default=".", help="The Laravel project.  [default: .]"),
        click.option("--profile", help="The AWS profile, over the manifest's."),
        click.option(
            "--local", is_flag=True, help="On the AWS on this machine ('hover-async local up')."
        ),
    ):
        command = option(command)
    return command


def located(*, local: bool, profile: str | None, project: str) -> dict[str, Any]:
    """What `says_where` gave, as the library's functions take it.

    Raises `LocalError` when the local AWS is asked for and not running.
    """
    from hover_async import api

    target = api.local_target() if local else api.AWS
    return {"project": project, "profile": profile, "target": target}


def chooses_the_lane(command: C) -> C:
    """`--direct` and `--stack`, for `lane_of`."""
    for option in (
        click.option("--stack", is_flag=True, help="Functions get the image by the stack."),
        click.option(
            "--direct",
            is_flag=True,
            help="Functions get the image each by itself, where nothing else changes."
            "  [default: the manifest's deploy.code]",
        ),
    ):
        command = option(command)
    return command


def lane_of(*, direct: bool, stack: bool) -> Lane | None:
    """What `chooses_the_lane` gave; None where the manifest decides.

    Raises `UsageError` where both are asked for.
    """
    if direct and stack:
        raise UsageError("--direct and --stack exclude each other", hint="give one, or none")
    return Lane.DIRECT if direct else Lane.STACK if stack else None
