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

from collections.abc import Collection

from anyio import Event, get_cancelled_exc_class

from hover_async.concurrency import Feed, task_group
from hover_async.deploy.activate import Aliases, plan_moves, read_aliases
from hover_async.deploy.commands import CommandResults, run_commands
from hover_async.deploy.converge import end_interrupted
from hover_async.deploy.deployment import DEPENDS, Artifacts, Deployment, Order, Rehearsal
from hover_async.deploy.direct import image_giver, require_direct
from hover_async.deploy.go_live import go_live
from hover_async.deploy.health import Health, check_health
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
from hover_async.deploy.publish import Published, Versions, publish_versions
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
from hover_async.values import UNPUSHED, FunctionName, Lane, Role


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
        commands = await command(order, artifacts.versions, cloud, report)
    health = await ask_for_health(order, artifacts.versions, cloud, report)
    return artifacts, Rehearsal(warming.return_value, commands, health), planning.return_value


async def make_artifacts(
    order: Order,
    lock: StageLock,
    cloud: Cloud,
    images: ImagePusher,
    report: Reporter,
    published: Feed[Published],
) -> Artifacts:
    """Upload assets, and meanwhile: push the image, update the stack, publish the versions."""
    places = Feed[str]()
    assets_stand = Event()

    async def upload() -> UploadedAssets:
        await places.first()
        with step(report, Step.UPLOAD) as done:
            previous = await live_build(cloud.documents)
            uploaded = done(
                await upload_assets(
                    order.assets,
                    order.build.build_id,
                    cloud.assets,
                    cloud.documents,
                    report,
                    previous=previous,
                )
            )
        assets_stand.set()
        return uploaded

    async def push() -> DeployableImage:
        repository = await places.first()
        with step(report, Step.PUSH) as done:
            return done(await push_image(order.build, repository, images, cloud.registry, report))

    async def stand_up() -> tuple[
        StandingQueues, Live, DeployableImage, Templates, Stack, Versions, Aliases
    ]:
        async with task_group() as grounds:
            grounding = grounds.start_soon(look_around, order, places, cloud, report)
            pushing = grounds.start_soon(push)
        ground, queues = grounding.return_value
        image = pushing.return_value
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
        async with task_group() as functions:
            reading = functions.start_soon(read_aliases, list(live), cloud.functions)
            made = functions.start_soon(
                stack_and_versions, order, templates, live, image, cloud, report, published
            )
        stack, versions = made.return_value
        return standing, live, image, templates, stack, versions, reading.return_value

    async with task_group() as artifacts:
        uploading = artifacts.start_soon(upload)
        standing_up = artifacts.start_soon(stand_up)
    uploaded = uploading.return_value
    if uploaded.kept:  # a rival may have pruned this build until the lock was ours
        uploaded = await upload_assets(
            order.assets, order.build.build_id, cloud.assets, cloud.documents, report
        )
    return Artifacts(uploaded, *standing_up.return_value)


async def look_around(
    order: Order, places: Feed[str], cloud: Cloud, report: Reporter
) -> tuple[Ground, StandingQueues]:
    """Stand on firm ground; a direct deploy is refused there, if it can be, and not after the push.

    With the lock held it is asked again.
    """
    ground, queues = await stand_ground(order, places, cloud, report)
    if order.lane is Lane.DIRECT:
        uri = cloud.registry.deployable(UNPUSHED)
        templates = await plan_templates(order.manifest, uri, ground.live, order.edge, cloud)
        await require_direct(order.manifest, templates, ground.live, cloud)
    return ground, queues


async def stand_ground(
    order: Order, places: Feed[str], cloud: Cloud, report: Reporter
) -> tuple[Ground, StandingQueues]:
    """Everything that stands beside the stack, and what is live; `places` comes first."""
    with step(report, Step.PREPARE) as done:
        async with task_group() as grounds:
            ground = grounds.start_soon(prepare, order.functions, cloud, places)
            queues = grounds.start_soon(stand_queues, order.manifest, cloud, report)
            grounds.start_soon(ensure_log_groups, order.manifest, cloud.logs)
        return done(ground.return_value), queues.return_value


