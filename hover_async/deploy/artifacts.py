"""Everything that a deploy makes before it tries it: the left half of the picture in `process.py`.

Assets go up beside all else. The image is pushed while the ground is looked at; then, with the
lock held, the stack is updated, and each function published as soon as CloudFormation is done with
it.
"""

from __future__ import annotations

from dataclasses import replace

from anyio import Event

from hover_async.concurrency import Feed, task_group
from hover_async.deploy.activate import Aliases, read_aliases
from hover_async.deploy.converge import end_interrupted
from hover_async.deploy.deployment import Artifacts, Order
from hover_async.deploy.direct import image_giver, require_direct
from hover_async.deploy.ledger import stands_already
from hover_async.deploy.lock import StageLock
from hover_async.deploy.logs import ensure_log_groups
from hover_async.deploy.prepare import Ground, Live, prepare, stand_queues, still_live
from hover_async.deploy.provision import Stack
from hover_async.deploy.publish import Published, Versions, publish_versions
from hover_async.deploy.push import DeployableImage, push_image
from hover_async.deploy.queues import StandingQueues
from hover_async.deploy.releases import live_build, tell_of_unrecorded, was_released
from hover_async.deploy.templates import Templates, plan_templates
from hover_async.deploy.update_stack import update_stack
from hover_async.deploy.upload import UploadedAssets, upload_assets
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud, ImagePusher
from hover_async.steps import step
from hover_async.values import UNPUSHED, FunctionName, Lane, Role


async def make_artifacts(
    order: Order,
    lock: StageLock,
    cloud: Cloud,
    images: ImagePusher,
    report: Reporter,
    published: Feed[Published],
) -> Artifacts:
    """Upload assets, and meanwhile: push the image, update the stack, publish the versions."""
    build_id, places = order.build.build_id, Feed[str]()
    assets_stand, locked = Event(), Event()

    async def upload() -> UploadedAssets:
        await places.first()
        with step(report, Step.UPLOAD) as done:
            previous = await live_build(cloud.documents)
            uploaded = done(
                await upload_assets(
                    order.assets, build_id, cloud.assets, cloud.documents, report, previous=previous
                )
            )
        assets_stand.set()
        await locked.wait()  # until then a rival may have taken them away again
        if await was_released(cloud.documents, build_id) and not await stands_already(
            order.assets, build_id, cloud.assets, cloud.documents
        ):
            return await upload_assets(
                order.assets, build_id, cloud.assets, cloud.documents, report
            )
        return uploaded

    async def push() -> DeployableImage:
        repository = await places.first()
        with step(report, Step.PUSH) as done:
            return done(await push_image(order.build, repository, images, cloud.registry, report))

    async def again(image: DeployableImage, repository: str) -> DeployableImage:
        """The image as it stands now: a rival may have taken it away until the lock was ours."""
        now = await push_image(order.build, repository, images, cloud.registry, report)
        return replace(now, pushed=image.pushed or now.pushed)

    async def stand_up() -> tuple[
        StandingQueues, Live, DeployableImage, Templates, Stack, Versions, Aliases
    ]:
        async with task_group() as grounds:
            grounding = grounds.start_soon(look_around, order, places, cloud, report)
            pushing = grounds.start_soon(push)
        ground, queues = grounding.return_value
        with step(report, Step.LOCK):
            await lock.acquire()
            locked.set()
            image = await again(pushing.return_value, ground.repository)
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
                stack_and_versions, order, templates, live, image, lock, cloud, report, published
            )
        stack, versions = made.return_value
        return standing, live, image, templates, stack, versions, reading.return_value

    async with task_group() as artifacts:
        uploading = artifacts.start_soon(upload)
        standing_up = artifacts.start_soon(stand_up)
    return Artifacts(uploading.return_value, *standing_up.return_value)


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
    lock: StageLock,
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
                await update_stack(
                    order,
                    templates.growing,
                    cloud,
                    report,
                    lock,
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
