"""The deploy, whole.

    prepare ── bucket ∥ repository ──┬─ queues ∥ log groups ∥ what is live ─┐
                                     ├─ upload assets ───────────────────── │ ────────┐
                                     └─ push image ─────────────────────────┴─ lock ┐ │
                                        ┌───────────────────────────────────────────┘ │
                                        ├─ read each alias ───────────────────────────┤
                                        └─ update stack ──────────────────────────────┤
                                             └ as each function is done:              │
                                               publish its version ───────────────────┤ artifacts
                                               └ http: warm containers ───┐           │
                                        ┌──────────── (join) ──────────── │ ──────────┘
                                        └─ run deploy commands ───────────┤ rehearsal
                                        ┌──────────── (join) ─────────────┘
                                      health request
                                        │
                                      activate: every `live` alias, or none  (shielded)
                                        │
                              record the release ── cut stack and queues to the manifest
                                                       └ take old builds away

Nothing before `activate` is visible to a visitor, but for a function that was never live:
CloudFormation makes its alias at `$LATEST`. So a stage's first stack waits for the assets, and
whatever gives such a function work is disabled in the stack until it has been activated. Until
then the stack only grows: functions that leave, and who works on which queue, stay as they are.
"""

from __future__ import annotations

from anyio import Event

from hover_async.concurrency import Feed, task_group
from hover_async.deploy.activate import plan_moves
from hover_async.deploy.artifacts import make_artifacts
from hover_async.deploy.deployment import DEPENDS, Artifacts, Deployment, Order, Rehearsal
from hover_async.deploy.go_live import go_live
from hover_async.deploy.lock import StageLock, stage_lock
from hover_async.deploy.prepare import tell_what_is_live
from hover_async.deploy.prune import tidy_up
from hover_async.deploy.publish import Published
from hover_async.deploy.records import Activated, Kind, Release, now, of_the_stack
from hover_async.deploy.rehearsal import ask_for_health, command, warm
from hover_async.deploy.releases import record_times, release_to_be, stack_on_record
from hover_async.deploy.settle import settle
from hover_async.events import DeployBegun, Reporter, Step
from hover_async.ports import Cloud, ImagePusher
from hover_async.steps import Timeline, step
from hover_async.values import Lane


async def deploy_build(
    order: Order, cloud: Cloud, images: ImagePusher, report: Reporter, *, wait_s: float = 0.0
) -> Deployment:
    """Take a build live, or change nothing live.

    `wait_s`: for how long another run that holds the lock is waited for. Returns once every
    function's `live` alias points to its new version. Raises `HoverError`: with exit codes 1 to 3
    no alias has moved (but for those of an interrupted activation, which is brought to its end),
    with 4 all were put back, with 5 they are mixed; `WorkersNotStarted` comes after a good flip.
    Cancelling before activation moves no alias; during it, the flip is finished or undone first.
    """
    report = timeline = Timeline(report)
    report(DeployBegun(order.build.stage, order.build.build_id, order.lane))
    try:
        async with stage_lock(cloud.documents, order.holder, report, wait_s=wait_s) as lock:
            artifacts, rehearsal, release = await make_and_rehearse(
                order, lock, cloud, images, report
            )
            moves = await plan_moves(
                order.manifest.functions,
                artifacts.versions.by_function,
                cloud.functions,
                artifacts.aliases,
            )
            await lock.confirm()
            activation = await go_live(moves, release, cloud, timeline, DEPENDS)
            if await settle(order, artifacts, lock, cloud, report):
                timed = release.with_times(timeline.steps(DEPENDS), timeline.seconds)
                await record_times(cloud.documents, timed, report)
            await tidy_up(order.manifest, lock.is_ours, cloud, report)
    except BaseException:
        await tell_what_is_live(order.functions, cloud, report)
        raise
    domain = artifacts.stack.outputs["DistributionDomain"]
    return Deployment(
        stage=order.build.stage,
        build_id=order.build.build_id,
        lane=order.lane,
        url=order.edge.url_of(domain),
        distribution_domain=domain,
        api_url=artifacts.stack.outputs["ApiUrl"],
        artifacts=artifacts,
        rehearsal=rehearsal,
        activation=activation,
        steps=timeline.steps(DEPENDS),
        seconds=timeline.seconds,
    )


async def make_and_rehearse(
    order: Order, lock: StageLock, cloud: Cloud, images: ImagePusher, report: Reporter
) -> tuple[Artifacts, Rehearsal, Release]:
    """Make everything that goes live, then try it; HTTP is warmed as soon as its version stands."""
    published, boots = Feed[Published](), Event()
    async with task_group() as rehearsal:
        warming = rehearsal.start_soon(warm, order, published, boots, cloud, report)
        artifacts = await make_artifacts(order, lock, cloud, images, report, published)
        planning = rehearsal.start_soon(plan_release, order, artifacts, cloud)
        with step(report, Step.BOOT):
            await boots.wait()
        commands = await command(order, artifacts.versions, lock, cloud, report)
    health = await ask_for_health(order, artifacts.versions, cloud, report)
    return artifacts, Rehearsal(warming.return_value, commands, health), planning.return_value


async def plan_release(order: Order, artifacts: Artifacts, cloud: Cloud) -> Release:
    """The release that this deploy is about to be, as it will stand on record."""
    versions = artifacts.versions.by_function
    release = Release(
        order.build.build_id,
        artifacts.image.uri,
        versions,
        order.build.git_revision,
        sorted(order.manifest.environment),
        of_the_stack(order.manifest),
    )
    activated = Activated(now(), Kind.DEPLOY, order.holder.who, versions, lane=order.lane)
    # The stack may have to roll back to the image in its template: nobody may take that away.
    left = await stack_on_record(cloud.documents) if order.lane is Lane.DIRECT else None
    return await release_to_be(release, activated, cloud.documents, stack=left)
