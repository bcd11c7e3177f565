"""CloudFormation's own word on what a template would do: a change set, asked and deleted again.

Nothing is left behind, whatever happens in between: the change set is deleted, and so is the empty
stack that one for a new stack makes. Both are done shielded and within a time of their own.
"""

from __future__ import annotations

from anyio import current_time, move_on_after, sleep

from hover_async.concurrency import shielded
from hover_async.errors import AwsError, Conflict, OutcomeUnknown, StackFailed, StepTimedOut
from hover_async.events import Reporter, Warned
from hover_async.ports import (
    ChangeSet,
    ChangeSets,
    ChangeSetState,
    ForeseenChange,
    StackRequest,
    Stacks,
)

CREATE_DEADLINE_S = 30
"""For the answer to CreateChangeSet: without it nobody knows whether there is one to delete."""
DEADLINE_S = 180
"""A change set of a few hundred resources takes seconds to a minute."""
CLEANUP_DEADLINE_S = 30
POLL_S = 1.0
REVIEW = "REVIEW_IN_PROGRESS"


async def foresee(
    request: StackRequest,
    stacks: Stacks,
    change_sets: ChangeSets,
    report: Reporter,
    *,
    creates: bool,
    deadline_s: float = DEADLINE_S,
) -> tuple[ForeseenChange, ...]:
    """What CloudFormation would do for `request`; `creates` when there is no stack yet.

    Raises `StackFailed` with CloudFormation's reason when it cannot tell, `StepTimedOut` when it
    does not in time.
    """
    name = f"hover-async-plan-{request.token}"
    is_made = True
    try:
        try:
            await shielded(
                lambda: change_sets.create(request, name, creates=creates),
                deadline_s=CREATE_DEADLINE_S,
                what=f"creating a change set of stack '{request.name}'",
            )
        except AwsError as error:
            is_made = isinstance(error, OutcomeUnknown)
            raise
        found = await _wait_until_ready(request.name, name, change_sets, deadline_s=deadline_s)
        return tuple(found.changes)
    finally:
        if is_made:
            await _delete(request.name, name, stacks, change_sets, report, creates=creates)


async def _wait_until_ready(
    stack: str, name: str, change_sets: ChangeSets, *, deadline_s: float
) -> ChangeSet:
    give_up_at = current_time() + deadline_s
    while True:
        found = await change_sets.describe(stack, name)
        if found.state is ChangeSetState.READY:
            return found
        if found.state is ChangeSetState.FAILED:
            raise StackFailed(
                f"CloudFormation cannot tell what it would do to stack '{stack}': {found.reason}",
                reasons=[found.reason],
                hint="a deploy would most likely fail for the same reason",
            )
        if current_time() + POLL_S > give_up_at:
            raise StepTimedOut(
                f"the change set of stack '{stack}' is not ready after {deadline_s:.0f} s"
            )
        await sleep(POLL_S)


async def _delete(
    stack: str,
    name: str,
    stacks: Stacks,
    change_sets: ChangeSets,
    report: Reporter,
    *,
    creates: bool,
) -> None:
    is_gone = False
    with move_on_after(CLEANUP_DEADLINE_S, shield=True):
        is_gone = await _clean_up(stack, name, stacks, change_sets, creates=creates)
    if not is_gone:
        report(
            Warned(
                f"change set '{name}' of stack '{stack}' could not be deleted; it does nothing",
                hint=f"aws cloudformation delete-change-set --stack-name {stack} "
                f"--change-set-name {name}",
            )
        )


async def _clean_up(
    stack: str, name: str, stacks: Stacks, change_sets: ChangeSets, *, creates: bool
) -> bool:
    try:
        while True:
            try:
                await change_sets.delete(stack, name)
                break
            except Conflict:  # CloudFormation still works on it
                await sleep(POLL_S)
        if creates:
            await _delete_empty(stack, stacks, change_sets, token=name)
    except AwsError:
        return False
    return True


async def _delete_empty(stack: str, stacks: Stacks, change_sets: ChangeSets, *, token: str) -> None:
    """The stack that holds nothing but change sets; left alone while it has others than ours."""
    standing = await stacks.describe(stack)
    if standing is None or standing.status != REVIEW or await change_sets.names(stack):
        return
    await stacks.delete(standing.id, token=token)
    while await stacks.describe(standing.id) is not None:  # noqa: ASYNC110 - AWS sets no event
        await sleep(POLL_S)
