"""The deploy, whole.

    prepare ── bucket ∥ repository ∥ queues ∥ log groups ∥ what is live
      ├─ upload assets ──────────────────────────────────────────────┐
      └─ push image ── lock ── update stack ── publish each version ─┤ artifacts
                            └─ (direct lane) ─┘                       │
                                        ┌──────────── (join) ────────┘
                                        ├─ warm http containers ─────┐
                                        │    └ the first one boots   │
                                        └─ run deploy commands ──────┤ rehearsal
                                        ┌──────────── (join) ────────┘
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

from anyio import Event, get_cancelled_exc_class

from hover_async.concurrency import task_group
from hover_async.deploy.activate import plan_moves
from hover_async.deploy.commands import CommandResults, run_commands
from hover_async.deploy.converge import end_interrupted
from hover_async.deploy.deployment import DEPENDS, Artifacts, Deployment, Order, Rehearsal
from hover_async.deploy.direct import image_giver, require_direct
from hover_async.deploy.go_live import go_live
from hover_async.deploy.health import check_health
from hover_async.deploy.lock import StageLock, stage_lock
from hover_async.deploy.logs import ensure_log_groups
from hover_async.deploy.prepare import (
    Ground,
    Live,
    prepare,
    stand_queues,
    still_live,
    tell_what_is_live,
)
from hover_async.deploy.provision import Stack, provision_stack
from hover_async.deploy.prune import tidy_up
from hover_async.deploy.publish import Versions, publish_versions
from hover_async.deploy.push import DeployableImage, push_image
from hover_async.deploy.queues import StandingQueues, settle_queues
from hover_async.deploy.records import Activated, Kind, Release, now, of_the_stack
from hover_async.deploy.releases import (
    live_build,
    record_times,
    release_to_be,
    stack_on_record,
    tell_of_unrecorded,
)
from hover_async.deploy.templates import Templates, plan_templates
from hover_async.deploy.upload import UploadedAssets, upload_assets
from hover_async.deploy.warm import Warmth, warm_http
from hover_async.errors import (
    AwsError,
    DeployError,
    StackFailed,
    WorkersNotStarted,
)
from hover_async.events import DeployBegun, Reporter, Step
from hover_async.ports import Cloud, ImagePusher
from hover_async.steps import Timeline, step
from hover_async.template import Template
from hover_async.values import UNPUSHED, Lane, Role


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
            with step(report, Step.PREPARE) as done:
                ground, queues = await stand_ground(order, cloud, report)
                done(ground)
            artifacts = await make_artifacts(order, ground, queues, lock, cloud, images, report)
            rehearsal = await rehearse(order, artifacts, cloud, report)
            release = await plan_release(order, artifacts, cloud)
            moves = await plan_moves(
                order.manifest.functions, artifacts.versions.by_function, cloud.functions
            )
            await lock.confirm()
            activation = await go_live(moves, release, cloud, timeline, DEPENDS)
            if await settle(order, artifacts, cloud, report):
                timed = release.with_times(timeline.steps(DEPENDS), timeline.seconds)
                await record_times(cloud.documents, timed, report)
            await tidy_up(order.manifest.retain, cloud, report)
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


async def stand_ground(
    order: Order, cloud: Cloud, report: Reporter
) -> tuple[Ground, StandingQueues]:
    """Everything that stands beside the stack, and what is live."""
    async with task_group() as grounds:
        ground = grounds.start_soon(prepare, order.functions, cloud)
        queues = grounds.start_soon(stand_queues, order.manifest, cloud, report)
        grounds.start_soon(ensure_log_groups, order.manifest, cloud.logs)
    return ground.return_value, queues.return_value


async def make_artifacts(
    order: Order,
    ground: Ground,
    queues: StandingQueues,
    lock: StageLock,
    cloud: Cloud,
    images: ImagePusher,
    report: Reporter,
) -> Artifacts:
    """Upload assets, and meanwhile: push the image, update the stack, publish the versions."""
    build_id = order.build.build_id
    assets_stand = Event()

    async def upload() -> UploadedAssets:
        with step(report, Step.UPLOAD) as done:
            previous = await live_build(cloud.documents)
            uploaded = done(
                await upload_assets(
                    order.assets, build_id, cloud.assets, cloud.documents, report, previous=previous
                )
            )
        assets_stand.set()
        return uploaded

    async def stand_up() -> tuple[
        StandingQueues, Live, DeployableImage, Templates, Stack, Versions
    ]:
        with step(report, Step.PUSH) as done:
            async with task_group() as pushing:
                pushed = pushing.start_soon(
                    push_image, order.build, ground.repository, images, cloud.registry, report
                )
                if order.lane is Lane.DIRECT:  # so that a refusal need not wait for the push
                    pushing.start_soon(foresee_direct, order, ground.live, cloud)
            image = done(pushed.return_value)
        with step(report, Step.LOCK):
            await lock.acquire()
            recovery = await end_interrupted(order.manifest, order.holder.who, cloud, report)
            standing = await stand_queues(order.manifest, cloud, report, so_far=queues)
            known = {} if recovery.has_moved else ground.live
            live = await still_live(known, order.functions, cloud.functions)
            templates = await plan_templates(order.manifest, image.uri, live, order.edge, cloud)
            tell_of_unrecorded(templates.unrecorded, report)
        if order.function(Role.HTTP) not in live:
            await assets_stand.wait()
        if order.lane is Lane.DIRECT:
            stack = await require_direct(order.manifest, templates, live, cloud)
        else:
            with step(report, Step.STACK) as done:
                stack = done(
                    await provision(order, templates.growing, cloud, report, purpose="deploy")
                )
        # What the stack has just updated holds this image, or somebody else's hand is in it.
        by_itself = stack.done in {"left", "unchanged"}
        with step(report, Step.PUBLISH) as done:
            versions = done(
                await publish_versions(
                    order.functions,
                    image.uri,
                    build_id,
                    cloud.functions,
                    report,
                    give_image=image_giver(image.uri, cloud.functions, report)
                    if by_itself
                    else None,
                )
            )
        return standing, live, image, templates, stack, versions

    async with task_group() as artifacts:
        uploading = artifacts.start_soon(upload)
        standing_up = artifacts.start_soon(stand_up)
    uploaded = uploading.return_value
    if uploaded.kept:  # a rival may have pruned this build until the lock was ours
        uploaded = await upload_assets(
            order.assets, build_id, cloud.assets, cloud.documents, report
        )
    return Artifacts(uploaded, *standing_up.return_value)


async def foresee_direct(order: Order, live: Live, cloud: Cloud) -> None:
    """Refuse a direct deploy as soon as it can be known; with the lock held it is asked again."""
    uri = cloud.registry.deployable(UNPUSHED)
    templates = await plan_templates(order.manifest, uri, live, order.edge, cloud)
    await require_direct(order.manifest, templates, live, cloud)


async def provision(
    order: Order, template: Template, cloud: Cloud, report: Reporter, *, purpose: str
) -> Stack:
    """The stack as the template asks for, with every function of the template.

    What has left may still be listed: CloudFormation deletes it after the update is decided.
    """
    manifest = order.manifest
    stack = await provision_stack(
        manifest.stack_name,
        template,
        cloud.stacks,
        cloud.assets,
        report,
        role_arn=manifest.auth.stack_role,
        tags=manifest.tags,
        token=f"{order.holder.run}-{purpose}",
    )
    missing = {spec.name for spec in template.functions} - set(stack.functions)
    if missing:
        raise StackFailed(
            f"stack '{stack.name}' lacks functions of its template: {', '.join(sorted(missing))}",
            hint="no live alias was touched; look at the stack's resources, then deploy again",
        )
    return stack


async def rehearse(order: Order, artifacts: Artifacts, cloud: Cloud, report: Reporter) -> Rehearsal:
    """Warm the new version's containers and run the deploy commands on it, then ask for health."""
    manifest, versions = order.manifest, artifacts.versions
    http, cli = order.function(Role.HTTP), order.function(Role.CLI)

    boots = Event()

    async def warm() -> Warmth:
        with step(report, Step.WARM) as done:
            return done(
                await warm_http(
                    http,
                    versions[http],
                    manifest.http.warm,
                    cloud.functions,
                    report,
                    reserved=manifest.http.concurrency,
                    boots=boots,
                )
            )

    async def command() -> CommandResults:
        with step(report, Step.BOOT):
            await boots.wait()
        with step(report, Step.COMMANDS) as done:
            return done(
                await run_commands(
                    manifest.deploy_commands,
                    cli,
                    versions[cli],
                    cloud.functions,
                    report,
                    timeout_s=manifest.cli.timeout,
                )
            )

    async with task_group() as rehearsal:
        warming = rehearsal.start_soon(warm)
        commanding = rehearsal.start_soon(command)
    health = None
    if manifest.http.health:
        with step(report, Step.HEALTH) as done:
            health = done(
                await check_health(
                    manifest.http.health,
                    http,
                    versions[http],
                    cloud.functions,
                    timeout_s=manifest.http.timeout,
                )
            )
    return Rehearsal(warming.return_value, commanding.return_value, health)


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


async def settle(order: Order, artifacts: Artifacts, cloud: Cloud, report: Reporter) -> bool:
    """Cut stack and queues to the manifest: start new workers, let go of what has left.

    The stack first: until a queue has changed hands, it hides messages for as long as the function
    that has it may take; else jobs would be received twice, and Lambda would refuse to roll back.
    Nothing to do (False) where functions and queues are the same as before.
    """
    queues, template = artifacts.queues, artifacts.templates.settled
    is_cut = template == artifacts.templates.growing
    if is_cut and not queues.due:
        return False
    try:
        with step(report, Step.WORKERS):
            if not is_cut:
                await provision(order, template, cloud, report, purpose="workers")
            await settle_queues(queues, cloud.queues)
    except (AwsError, DeployError, get_cancelled_exc_class()) as error:
        raise WorkersNotStarted(
            f"{order.build.build_id} is live, but its workers, schedules and queues are not yet "
            f"all as the manifest says: {error}",
            hint="deploy the same build again: it finishes this",
        ) from error
    return True