async def stack_and_versions(
    order: Order,
    templates: Templates,
    live: Live,
    image: DeployableImage,
    cloud: Cloud,
    report: Reporter,
    published: Feed[Published],
) -> tuple[Stack, Versions]:
    """Update the stack, and publish each function as soon as CloudFormation is done with it.

    Functions that it has not touched are given the image by themselves: all in the direct lane, and
    those where a direct deploy left another one than their template has.
    """
    updated = Feed[FunctionName]()

    async def stand_up() -> Stack:
        if order.lane is Lane.DIRECT:
            stack = await require_direct(order.manifest, templates, live, cloud)
            updated.end()
            return stack
        with step(report, Step.STACK) as done:
            return done(
                await provision(
                    order,
                    templates.growing,
                    cloud,
                    report,
                    purpose="deploy",
                    standing=templates.standing,
                    updated=updated,
                )
            )

    async def publish() -> Versions:
        await updated.begun()
        with step(report, Step.PUBLISH) as done:
            return done(
                await publish_versions(
                    order.functions,
                    image.uri,
                    order.build.build_id,
                    cloud.functions,
                    report,
                    updated=updated,
                    published=published,
                    give_image=image_giver(image.uri, cloud.functions, report),
                )
            )

    async with task_group() as standing:
        stack = standing.start_soon(stand_up)
        versions = standing.start_soon(publish)
    return stack.return_value, versions.return_value


async def provision(
    order: Order,
    template: Template,
    cloud: Cloud,
    report: Reporter,
    *,
    purpose: str,
    standing: Collection[FunctionName],
    updated: Feed[FunctionName] | None = None,
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
        standing=standing,
        updated=updated,
    )
    missing = {spec.name for spec in template.functions} - set(stack.functions)
    if missing:
        raise StackFailed(
            f"stack '{stack.name}' lacks functions of its template: {', '.join(sorted(missing))}",
            hint="no live alias was touched; look at the stack's resources, then deploy again",
        )
    return stack


async def warm(
    order: Order, published: Feed[Published], boots: Event, cloud: Cloud, report: Reporter
) -> Warmth:
    """Warm containers of the new HTTP version, once it is published."""
    http = order.function(Role.HTTP)
    version = (await published.first(lambda one: one.function == http)).version
    with step(report, Step.WARM) as done:
        return done(
            await warm_http(
                http,
                version,
                order.manifest.http.warm,
                cloud.functions,
                report,
                reserved=order.manifest.http.concurrency,
                boots=boots,
            )
        )


async def command(
    order: Order, versions: Versions, cloud: Cloud, report: Reporter
) -> CommandResults:
    """Run the deploy commands, the first thing in a deploy that cannot be taken back."""
    cli = order.function(Role.CLI)
    with step(report, Step.COMMANDS) as done:
        return done(
            await run_commands(
                order.manifest.deploy_commands,
                cli,
                versions[cli],
                cloud.functions,
                report,
                timeout_s=order.manifest.cli.timeout,
            )
        )


async def ask_for_health(
    order: Order, versions: Versions, cloud: Cloud, report: Reporter
) -> Health | None:
    """Ask the new HTTP version for its health, where the manifest says how."""
    if not order.manifest.http.health:
        return None
    http = order.function(Role.HTTP)
    with step(report, Step.HEALTH) as done:
        return done(
            await check_health(
                order.manifest.http.health,
                http,
                versions[http],
                cloud.functions,
                timeout_s=order.manifest.http.timeout,
            )
        )


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
                stood = artifacts.stack.functions
                await provision(order, template, cloud, report, purpose="workers", standing=stood)
            await settle_queues(queues, cloud.queues)
    except (AwsError, DeployError, get_cancelled_exc_class()) as error:
        raise WorkersNotStarted(
            f"{order.build.build_id} is live, but its workers, schedules and queues are not yet "
            f"all as the manifest says: {error}",
            hint="deploy the same build again: it finishes this",
        ) from error
    return True
