"""The two shapes of the stack in a deploy: what it grows to before the flip, and what it is cut to.

Both are known before anything is touched, so that a stage too large for CloudFormation is refused
in time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hover_async.concurrency import task_group
from hover_async.deploy.prepare import Live, live_versions
from hover_async.deploy.releases import live_manifest
from hover_async.errors import UsageError
from hover_async.manifest import Manifest
from hover_async.ports import Cloud
from hover_async.template import Template, render
from hover_async.values import Edge, FunctionName

MOST_AT_ONCE = 2_500
"""Resources that an operation on nested stacks may create, update or delete (its quotas' page)."""


@dataclass(frozen=True)
class Templates:
    """`growing` has the manifest's functions and still all that is live; `settled` only the former.

    They are equal where the manifest's functions and queues are those that are live already.
    `unrecorded` are live, and in neither: no record tells what they work on. `standing` are the
    functions that the stack has already.
    """

    growing: Template
    settled: Template
    unrecorded: Sequence[FunctionName] = ()
    standing: Collection[FunctionName] = ()


async def plan_templates(
    manifest: Manifest, image_uri: str, live: Live, edge: Edge, cloud: Cloud
) -> Templates:
    """A deploy calls it with the lock held: it asks what is live, and where its functions stand.

    Raises `UsageError` when a stack would become larger than CloudFormation takes, or be more work
    than it does at once.
    """
    async with task_group() as reads:
        reading = reads.start_soon(live_manifest, cloud.documents)
        listing = reads.start_soon(cloud.stacks.functions, manifest.stack_name)
    before, standing = reading.return_value, listing.return_value
    leaving = [spec.name for spec in before.functions if spec.name not in live] if before else []
    named = {*leaving, *(spec.name for spec in manifest.functions)}
    unnamed = [name for name in standing if name not in named]
    growing = render(
        manifest,
        image_uri=image_uri,
        started={**live, **await live_versions(leaving, cloud.functions)},
        edge=edge,
        before=before,
        standing=standing,
    )
    _require_one_operation(manifest.name, growing.touched)
    settled = render(
        manifest,
        image_uri=image_uri,
        started=[spec.name for spec in manifest.functions],
        edge=edge,
        standing=growing.places,
    )
    unrecorded = await live_versions(unnamed, cloud.functions)
    return Templates(growing, settled, tuple(unrecorded), tuple(standing))


def _require_one_operation(stage: str, touched: int) -> None:
    if touched > MOST_AT_ONCE:
        raise UsageError(
            f"one operation on the stacks of stage '{stage}' would create or update {touched:,} "
            f"resources; CloudFormation takes {MOST_AT_ONCE:,}",
            hint="deploy with some of the new queue functions first, then with the others",
        )
