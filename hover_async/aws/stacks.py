"""CloudFormation: stacks created, updated and read.

CloudFormation gives one code, `ValidationError`, to many things; the two that are no failure for us
can only be told by their words. Both are below, in `SAID`, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from hover_async.aws.retry import BY_TOKEN, READ, Policy
from hover_async.aws.service import Answer, Service
from hover_async.errors import AwsError, Conflict, NotFound, OutcomeUnknown, Rejected
from hover_async.ports import StackDescription, StackEvent, StackRequest
from hover_async.values import FunctionName

SAID: Mapping[str, str] = {
    "no such stack": "does not exist",
    "nothing to update": "no updates are to be performed",
}

STACK = "AWS::CloudFormation::Stack"
FUNCTION = "AWS::Lambda::Function"
GONE = "DELETE_COMPLETE"
BY_USER = "User Initiated"
"""The reason CloudFormation gives the first event of every operation."""
DELETION = "DELETE_IN_PROGRESS"
BEGINNINGS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "REVIEW_IN_PROGRESS", DELETION})

OTHERS_SINCE = 3
"""Operations newer than ours to look behind; a stack's whole history is thousands of events."""


def says(error: AwsError, what: str) -> bool:
    """Whether a `ValidationError` is this one of the cases of `SAID`."""
    return error.aws_code == "ValidationError" and SAID[what] in error.message.lower()


class CloudFormationStacks:
    """`Stacks` over CloudFormation."""

    def __init__(self, cloudformation: Service) -> None:
        self._cloudformation = cloudformation

    async def describe(self, name: str) -> StackDescription | None:
        try:
            answer = await self._call(READ, "DescribeStacks", name)
        except Rejected as error:
            if says(error, "no such stack"):
                return None
            raise
        stack = answer["Stacks"][0]
        if stack["StackStatus"] == GONE:  # only a stack asked for by its id is still shown
            return None
        return StackDescription(
            id=stack["StackId"],
            name=stack["StackName"],
            status=stack["StackStatus"],
            reason=stack.get("StackStatusReason", ""),
            outputs={out["OutputKey"]: out["OutputValue"] for out in stack.get("Outputs", ())},
            tags={tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())},
        )

    async def create(self, request: StackRequest) -> None:
        try:
            await self._call(BY_TOKEN, "CreateStack", request.name, **parameters(request))
        except Conflict as error:
            if not await self._is_begun(request, error):
                raise

    async def update(self, request: StackRequest) -> bool:
        try:
            await self._call(BY_TOKEN, "UpdateStack", request.name, **parameters(request))
        except (Conflict, Rejected) as error:
            # A repeat after a lost answer meets our own update: under way, or all done already.
            if await self._is_begun(request, error):
                return True
            if says(error, "nothing to update"):
                return False
            if says(error, "no such stack"):
                raise _missing(request.name, error) from error
            raise
        return True

    async def delete(self, name: str, *, token: str) -> None:
        try:
            await self._call(BY_TOKEN, "DeleteStack", name, ClientRequestToken=token)
        except Conflict as error:
            if error.aws_code != "TokenAlreadyExistsException":
                raise

    async def events(
        self, name: str, *, token: str | None, since: str | None = None
    ) -> Sequence[StackEvent]:
        try:
            async with self._pages("DescribeStackEvents", name) as pages:
                return await _operation(pages, token, since)
        except Rejected as error:
            if says(error, "no such stack"):
                raise _missing(name, error) from error
            raise

    async def functions(self, name: str) -> Mapping[FunctionName, str]:
        places: dict[FunctionName, str] = {}
        for resource in await self._resources(name):
            physical_id = resource.get("PhysicalResourceId")
            if not physical_id or resource["ResourceStatus"] == GONE:
                continue
            if resource["ResourceType"] == FUNCTION:
                places[FunctionName(physical_id)] = ""
            elif resource["ResourceType"] == STACK:
                nested = await self.functions(physical_id)
                places |= dict.fromkeys(nested, str(resource["LogicalResourceId"]))
        return places

    async def templates(self, name: str) -> Mapping[str, str]:
        try:
            return await self._templates(name, "")
        except Rejected as error:
            if says(error, "no such stack"):
                return {}
            raise

    async def _templates(self, name: str, path: str) -> Mapping[str, str]:
        answer = await self._call(READ, "GetTemplate", name, TemplateStage="Original")
        body = answer["TemplateBody"]  # botocore reads one that is JSON
        found = {path: body if isinstance(body, str) else json.dumps(body)}
        if STACK not in found[path]:
            return found
        for resource in await self._resources(name):
            physical_id = resource.get("PhysicalResourceId")
            if (
                resource["ResourceType"] != STACK
                or not physical_id
                or resource["ResourceStatus"] == GONE
            ):
                continue
            logical_id = str(resource["LogicalResourceId"])
            inner = f"{path}/{logical_id}" if path else logical_id
            found |= await self._templates(physical_id, inner)
        return found

    async def _resources(self, name: str) -> Sequence[Answer]:
        found: list[Answer] = []
        try:
            async with self._pages("ListStackResources", name) as pages:
                async for page in pages:
                    found.extend(page["StackResourceSummaries"])
        except Rejected as error:
            if not says(error, "no such stack"):
                raise
        return found

    async def _is_begun(self, request: StackRequest, refusal: AwsError) -> bool:
        """Whether the operation of this token has been accepted, whatever the refusal says."""
        if refusal.aws_code == "TokenAlreadyExistsException":
            return True
        try:
            return bool(await self.events(request.name, token=request.token))
        except (NotFound, OutcomeUnknown):
            return False

    async def _call(
        self, policy: Policy, operation: str, stack: str, /, **parameters: Any
    ) -> Answer:
        parameters.setdefault("StackName", stack)
        return await self._cloudformation.call(policy, operation, f"stack '{stack}'", **parameters)

    def _pages(
        self, operation: str, stack: str
    ) -> AbstractAsyncContextManager[AsyncIterator[Answer]]:
        return self._cloudformation.pages(
            operation,
            f"stack '{stack}'",
            token="NextToken",  # noqa: S106 - the name of a parameter
            next_token="NextToken",  # noqa: S106 - the same
            StackName=stack,
        )


