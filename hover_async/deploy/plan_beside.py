"""What a deploy would do to the queues and log groups beside the stack, found by reading alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.logs import standing_groups, wanted_groups
from hover_async.deploy.planned import (
    LogsFate,
    PlannedBeside,
    PlannedLogs,
    PlannedQueue,
    QueueFate,
)
from hover_async.deploy.queues import (
    AT_ONCE,
    REDRIVE,
    Attributes,
    WantedQueue,
    differences,
    owner_of,
    taken,
    wanted_queues,
)
from hover_async.manifest import Manifest
from hover_async.ports import Cloud, LogGroups, Queues
from hover_async.template.difference import PropertyChange

MESSAGES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)
"""A message is in one of these states, as SQS counts them."""


async def plan_beside(manifest: Manifest, before: Manifest | None, cloud: Cloud) -> PlannedBeside:
    """`before` is the manifest that is live, if one is known."""
    async with task_group() as reading:
        queues = reading.start_soon(plan_queues, manifest, before, cloud.queues)
        groups = reading.start_soon(plan_log_groups, manifest, before, cloud.logs)
    return PlannedBeside(queues.return_value, groups.return_value)


async def plan_queues(
    manifest: Manifest, before: Manifest | None, queues: Queues
) -> Sequence[PlannedQueue]:
    """Those of the manifest, and those that only `before` has, the manifest that is live."""
    wanted = {queue.name: queue for queue in wanted_queues(manifest)}
    known = {queue.name for queue in wanted_queues(before)} if before else set()

    async def plan(name: str) -> PlannedQueue | None:
        found = await queues.find(name)
        if name not in wanted:
            return PlannedQueue(name, QueueFate.LEFT, _messages(found)) if found else None
        if found is None:
            return PlannedQueue(name, QueueFate.MADE)
        planned = _standing(wanted[name], found, queues)
        if name in known:
            return planned
        owner = await owner_of(name, queues)
        if problem := taken(name, owner, manifest):
            refused = QueueFate.REFUSED
            return PlannedQueue(name, refused, planned.messages, problem=problem.message)
        if owner is None or before is not None:
            return PlannedQueue(name, QueueFate.TAKEN_OVER, planned.messages, planned.changes)
        return planned

    found = await bounded_map(plan, sorted({*wanted, *known}), limit=AT_ONCE)
    return tuple(queue for queue in found if queue)


def _standing(wanted: WantedQueue, found: Attributes, queues: Queues) -> PlannedQueue:
    due = differences(wanted.attributes(queues), found)
    changes = tuple(
        PropertyChange(name, _shown(name, found.get(name, "")), _shown(name, value))
        for name, value in due.items()
    )
    does = QueueFate.CHANGED if changes else QueueFate.STAYS
    return PlannedQueue(wanted.name, does, _messages(found), changes)


def _messages(found: Attributes) -> int:
    return sum(int(found.get(name, "0")) for name in MESSAGES)


def _shown(name: str, value: str) -> str | None:
    """Of a redrive policy: where to, and after how many receives."""
    if name != REDRIVE or not value:
        return value or None
    policy = json.loads(value)
    target = str(policy["deadLetterTargetArn"]).rpartition(":")[2]
    return f"{target} after {policy['maxReceiveCount']} receives"


async def plan_log_groups(
    manifest: Manifest, before: Manifest | None, logs: LogGroups
) -> Sequence[PlannedLogs]:
    """As `plan_queues`."""
    wanted = set(wanted_groups(manifest))
    known = set(wanted_groups(before)) if before else set()
    has_access_log = manifest.http.access_log or bool(before and before.http.access_log)
    found = await standing_groups(manifest, logs, has_access_log=has_access_log)
    days = manifest.log_retention

    def plan(name: str) -> PlannedLogs:
        if name not in found:
            return PlannedLogs(name, LogsFate.MADE, None, days)
        kept = found[name]
        if name not in wanted:
            return PlannedLogs(name, LogsFate.LEFT, kept, kept)
        if before is not None and name not in known:
            return PlannedLogs(name, LogsFate.ADOPTED, kept, days)
        return PlannedLogs(name, LogsFate.STAYS if kept == days else LogsFate.CHANGED, kept, days)

    return tuple(plan(name) for name in sorted(wanted | (known & found.keys())))
