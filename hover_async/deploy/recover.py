"""The recovery, whole: nothing to do, or the lock and the end of an activation that was begun."""

from __future__ import annotations

from hover_async.deploy.converge import Recovery, Way, converge
from hover_async.deploy.lock import Holder, stage_lock
from hover_async.deploy.records import ACTIVATION_KEY
from hover_async.events import Reporter, Step, steadfast
from hover_async.manifest import Manifest
from hover_async.ports import Cloud
from hover_async.steps import step


async def recover_stage(
    manifest: Manifest,
    holder: Holder,
    cloud: Cloud,
    report: Reporter,
    *,
    way: Way | None = None,
    wait_s: float = 0.0,
) -> Recovery:
    """End the activation that was interrupted, if one was: see `converge`, for what it raises too.

    Raises `LockHeld` while another run has the lock: that one may be in the middle of it.
    """
    report = steadfast(report)
    if await cloud.documents.read(ACTIVATION_KEY) is None:
        return Recovery()
    async with stage_lock(cloud.documents, holder, report, wait_s=wait_s) as lock:
        with step(report, Step.LOCK):
            await lock.acquire()
        with step(report, Step.RECOVER) as done:
            return done(await converge(manifest, holder.who, cloud, report, way=way))
