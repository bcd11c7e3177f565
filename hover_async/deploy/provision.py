"""The CloudFormation stack: created or updated, and waited for to the very end.

Only two statuses are success, and only of our own operation: `CREATE_COMPLETE` and
`UPDATE_COMPLETE`, to which `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS` counts because the update is
decided there. Everything else that ends an operation is a failure, `UPDATE_ROLLBACK_COMPLETE`
first among them.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from anyio import current_time, get_cancelled_exc_class, sleep, sleep_until

from hover_async.concurrency import Feed, bounded_map, task_group
from hover_async.deploy.stack_events import NESTED, Hearing
from hover_async.deploy.stack_states import (
    CLEANING_UP,
    DONE,
    EMPTY,
    WORKING,
    obstacle,
    unusable,
)
from hover_async.errors import AwsError, StackFailed, StepTimedOut
from hover_async.events import Reporter, Warned
from hover_async.ports import (
    AssetStore,
    ObjectHeaders,
    StackDescription,
    StackEvent,
    StackRequest,
    Stacks,
)
from hover_async.template import Template, template_key
from hover_async.values import FunctionName

INLINE_TEMPLATE_BYTES = 51_200
"""What CloudFormation takes in the request itself; a larger one comes through S3 (up to 1 MB)."""
DEADLINE_S = 3_600
"""A distribution takes 3 to 9 minutes; a stuck resource an hour until CloudFormation gives up."""
TEMPLATES_AT_ONCE = 8
FIRST_POLL_S, LONGEST_POLL_S = 0.5, 5.0
PATIENCE = 20
"""Asked again after a twentieth of the time that nothing has been heard, so that no wait becomes
much longer by asking. Two calls at a time: CloudFormation answers about 5 a second to the account.
"""
EVENTS_LAG_S = 1.0
"""About how long after a status its events can be read."""


@dataclass(frozen=True)
class Stack:
    """The stack stands as its template says. `done` is what it took to make it so; in the direct
    lane nothing, and the template is `left` at an earlier image."""

    name: str
    functions: Sequence[FunctionName]
    outputs: Mapping[str, str]
    done: Literal["created", "updated", "unchanged", "left"]

    def __str__(self) -> str:
        return f"{self.name} {self.done}"


async def provision_stack(
    name: str,
    template: Template,
    stacks: Stacks,
    store: AssetStore,
    report: Reporter,
    *,
    role_arn: str | None,
    tags: Mapping[str, str],
    token: str,
    standing: Collection[FunctionName] = (),
    updated: Feed[FunctionName] | None = None,
    prove: Callable[[], Awaitable[None]] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Stack:
    """Create or update the stack and wait for it; `prove` is awaited right before.

    `token` marks the operation: a repeated call attaches to it instead of starting another.
    `standing` are functions that the stack is known to have. `updated` is fed each function as soon
    as CloudFormation is done with it, and ended once the operation has succeeded; never when it
    fails. Raises `StackUnusable` when the stack cannot be updated from where it stands,
    `StackFailed` when the operation failed or rolled back. No `live` alias is ever touched by any
    of this.
    """
    updated = updated or Feed()
    request = await _request(name, template, store, role_arn=role_arn, tags=tags, token=token)
    found = await _wait_for_cleanup(name, stacks, deadline_s=deadline_s)
    if found and found.status in EMPTY:
        await _delete(found, stacks, report, token=f"{token}-delete", deadline_s=deadline_s)
        found = None
    done: Literal["created", "updated", "unchanged"] = "updated"
    if prove:
        await prove()
    if found is None:
        done = "created"
        await stacks.create(request)
    elif problem := obstacle(found):
        raise problem
    elif not await stacks.update(request):
        done = "unchanged"
    hearing = Hearing(name, token, stacks, report, updated)
    if found is None or done != "unchanged":
        found = await _wait_until_done(hearing, deadline_s=deadline_s)
    updated.end()
    functions = [spec.name for spec in template.functions]
    if not {*functions} <= {*standing, *hearing.stand}:  # told late, or not there
        functions = list(await stacks.functions(name))
    return Stack(name, tuple(functions), found.outputs, done)


async def _wait_for_cleanup(
    name: str, stacks: Stacks, *, deadline_s: float
) -> StackDescription | None:
    """The stack, once an earlier operation that is decided has also removed what it replaced."""
    give_up_at = current_time() + deadline_s
    while True:
        standing = await stacks.describe(name)
        if standing is None or standing.status not in CLEANING_UP:
            return standing
        if current_time() > give_up_at:
            raise unusable(standing)
        await sleep(LONGEST_POLL_S)


async def _request(
    name: str,
    template: Template,
    store: AssetStore,
    *,
    role_arn: str | None,
    tags: Mapping[str, str],
    token: str,
) -> StackRequest:
    """The request, once every template that it needs from S3 is there."""
    objects = {nested.key: nested.body for nested in template.nested}
    text, is_url = template.body, template.size_bytes > INLINE_TEMPLATE_BYTES
    if is_url:
        key = template_key(template.body)
        objects[key] = template.body
        text = store.url(key)

    async def put(item: tuple[str, str]) -> None:
        key, body = item[0], item[1].encode()
        checksum = b64encode(hashlib.sha256(body).digest()).decode()
        headers = ObjectHeaders("application/json", "private, no-store")
        await store.put(key, body, headers, sha256=checksum)

    await bounded_map(put, objects.items(), limit=TEMPLATES_AT_ONCE)
    return StackRequest(name, text, is_url, role_arn, tags, token)


async def _wait_until_done(hearing: Hearing, *, deadline_s: float) -> StackDescription:
    try:
        standing = await _follow(hearing, deadline_s=deadline_s)
    except get_cancelled_exc_class():
        hearing.report(_goes_on(hearing.name))
        raise
    if standing and standing.status in DONE:
        return standing
    raise await _failed(hearing.name, standing, hearing.told, hearing.stacks)


async def _follow(hearing: Hearing, *, deadline_s: float) -> StackDescription | None:
    """Hear every event of the operation until the stack stops working on it."""
    heard_at = current_time()
    give_up_at = heard_at + deadline_s
    while True:
        asked_at, is_begun = current_time(), bool(hearing.told)
        async with task_group() as asked:
            listening = asked.start_soon(hearing.listen)
            describing = asked.start_soon(hearing.stacks.describe, hearing.name)
        standing = describing.return_value
        if standing is None:
            return None
        # Without an event of ours before it, the status may be that of an earlier operation.
        if is_begun and standing.status not in WORKING:
            if standing.status not in DONE:  # why it failed may have been told in between
                await sleep(EVENTS_LAG_S)
                await hearing.listen(again=True)
            return standing
        if listening.return_value:
            heard_at = current_time()
        every_s = min(max((asked_at - heard_at) / PATIENCE, FIRST_POLL_S), LONGEST_POLL_S)
        if asked_at + every_s > give_up_at:
            raise StepTimedOut(
                f"stack '{hearing.name}' is still {standing.status} after {deadline_s:.0f} s",
                hint=_goes_on(hearing.name).message,
            )
        await sleep_until(asked_at + every_s)


async def _delete(
    standing: StackDescription, stacks: Stacks, report: Reporter, *, token: str, deadline_s: float
) -> None:
    report(
        Warned(
            f"stack '{standing.name}' is {standing.status}: its first creation failed, "
            "so it is deleted and created anew"
        )
    )
    await stacks.delete(standing.id, token=token)
    hearing = Hearing(standing.id, token, stacks, report, Feed())
    left = await _follow(hearing, deadline_s=deadline_s)
    if left is not None and left.status != "DELETE_COMPLETE":
        raise await _failed(standing.name, left, hearing.told, stacks)


async def _failed(
    name: str, standing: StackDescription | None, events: Sequence[StackEvent], stacks: Stacks
) -> StackFailed:
    reasons = [reason async for reason in _reasons(events, stacks)]
    status = standing.status if standing else "gone"
    found = reasons or [standing.reason if standing and standing.reason else "no reason given"]
    return StackFailed(
        f"stack '{name}' is {status}: {'; '.join(found)}",
        reasons=reasons,
        hint="no live alias was touched; mend what the reason names and deploy again",
    )


async def _reasons(events: Sequence[StackEvent], stacks: Stacks) -> AsyncIterator[str]:
    """Why the resources failed that failed of themselves, and not because another one did.

    A nested stack only says that it failed: its own events say why.
    """
    for event in events:
        if not event.status.endswith("_FAILED") or "cancelled" in event.reason.lower():
            continue
        inner: list[str] = []
        if event.kind == NESTED and event.physical_id not in {"", event.stack_id}:
            with suppress(AwsError):
                of_nested = await stacks.events(event.physical_id, token=None)
                inner = [reason async for reason in _reasons(of_nested, stacks)]
        for reason in inner:
            yield f"{event.logical_id}/{reason}"
        if not inner:
            yield f"{event.logical_id} ({event.kind}): {event.reason}"


def _goes_on(name: str) -> Warned:
    return Warned(
        f"CloudFormation goes on with stack '{name}' by itself; what it changes is not live",
        hint="the next deploy has to wait until it is done",
    )
