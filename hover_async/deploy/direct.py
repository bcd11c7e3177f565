"""The direct lane: a new image without CloudFormation, where nothing else changes.

A stack update whose template differs in nothing but the image does to each function what Lambda's
own UpdateFunctionCode does, and takes most of a minute for it. Either touches `$LATEST` alone:
`live` pins what visitors meet, so the flip stays the only going live.

What CloudFormation knows is then behind what is deployed: its template still has the earlier image.
A deploy by the stack of any other build updates every function. One of that earlier build has the
template that is there already, CloudFormation does nothing, and `$LATEST` would keep the image of
the direct deploy: so there, too, functions that it has not touched are given theirs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice

from hover_async.concurrency import task_group
from hover_async.deploy.prepare import Live
from hover_async.deploy.provision import Stack
from hover_async.deploy.stack_states import obstacle
from hover_async.deploy.templates import Templates
from hover_async.errors import AccessDenied, DirectRefused, VersionFailed
from hover_async.events import CodeUpdated, Reporter
from hover_async.manifest import Manifest
from hover_async.ports import Cloud, Functions, FunctionState, StackDescription
from hover_async.template import Template
from hover_async.template.difference import Action, Change, Unreadable, difference
from hover_async.values import FunctionName

AT_REST = {"CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE"}
"""Whatever else it is, it is busy, or what its template says may not be what stands."""
IMAGE = {
    "AWS::Lambda::Function": "Code.ImageUri",
    "AWS::CloudFormation::Stack": "Parameters.ImageUri",
}
"""Where a template says which image it is, of a function and of a nested stack."""
REASONS_TOLD = 3
BY_THE_STACK = "deploy with --stack: it changes everything that differs"


async def require_direct(
    manifest: Manifest, templates: Templates, live: Live, cloud: Cloud
) -> Stack:
    """The stack that stands and stays as it is. A deploy asks with the lock held.

    Raises `DirectRefused` when anything but the image differs between what is deployed and
    `templates`, when a function was never live, or when the stack is not at rest.
    """
    name = manifest.stack_name
    reasons, standing = await _differences(manifest, templates, live, cloud)
    if reasons or standing is None:
        more = f", and {len(reasons) - REASONS_TOLD} more" if len(reasons) > REASONS_TOLD else ""
        told = "; ".join(islice(reasons, REASONS_TOLD))
        raise DirectRefused(
            f"stack '{name}' cannot be left out: {told}{more}", reasons=reasons, hint=BY_THE_STACK
        )
    functions = [function.name for function in manifest.functions]
    return Stack(name, functions, standing.outputs, "left")


async def _differences(
    manifest: Manifest, templates: Templates, live: Live, cloud: Cloud
) -> tuple[Sequence[str], StackDescription | None]:
    """Everything that only the stack can do, and the stack."""
    name = manifest.stack_name
    async with task_group() as reads:
        describing = reads.start_soon(cloud.stacks.describe, name)
        reading = reads.start_soon(_deployed, name, cloud)
    standing, deployed = describing.return_value, reading.return_value
    if standing is None:
        return ["it is not there: the first deploy makes it"], None
    if problem := obstacle(standing):
        return [problem.message], standing
    if standing.status not in AT_REST:
        return [f"it is {standing.status}"], standing
    reasons = [
        f"function '{function.name}' was never live"
        for function in manifest.functions
        if function.name not in live
    ]
    if dict(standing.tags) != dict(manifest.tags):
        reasons.append("its tags are others")
    if templates.growing != templates.settled:
        reasons.append("functions leave, or queues change hands")
    if isinstance(deployed, str):
        return [*reasons, deployed], standing
    return [*reasons, *_beside_the_image(deployed, templates.settled)], standing


async def _deployed(name: str, cloud: Cloud) -> Mapping[str, str] | str:
    """The deployed templates, or why they are not known."""
    try:
        return await cloud.stacks.templates(name)
    except AccessDenied as error:
        return f"its template cannot be read: {error}"


def _beside_the_image(deployed: Mapping[str, str], template: Template) -> Sequence[str]:
    after = {"": template.body, **{nested.logical_id: nested.body for nested in template.nested}}
    try:
        changes = difference(deployed, after)
    except Unreadable as error:
        return [f"its template cannot be read: {error}"]
    return [told for change in changes for told in _told(change)]


def _told(change: Change) -> Sequence[str]:
    """What a change has beside the image, in words."""
    what = f"{change.label} '{change.name or change.logical_id}'"
    if change.action is not Action.MODIFY:
        return [f"{what} would be {change.action}d"]
    return [
        f"{what}: {prop.path} {prop.before or 'nothing'} -> {prop.after or 'nothing'}"
        for prop in change.properties
        if prop.path != IMAGE.get(change.kind)
    ]


def image_giver(
    image_uri: str, lambdas: Functions, report: Reporter
) -> Callable[[FunctionState, FunctionName], Awaitable[None]]:
    """What gives a function the image by itself, if it is still in the state that was read.

    In the direct lane all get theirs so. In the stack lane those that hold another image although
    CloudFormation is done and had no reason to touch them: a direct deploy's, or somebody's. One
    that it has just updated and that holds another image was changed by a rival: not given any.
    """

    async def give(state: FunctionState, function: FunctionName) -> None:
        try:
            await lambdas.update_code(function, image_uri, revision=state.revision)
        except AccessDenied as error:
            raise VersionFailed(
                f"function '{function}' holds image {state.image_uri}, not this build's, and may "
                f"not be given it: {error}",
                hint="'hover-async iam deployer --direct' prints the right; no live alias was "
                "touched",
            ) from error
        report(CodeUpdated(function))

    return give
