"""CloudFormation's change sets: what a template would do to a stack, without doing it.

A change set that would change nothing is FAILED for CloudFormation, and only its reason tells it
from a real failure: those words are in `NO_CHANGES`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hover_async.aws.errors import Busy, hint_of
from hover_async.aws.retry import BY_TOKEN, FORGET, READ, Policy
from hover_async.aws.service import Answer, Service
from hover_async.aws.stacks import parameters, says
from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.ports import ChangeSet, ChangeSetState, ForeseenChange, StackRequest

NO_CHANGES = ("didn't contain changes", "no updates are to be performed")
STATES = {
    "CREATE_PENDING": ChangeSetState.WORKING,
    "CREATE_IN_PROGRESS": ChangeSetState.WORKING,
    "CREATE_COMPLETE": ChangeSetState.READY,
}
"""Every other status is an end without an answer."""
NOT_YET = "InvalidChangeSetStatus"
"""AWS's refusal to delete a change set that it still works on."""


class CloudFormationChangeSets:
    """`ChangeSets` over CloudFormation."""

    def __init__(self, cloudformation: Service) -> None:
        self._cloudformation = cloudformation

    async def create(self, request: StackRequest, name: str, *, creates: bool) -> None:
        asked = parameters(request)
        token = asked.pop("ClientRequestToken")
        try:
            await self._call(
                BY_TOKEN,
                "CreateChangeSet",
                request.name,
                name,
                **asked,
                ClientToken=token,
                ChangeSetType="CREATE" if creates else "UPDATE",
                IncludeNestedStacks=True,
            )
        except Conflict as error:
            if error.aws_code != "AlreadyExistsException" or name not in await self.names(
                request.name
            ):
                raise

    async def describe(self, stack: str, name: str) -> ChangeSet:
        first = await self._describe(stack, name)
        reason = first.get("StatusReason", "")
        state = STATES.get(first["Status"], ChangeSetState.FAILED)
        if state is ChangeSetState.FAILED and any(said in reason.lower() for said in NO_CHANGES):
            return ChangeSet(ChangeSetState.READY)
        changes = await self._changes(first, "") if state is ChangeSetState.READY else ()
        return ChangeSet(state, reason, changes)

    async def names(self, stack: str) -> Sequence[str]:
        listing = self._cloudformation.pages(
            "ListChangeSets",
            f"stack '{stack}'",
            token="NextToken",  # noqa: S106 - the name of a parameter
            next_token="NextToken",  # noqa: S106 - the same
            StackName=stack,
        )
        try:
            async with listing as pages:
                return [
                    summary["ChangeSetName"]
                    async for page in pages
                    for summary in page.get("Summaries", ())
                ]
        except Rejected as error:
            if says(error, "no such stack"):
                return ()
            raise

    async def delete(self, stack: str, name: str) -> None:
        try:
            await self._call(FORGET, "DeleteChangeSet", stack, name)
        except NotFound:
            return
        except Rejected as error:
            if says(error, "no such stack"):
                return
            if error.aws_code != NOT_YET:
                raise
            raise Conflict(
                error.message,
                operation=error.operation,
                aws_code=error.aws_code,
                request_id=error.request_id,
                hint=hint_of(Busy),
            ) from error

    async def _changes(self, page: Answer, path: str) -> Sequence[ForeseenChange]:
        """Those of the change set whose first page this is, and of its nested stacks'."""
        name = page["ChangeSetId"]
        found: list[ForeseenChange] = []
        while True:
            for entry in page.get("Changes", ()):
                change = entry.get("ResourceChange")
                if change is None:
                    continue
                found.append(_foreseen(change, path))
                if nested := change.get("ChangeSetId"):
                    inner = change["LogicalResourceId"]
                    first = await self._describe("", nested)
                    found += await self._changes(first, f"{path}/{inner}" if path else inner)
            if not page.get("NextToken"):
                return found
            page = await self._describe("", name, NextToken=page["NextToken"])

    async def _describe(self, stack: str, name: str, **more: str) -> Answer:
        return await self._call(READ, "DescribeChangeSet", stack, name, **more)

    async def _call(
        self, policy: Policy, operation: str, stack: str, name: str, /, **more: Any
    ) -> Answer:
        """`stack` is needed only where `name` is no id."""
        if stack:
            more["StackName"] = stack
        return await self._cloudformation.call(
            policy, operation, f"change set '{name}'", ChangeSetName=name, **more
        )


def _foreseen(change: Answer, path: str) -> ForeseenChange:
    details = change.get("Details", ())
    names = [
        detail["Target"].get("Name") or detail["Target"].get("Attribute", "")
        for detail in details
        if detail.get("Target")
    ]
    return ForeseenChange(
        stack=path,
        logical_id=change["LogicalResourceId"],
        kind=change.get("ResourceType", ""),
        action=change["Action"],
        replacement=change.get("Replacement", ""),
        policy=change.get("PolicyAction", ""),
        properties=tuple(dict.fromkeys(names)),
        is_certain=not details or any(detail.get("Evaluation") == "Static" for detail in details),
    )
