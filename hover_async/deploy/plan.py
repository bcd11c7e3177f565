"""The plan: what the next deploy would do, found by reading alone.

    what is live ∥ image
                     └─ assets ∥ the stack ∥ what stands beside it

`plan_stack.py` has the two sources of what becomes of the stack, `plan_beside.py` the queues and
log groups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.deployment import Order
from hover_async.deploy.lock import running_deploy
from hover_async.deploy.plan_beside import plan_beside
from hover_async.deploy.plan_stack import plan_stack
from hover_async.deploy.planned import (
    Plan,
    PlannedEnvironment,
    PlannedFunction,
    PlannedImage,
)
from hover_async.deploy.prepare import AT_ONCE, live_versions
from hover_async.deploy.releases import LiveRelease, live_manifest, live_release
from hover_async.deploy.upload import PlannedUpload, plan_upload
from hover_async.errors import NotFound
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud, FunctionState
from hover_async.steps import step
from hover_async.template.difference import Action, Change
from hover_async.values import LATEST, LIVE, FunctionName, Version

FUNCTION, CODE = "AWS::Lambda::Function", "Code.ImageUri"


async def plan_build(order: Order, cloud: Cloud, report: Reporter) -> Plan:
    """What deploying the build would do. Nothing is changed, on AWS or here.

    The one thing made is a change set, which is deleted again. Raises `AwsError` when AWS cannot be
    read; what CloudFormation would not tell is said in the plan.
    """
    with step(report, Step.READ):
        async with task_group() as reading:
            imaging = reading.start_soon(_image, order, cloud)
            releasing = reading.start_soon(live_release, cloud.documents)
            manifesting = reading.start_soon(live_manifest, cloud.documents)
            living = reading.start_soon(_live_states, order, cloud)
            deploying = reading.start_soon(running_deploy, cloud.documents)
    image, release, live = imaging.return_value, releasing.return_value, living.return_value
    async with task_group() as planning:
        stacking = planning.start_soon(plan_stack, order, image, live, cloud, report)
        standing_beside = planning.start_soon(
            plan_beside, order.manifest, manifesting.return_value, cloud
        )
        uploading = planning.start_soon(_assets, order, release, cloud)
    stack = stacking.return_value
    return Plan(
        stage=order.build.stage,
        build_id=order.build.build_id,
        live_build=release.build_id if release else None,
        region=order.manifest.region,
        stack=stack,
        functions=await _functions(order, image, live, stack.changes, cloud),
        image=image,
        assets=uploading.return_value,
        commands=[command.text for command in order.manifest.deploy_commands],
        environment=_environment(order, release),
        beside=standing_beside.return_value,
        deploying=str(deploying.return_value) if deploying.return_value else None,
        lane=order.lane,
    )


async def _image(order: Order, cloud: Cloud) -> PlannedImage:
    tag = order.build.build_id
    found = await cloud.registry.find(tag)
    if found is None:
        return PlannedImage(tag, in_registry=False, digest=None)
    return PlannedImage(tag, in_registry=True, digest=found.digest, problem=found.problem)


async def _assets(order: Order, release: LiveRelease | None, cloud: Cloud) -> PlannedUpload:
    return await plan_upload(
        order.assets,
        order.build.build_id,
        cloud.assets,
        cloud.documents,
        previous=release.build_id if release else None,
    )


async def _live_states(order: Order, cloud: Cloud) -> dict[FunctionName, FunctionState]:
    async def state(function: FunctionName) -> FunctionState | None:
        try:
            return await cloud.functions.state(function, Version(LIVE))
        except NotFound:
            return None

    states = await bounded_map(state, order.functions, limit=AT_ONCE)
    found = zip(order.functions, states, strict=True)
    return {name: live for name, live in found if live and live.version != LATEST}


# What runs in it


async def _functions(
    order: Order,
    image: PlannedImage,
    live: Mapping[FunctionName, FunctionState],
    changes: Sequence[Change],
    cloud: Cloud,
) -> Sequence[PlannedFunction]:
    changed = {change.name: change for change in changes if change.kind == FUNCTION}
    holding = await _holding(order.functions, image, live, cloud)

    def does(name: FunctionName) -> Literal["new", "new-version", "nothing"]:
        if name not in live:
            return "new"
        # Of a live version's own image CloudFormation makes no other version, whatever it said.
        others = name in changed and [prop.path for prop in changed[name].properties] != [CODE]
        return "nothing" if name in holding and not others else "new-version"

    leaving = [
        FunctionName(name)
        for name, change in changed.items()
        if change.action is Action.DELETE and name not in order.functions
    ]
    gone = await live_versions(leaving, cloud.functions)
    return [
        *(
            PlannedFunction(name, live[name].version if name in live else None, does(name))
            for name in order.functions
        ),
        *(PlannedFunction(name, gone.get(name), "removed") for name in leaving),
    ]


async def _holding(
    functions: Sequence[FunctionName],
    image: PlannedImage,
    live: Mapping[FunctionName, FunctionState],
    cloud: Cloud,
) -> Collection[FunctionName]:
    """Those whose live version has the image, and `$LATEST` too: a direct deploy that was
    cancelled may have left another one there, of which the next version would be made."""
    code = image.digest.partition(":")[2] if image.digest else None

    async def holds(name: FunctionName) -> bool:
        return (await cloud.functions.state(name, LATEST)).code_sha256 == code

    same = [name for name in functions if name in live and live[name].code_sha256 == code]
    found = await bounded_map(holds, same, limit=AT_ONCE)
    return {name for name, is_held in zip(same, found, strict=True) if is_held}


def _environment(order: Order, release: LiveRelease | None) -> PlannedEnvironment:
    """By name: values are in the images alone (docs/decisions/014)."""
    names = set(order.manifest.environment)
    if release is None:
        return PlannedEnvironment(added=sorted(names))
    if release.build_id == order.build.build_id:
        return PlannedEnvironment(unchanged=sorted(names))
    if release.environment is None:
        return PlannedEnvironment(unknown=sorted(names), is_known=False)
    live = set(release.environment)
    return PlannedEnvironment(
        added=sorted(names - live), removed=sorted(live - names), unknown=sorted(names & live)
    )
