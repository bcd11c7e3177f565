"""The plan: what the next deploy would do, found by reading alone.

    what is live ∥ image ∥ assets ∥ the stack
                                      deployed template ── difference ── CloudFormation's own word

The difference of the two templates is the primary source: it has every property with its value
before and after, and needs no right but to read the template. A change set then confirms it, and
where CloudFormation knows better (a replacement, a policy), its word is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.confirm import Confirmed, confirm, from_change_set
from hover_async.deploy.deployment import Order
from hover_async.deploy.foresee import REVIEW, foresee
from hover_async.deploy.lock import running_deploy
from hover_async.deploy.planned import (
    Plan,
    PlannedEnvironment,
    PlannedFunction,
    PlannedImage,
    PlannedStack,
)
from hover_async.deploy.prepare import AT_ONCE, live_versions
from hover_async.deploy.provision import (
    CLEANING_UP,
    EMPTY,
    INLINE_TEMPLATE_BYTES,
    UPDATABLE,
    template_key,
    unusable,
)
from hover_async.deploy.releases import LiveRelease, live_release
from hover_async.deploy.upload import PlannedUpload, plan_upload
from hover_async.errors import AccessDenied, AwsError, DeployError, NotFound
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud, ForeseenChange, FunctionState, StackDescription, StackRequest
from hover_async.steps import step
from hover_async.template import render
from hover_async.template.difference import Action, Change, Unreadable, difference
from hover_async.values import LATEST, LIVE, Digest, FunctionName, Version

UNPUSHED = Digest(f"sha256:{'0' * 64}")
"""Stands for the digest that only the push will give."""
THIS_BUILD = "the image of this build"
IMAGE_PATH = "Code.ImageUri"
FUNCTION = "AWS::Lambda::Function"


async def plan_build(order: Order, cloud: Cloud, report: Reporter) -> Plan:
    """What deploying the build would do. Nothing is changed, on AWS or here.

    The one thing made is a change set, which is deleted again. Raises `AwsError` when AWS cannot be
    read; what CloudFormation would not tell is said in the plan.
    """
    with step(report, Step.READ):
        async with task_group() as reading:
            imaging = reading.start_soon(_image, order, cloud)
            releasing = reading.start_soon(live_release, cloud.documents)
            living = reading.start_soon(_live_states, order, cloud)
            deploying = reading.start_soon(running_deploy, cloud.documents)
    image, release, live = imaging.return_value, releasing.return_value, living.return_value
    async with task_group() as planning:
        stacking = planning.start_soon(_stack, order, image, cloud, report)
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
        deploying=str(deploying.return_value) if deploying.return_value else None,
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


# The stack


@dataclass(frozen=True)
class Answer:
    """What CloudFormation foresees; None where it was not asked or did not tell, and `why`."""

    changes: Sequence[ForeseenChange] | None = None
    why: str = ""


async def _stack(order: Order, image: PlannedImage, cloud: Cloud, report: Reporter) -> PlannedStack:
    name = order.manifest.stack_name
    standing = await cloud.stacks.describe(name)
    stands = standing is not None and standing.status not in EMPTY
    after = _templates(order, image, cloud)
    answer = await _ask(order, after[""], standing, cloud, report)
    obstacle, unreadable = _obstacle(standing), ""
    try:
        before = await cloud.stacks.templates(name) if stands else {}
        found = Confirmed(difference(before, after))
        if answer.changes is not None:
            found = confirm(found.changes, answer.changes)
    except (AccessDenied, Unreadable) as error:
        unreadable = str(error)
        if answer.changes is None:
            raise _unknown(name, unreadable, answer.why) from error
        found = Confirmed(from_change_set(answer.changes))
    changes = [_with_this_build(change) for change in found.changes]
    return PlannedStack(
        name=name,
        does=("update" if changes else "nothing") if stands else "create",
        status=standing.status if standing else "",
        changes=changes,
        source="change-set" if unreadable else "templates",
        confirmed=answer.changes is not None,
        unconfirmed=answer.why,
        unreadable=unreadable,
        obstacle=obstacle,
        remarks=found.remarks,
    )


def _unknown(name: str, unreadable: str, why: str) -> DeployError:
    """Neither of the two sources tells: there is no plan, rather than an empty one."""
    return DeployError(
        f"what would happen to stack '{name}' cannot be known: its template cannot be read "
        f"({unreadable}), and CloudFormation does not tell ({why})",
        hint="'hover-async iam deployer' prints the rights that a plan needs",
    )


def _templates(order: Order, image: PlannedImage, cloud: Cloud) -> Mapping[str, str]:
    """As the deploy leaves them in the end, by the path of the (nested) stack: workers started."""
    uri = cloud.registry.deployable(Digest(image.digest) if image.digest else UNPUSHED)
    template = render(order.manifest, image_uri=uri, started=list(order.functions), edge=order.edge)
    return {"": template.body}


async def _ask(
    order: Order,
    template: str,
    standing: StackDescription | None,
    cloud: Cloud,
    report: Reporter,
) -> Answer:
    """CloudFormation's own word, where it can be had without leaving anything behind."""
    manifest = order.manifest
    if standing is not None and standing.status not in UPDATABLE | {REVIEW}:
        return Answer(why=f"a stack that is {standing.status} takes no change set")
    try:
        sent = await _as_sent(template, cloud)
        if sent is None:
            return Answer(why=_too_large(template))
        request = StackRequest(
            manifest.stack_name,
            sent,
            template_is_url=sent != template,
            role_arn=manifest.auth.stack_role,
            tags=manifest.tags,
            token=order.holder.run,
        )
        creates = standing is None or standing.status in EMPTY
        with step(report, Step.CHANGE_SET) as done:
            found = await foresee(request, cloud.stacks, cloud.change_sets, report, creates=creates)
            done(f"{len(found)} changes")
        return Answer(found)
    except (AwsError, DeployError) as error:
        return Answer(why=str(error))


