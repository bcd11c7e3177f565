"""The rollback, whole.

    lock ── end what was interrupted ── choose the release
      ── check ── functions ∥ versions ∥ image ∥ assets ── queues
        ── warm http containers ── health request
          ── activate: every `live` alias, or none  (shielded) ── record

It moves aliases and nothing else: the stack stays as the newer build made it, deploy commands are
not run, and what they did, as migrations of a database, is not undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from anyio import Event

from hover_async.deploy.activate import Activation, plan_moves
from hover_async.deploy.converge import end_interrupted
from hover_async.deploy.go_live import go_live
from hover_async.deploy.health import Health, check_health
from hover_async.deploy.lock import Holder, stage_lock
from hover_async.deploy.prepare import tell_what_is_live
from hover_async.deploy.queues import ensure_queues
from hover_async.deploy.records import (
    Activated,
    Kind,
    Release,
    now,
)
from hover_async.deploy.releases import release_to_be
from hover_async.deploy.target import Target, check_whole, choose, require_any
from hover_async.deploy.warm import Warmth, warm_http
from hover_async.events import Reporter, Step
from hover_async.manifest import Manifest
from hover_async.ports import Cloud
from hover_async.steps import Timed, Timeline, step
from hover_async.values import BuildId, FunctionName, Role

DEPENDS: Mapping[Step, Sequence[Step]] = {
    Step.CHECK: [Step.LOCK],
    Step.WARM: [Step.CHECK],
    Step.HEALTH: [Step.WARM],
    Step.ACTIVATE: [Step.HEALTH, Step.WARM],
    Step.RECORD: [Step.ACTIVATE],
}


@dataclass(frozen=True)
class Rollback:
    """An earlier build is live again. `stack_of` is the build whose template the stack has."""

    stage: str
    build_id: str
    replaced: str
    stack_of: str
    warmth: Warmth
    health: Health | None
    activation: Activation
    steps: Sequence[Timed]
    seconds: float

    def as_json(self) -> Mapping[str, object]:
        return {
            "stage": self.stage,
            "build_id": self.build_id,
            "replaced": self.replaced,
            "stack_of": self.stack_of,
            "versions": {move.before.function: move.to for move in self.activation.moves},
            "warm": {"asked": self.warmth.asked, "warm": self.warmth.warm},
            "skew_s": self.activation.skew_s,
            "seconds": self.seconds,
            "steps": [asdict(timed) for timed in self.steps],
        }


async def roll_back(
    stage: str,
    manifest: Manifest,
    to: BuildId | None,
    holder: Holder,
    cloud: Cloud,
    report: Reporter,
    *,
    wait_s: float = 0.0,
) -> Rollback:
    """Take an earlier release live again, or change nothing live.

    `to` is the release; None the one that was live before the one that is live was deployed.
    `manifest` is the stage's as it is written now: where its things are on AWS. Raises
    `RollbackRefused` when the release cannot be gone back to as a whole, and otherwise what a
    deploy raises, with the same exit codes.
    """
    report = timeline = Timeline(report)
    functions: Sequence[FunctionName] = [spec.name for spec in manifest.functions]
    await require_any(cloud)
    try:
        async with stage_lock(cloud.documents, holder, report, wait_s=wait_s) as lock:
            with step(report, Step.LOCK):
                await lock.acquire()
                await end_interrupted(manifest, holder.who, cloud, report)
            with step(report, Step.CHECK) as done:
                target = await choose(to, cloud)
                functions = list(target.live.versions)
                done(target)
                await check_whole(target, manifest.stack_name, cloud)
                await ensure_queues(target.manifest, cloud.queues, report, before=target.standing)
            warmth, health = await rehearse(target, cloud, report)
            release = await plan_release(target, holder, cloud)
            moves = await plan_moves(
                target.manifest.functions, target.release.versions, cloud.functions
            )
            await lock.confirm()
            activation = await go_live(moves, release, cloud, timeline, DEPENDS)
    except BaseException:
        await tell_what_is_live(functions, cloud, report)
        raise
    return Rollback(
        stage=stage,
        build_id=release.build_id,
        replaced=target.live.build_id,
        stack_of=release.standing.build_id,
        warmth=warmth,
        health=health,
        activation=activation,
        steps=timeline.steps(DEPENDS),
        seconds=timeline.seconds,
    )


async def rehearse(target: Target, cloud: Cloud, report: Reporter) -> tuple[Warmth, Health | None]:
    """Warm containers of the older version, then ask it for health."""
    http, manifest = target.function(Role.HTTP), target.manifest
    version = target.release.versions[http]
    with step(report, Step.WARM) as done:
        warmth = done(
            await warm_http(
                http,
                version,
                manifest.http.warm,
                cloud.functions,
                report,
                reserved=target.standing.http.concurrency,
                boots=Event(),
            )
        )
    if not manifest.http.health:
        return warmth, None
    with step(report, Step.HEALTH) as done:
        health = done(
            await check_health(
                manifest.http.health,
                http,
                version,
                cloud.functions,
                timeout_s=manifest.http.timeout,
            )
        )
    return warmth, health


async def plan_release(target: Target, holder: Holder, cloud: Cloud) -> Release:
    """The release as it will stand on record, with whose template the stack has."""
    standing = target.live.standing
    is_own = standing.build_id == target.release.build_id
    activated = Activated(now(), Kind.ROLLBACK, holder.who, target.release.versions)
    return await release_to_be(
        target.release, activated, cloud.documents, stack=None if is_own else standing
    )