async def _operation(
    pages: AsyncIterator[Answer], token: str | None, since: str | None
) -> Sequence[StackEvent]:
    """The events of the operation marked `token`, oldest first; `pages` begin with the newest.
    Those up to the event `since` are left out, and not asked for.

    Without a token they are those of the last operation: a nested stack does not say who began it.
    Its deletion is what undoes its creation, and tells nothing of why that failed.
    """
    found: list[StackEvent] = []
    others = 0
    async for page in pages:
        for entry in page["StackEvents"]:
            event = _event(entry)
            if event.id == since:
                return found[::-1]
            if token is None:
                found.append(event)
                if _is_of_the_stack(entry) and event.status in BEGINNINGS - {DELETION}:
                    return found[::-1]
                continue
            if event.token == token:
                found.append(event)
            if _begins(entry):
                others += event.token != token
                if event.token == token or others == OTHERS_SINCE:
                    return found[::-1]
    return found[::-1]


def parameters(request: StackRequest) -> dict[str, Any]:
    template = "TemplateURL" if request.template_is_url else "TemplateBody"
    role = {"RoleARN": request.role_arn} if request.role_arn else {}
    return {
        "StackName": request.name,
        template: request.template,
        "ClientRequestToken": request.token,
        "Tags": [{"Key": key, "Value": value} for key, value in request.tags.items()],
        **role,
    }


def _event(entry: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        id=entry["EventId"],
        logical_id=entry.get("LogicalResourceId", ""),
        kind=entry.get("ResourceType", ""),
        status=entry.get("ResourceStatus", ""),
        reason=entry.get("ResourceStatusReason", ""),
        token=entry.get("ClientRequestToken"),
        physical_id=entry.get("PhysicalResourceId", ""),
        stack_id=entry["StackId"],
        at_s=at.timestamp() if isinstance(at := entry.get("Timestamp"), datetime) else 0.0,
    )


def _begins(entry: Mapping[str, Any]) -> bool:
    """Whether an operation of the stack itself begins with this event: what is older is not its."""
    return (
        _is_of_the_stack(entry)
        and entry.get("ResourceStatus") in BEGINNINGS
        and entry.get("ResourceStatusReason", "") == BY_USER
    )


def _is_of_the_stack(entry: Mapping[str, Any]) -> bool:
    """Whether it is about the stack itself, and not one of its resources."""
    return bool(entry.get("PhysicalResourceId") == entry["StackId"])


def _missing(name: str, error: AwsError) -> NotFound:
    return NotFound(
        f"there is no stack '{name}'",
        operation=error.operation,
        aws_code=error.aws_code,
        request_id=error.request_id,
        hint="deploy the stage to create it",
    )