async def _as_sent(template: str, cloud: Cloud) -> str | None:
    """The template, or its URL where it is large and an earlier deploy has put it there already."""
    if len(template.encode()) <= INLINE_TEMPLATE_BYTES:
        return template
    key = template_key(template)
    try:
        return cloud.assets.url(key) if key in await cloud.assets.keys(key) else None
    except NotFound:  # there is no bucket yet
        return None


def _too_large(template: str) -> str:
    return (
        f"the template has {len(template.encode()):,} bytes; above {INLINE_TEMPLATE_BYTES:,} "
        "CloudFormation reads it from a bucket only, and a plan uploads nothing"
    )


def _obstacle(standing: StackDescription | None) -> str:
    """Why a deploy could not begin as the stack stands."""
    if standing is None or standing.status in UPDATABLE | EMPTY | CLEANING_UP:
        return ""
    problem = unusable(standing)
    return f"{problem.message}; {problem.hint}"


def _with_this_build(change: Change) -> Change:
    """An image that is not pushed yet, in words instead of a digest that is none."""
    properties = [
        replace(prop, after=THIS_BUILD)
        if prop.path == IMAGE_PATH and prop.after and prop.after.endswith(UNPUSHED)
        else prop
        for prop in change.properties
    ]
    return replace(change, properties=tuple(properties))


# What runs in it


async def _functions(
    order: Order,
    image: PlannedImage,
    live: Mapping[FunctionName, FunctionState],
    changes: Sequence[Change],
    cloud: Cloud,
) -> Sequence[PlannedFunction]:
    changed = {change.name: change for change in changes if change.kind == FUNCTION}

    def does(name: FunctionName) -> Literal["new", "new-version", "nothing"]:
        if name not in live:
            return "new"
        is_same = image.digest and live[name].code_sha256 == image.digest.partition(":")[2]
        return "nothing" if is_same and name not in changed else "new-version"

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


def _environment(order: Order, release: LiveRelease | None) -> PlannedEnvironment:
    """By name: values are in the images alone (docs/decisions/007)."""
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
