"""What a deploy would do to the stack, by two sources.

    deployed template ── difference ── CloudFormation's own word

The difference of the two templates is the primary source: it has every property with its value
before and after, and needs no right but to read the template. A change set then confirms it, and
where CloudFormation knows better (a replacement, a policy), its word is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hover_async.concurrency import bounded_map
from hover_async.deploy.confirm import Confirmed, confirm, from_change_set
from hover_async.deploy.deployment import Order
from hover_async.deploy.direct import require_direct
from hover_async.deploy.foresee import REVIEW, foresee
from hover_async.deploy.planned import PlannedImage, PlannedStack
from hover_async.deploy.prepare import AT_ONCE, Live
from hover_async.deploy.provision import INLINE_TEMPLATE_BYTES
from hover_async.deploy.stack_states import EMPTY, UPDATABLE, obstacle
from hover_async.deploy.templates import Templates, plan_templates
from hover_async.errors import AccessDenied, AwsError, DeployError, DirectRefused, NotFound
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud, ForeseenChange, FunctionState, StackDescription, StackRequest
from hover_async.steps import step
from hover_async.template import Template, template_key
from hover_async.template.difference import Change, Unreadable, difference
from hover_async.values import UNPUSHED, Digest, FunctionName, Lane

THIS_BUILD = "the image of this build"


@dataclass(frozen=True)
class Answer:
    """What CloudFormation foresees; None where it was not asked or did not tell, and `why`."""

    changes: Sequence[ForeseenChange] | None = None
    why: str = ""


async def plan_stack(
    order: Order,
    image: PlannedImage,
    live: Mapping[FunctionName, FunctionState],
    cloud: Cloud,
    report: Reporter,
) -> PlannedStack:
    """`live` are the functions that are live now. Raises `DeployError` if no source tells."""
    name = order.manifest.stack_name
    standing = await cloud.stacks.describe(name)
    stands = standing is not None and standing.status not in EMPTY
    templates = await _templates(order, image, live, cloud)
    refused: Sequence[str] = ()
    if order.lane is Lane.DIRECT:
        try:
            await require_direct(order.manifest, templates, _versions(live), cloud)
            return _left(name, standing)
        except DirectRefused as error:
            refused = error.reasons
    template = templates.settled
    after = {"": template.body, **{nested.logical_id: nested.body for nested in template.nested}}
    answer = await _ask(order, template, standing, cloud, report)
    problem, unreadable = obstacle(standing), ""
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
        obstacle=f"{problem.message}; {problem.hint}" if problem else "",
        remarks=found.remarks,
        refused=refused,
    )


def _left(name: str, standing: StackDescription | None) -> PlannedStack:
    """In the direct lane nothing happens to the stack, and CloudFormation is not asked."""
    return PlannedStack(
        name=name,
        does="nothing",
        status=standing.status if standing else "",
        changes=(),
        source="templates",
        confirmed=False,
        unconfirmed="the direct lane leaves it out",
    )


def _unknown(name: str, unreadable: str, why: str) -> DeployError:
    """Neither of the two sources tells: there is no plan, rather than an empty one."""
    return DeployError(
        f"what would happen to stack '{name}' cannot be known: its template cannot be read "
        f"({unreadable}), and CloudFormation does not tell ({why})",
        hint="'hover-async iam deployer' prints the rights that a plan needs",
    )


async def _templates(
    order: Order,
    image: PlannedImage,
    live: Mapping[FunctionName, FunctionState],
    cloud: Cloud,
) -> Templates:
    """`settled` is as the deploy leaves it: workers started, what leaves the manifest gone."""
    uri = cloud.registry.deployable(Digest(image.digest) if image.digest else UNPUSHED)
    return await plan_templates(order.manifest, uri, _versions(live), order.edge, cloud)


def _versions(live: Mapping[FunctionName, FunctionState]) -> Live:
    return {name: state.version for name, state in live.items()}


async def _ask(
    order: Order,
    template: Template,
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
            return Answer(why=_not_in_the_bucket(template))
        request = StackRequest(
            manifest.stack_name,
            sent,
            template_is_url=sent != template.body,
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


async def _as_sent(template: Template, cloud: Cloud) -> str | None:
    """The template, or its URL where it is large; None where the bucket lacks one that it needs.

    An earlier deploy has put them there if they are the very same.
    """
    is_large = template.size_bytes > INLINE_TEMPLATE_BYTES
    own = template_key(template.body)
    needed = [nested.key for nested in template.nested] + [own] * is_large

    async def stands(key: str) -> bool:
        return key in await cloud.assets.keys(key)

    try:
        if not all(await bounded_map(stands, needed, limit=AT_ONCE)):
            return None
    except NotFound:  # there is no bucket yet
        return None
    return cloud.assets.url(own) if is_large else template.body


def _not_in_the_bucket(template: Template) -> str:
    if template.size_bytes > INLINE_TEMPLATE_BYTES:
        return (
            f"the template has {template.size_bytes:,} bytes; above {INLINE_TEMPLATE_BYTES:,} "
            "CloudFormation reads it from a bucket only, and a plan uploads nothing"
        )
    return (
        "templates of nested stacks are new; CloudFormation reads them from a bucket only, and a "
        "plan uploads nothing"
    )


def _with_this_build(change: Change) -> Change:
    """An image that is not pushed yet, in words instead of a digest that is none."""
    properties = [
        replace(prop, after=THIS_BUILD) if prop.after and prop.after.endswith(UNPUSHED) else prop
        for prop in change.properties
    ]
    return replace(change, properties=tuple(properties))
