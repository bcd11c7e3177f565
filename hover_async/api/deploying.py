"""Deploying a build, and foretelling it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.project import order_of, tell_of_changes
from hover_async.api.target import AWS, Target, open_stage
from hover_async.events import Reporter, silent, steadfast

if TYPE_CHECKING:
    from hover_async.deploy.deployment import Deployment
    from hover_async.deploy.planned import Plan
    from hover_async.values import Lane


async def deploy(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    lane: Lane | None = None,
    wait_s: float = 0.0,
    report: Reporter = silent,
) -> Deployment:
    """Take the project's build live, or change nothing live.

    `stage` may be left out; given, it must be the build's. `profile` wins over the manifest's, and
    so does `lane` over `deploy.code`: by the stack, or direct where nothing but the image differs.
    `wait_s` is for how long another run that holds the lock is waited for. Raises `HoverError`;
    its `exit_code` tells what is live (see `deploy_build`). Cancelling the awaiting task before
    activation moves no alias; during it, the flip is finished or undone first, and a deploy that
    finished returns as if it had not been cancelled.
    """
    from hover_async.concurrency import finish_or_cancel, shielded_leaving
    from hover_async.deploy.process import deploy_build
    from hover_async.docker.engine import open_engine

    order = order_of(Path(project), stage, target, lane=lane)
    tell_of_changes(Path(project), order, steadfast(report))

    async def work() -> Deployment:
        with shielded_leaving() as leave:
            async with (
                open_engine() as engine,
                open_stage(order.manifest, profile=profile, target=target) as cloud,
            ):
                try:
                    return await deploy_build(order, cloud, engine, report, wait_s=wait_s)
                finally:
                    leave()

    return await finish_or_cancel(work)


async def plan(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    lane: Lane | None = None,
    report: Reporter = silent,
) -> Plan:
    """What `deploy` would do with the project's build, found by reading alone.

    The one thing made on AWS is a change set, which is deleted again whatever happens, also when
    the awaiting task is cancelled. Raises `HoverError` when there is no build or AWS cannot be
    read.
    """
    from hover_async.concurrency import finish_or_cancel, shielded_leaving
    from hover_async.deploy.plan import plan_build

    order = order_of(Path(project), stage, target, lane=lane)
    tell_of_changes(Path(project), order, steadfast(report))

    async def work() -> Plan:
        with shielded_leaving() as leave:
            async with open_stage(order.manifest, profile=profile, target=target) as cloud:
                try:
                    return await plan_build(order, cloud, steadfast(report))
                finally:
                    leave()

    return await finish_or_cancel(work)
