"""The stack of an order, with its manifest's role and tags and a token for each purpose."""

from __future__ import annotations

from collections.abc import Collection

from hover_async.concurrency import Feed
from hover_async.deploy.deployment import Order
from hover_async.deploy.lock import StageLock
from hover_async.deploy.provision import Stack, provision_stack
from hover_async.errors import StackFailed
from hover_async.events import Reporter
from hover_async.ports import Cloud
from hover_async.template import Template
from hover_async.values import FunctionName


async def update_stack(
    order: Order,
    template: Template,
    cloud: Cloud,
    report: Reporter,
    lock: StageLock,
    *,
    purpose: str,
    standing: Collection[FunctionName],
    updated: Feed[FunctionName] | None = None,
) -> Stack:
    """The stack as the template asks for, with every function of the template.

    Asked for only with the lock: a template of before would delete what a rival has made since.

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
        prove=lock.prove,
    )
    missing = {spec.name for spec in template.functions} - set(stack.functions)
    if missing:
        raise StackFailed(
            f"stack '{stack.name}' lacks functions of its template: {', '.join(sorted(missing))}",
            hint="no live alias was touched; look at the stack's resources, then deploy again",
        )
    return stack
