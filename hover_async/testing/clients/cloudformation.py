"""CloudFormation's client: stacks, their events and their resources, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hover_async.ports import StackEvent, StackRequest
from hover_async.testing.clients.refusals import refused, validation
from hover_async.testing.clients.wire import Wire
from hover_async.testing.stacks import FakeStack, FakeStacks
from hover_async.testing.templates import FUNCTION, STACK

Answer = Mapping[str, Any]
PAGE = 100
BY_USER = "User Initiated"


class CloudFormationClient:
    """botocore's `cloudformation`, as far as a deploy uses it."""

    def __init__(self, stacks: FakeStacks, wire: Wire) -> None:
        self._stacks = stacks
        self._wire = wire

    async def describe_stacks(self, **asked: Any) -> Answer:
        async with self._wire.request("cloudformation.DescribeStacks", asked["StackName"]):
            stack = self._stack(asked["StackName"])
            outputs = [{"OutputKey": k, "OutputValue": v} for k, v in stack.outputs.items()]
            about = {
                "StackId": stack.name,
                "StackName": stack.name,
                "StackStatus": stack.status(),
                "StackStatusReason": stack.reason,
                "Outputs": outputs,
                "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
            }
            return {"Stacks": [about]}

    async def create_stack(self, **asked: Any) -> Answer:
        request = _request(asked)
        async with self._wire.request("cloudformation.CreateStack", request.name):
            if request.name in self._stacks.stacks:
                raise refused("AlreadyExistsException", 400, f"{request.name} already exists")
            self._stacks.begin_creation(request)
            return {"StackId": request.name}

    async def update_stack(self, **asked: Any) -> Answer:
        request = _request(asked)
        async with self._wire.request("cloudformation.UpdateStack", request.name):
            stack = self._stack(request.name)
            if stack.token == request.token:
                return {"StackId": request.name}
            status = stack.status()
            if status.endswith("_IN_PROGRESS"):
                raise validation(
                    f"Stack:{request.name} is in {status} state and can not be updated."
                )
            if not self._stacks.begin_update(request):
                raise validation("No updates are to be performed.")
            return {"StackId": request.name}

    async def delete_stack(self, **asked: Any) -> Answer:
        async with self._wire.request("cloudformation.DeleteStack", asked["StackName"]):
            self._stacks.stacks.pop(asked["StackName"], None)
            return {}

    async def describe_stack_events(self, **asked: Any) -> Answer:
        name = asked["StackName"]
        async with self._wire.request("cloudformation.DescribeStackEvents", name):
            if name not in self._places():
                self._stack(name)
            newest_first = [_event(name, event) for event in self._stacks.all_told(name)[::-1]]
            return _page("StackEvents", newest_first, asked)

    async def list_stack_resources(self, **asked: Any) -> Answer:
        name = asked["StackName"]
        async with self._wire.request("cloudformation.ListStackResources", name):
            root = self._places().get(name) or self._stack(name)
            place = "" if root.name == name else name
            return _page("StackResourceSummaries", self._summaries(root, place), asked)

    async def get_template(self, **asked: Any) -> Answer:
        name = asked["StackName"]
        async with self._wire.request("cloudformation.GetTemplate", name):
            root = self._places().get(name) or self._stack(name)
            if root.name == name:
                return {"TemplateBody": root.body}
            return {"TemplateBody": self._stacks.read.nested(root.template)[name]}

    def _summaries(self, root: FakeStack, place: str) -> Sequence[Answer]:
        standing = [
            _summary(logical_id, resource)
            for where, logical_id, resource in self._stacks.read.resources(root.template)
            if where == place
        ]
        leaving = root.leaving if root.is_cleaning_up() else {}
        return standing + [
            _summary(name, {"Type": FUNCTION, "Properties": {"FunctionName": name}})
            for name, where in leaving.items()
            if where == place
        ]

    def _places(self) -> Mapping[str, FakeStack]:
        """The nested stacks by id, each with the stack that it is in."""
        return {
            place: root
            for root in self._stacks.stacks.values()
            for place, resource in root.template["Resources"].items()
            if resource["Type"] == STACK
        }

    def _stack(self, name: str) -> FakeStack:
        stack = self._stacks.stacks.get(name)
        if stack is None:
            raise validation(f"Stack with id {name} does not exist")
        return stack


def _request(asked: Mapping[str, Any]) -> StackRequest:
    is_url = "TemplateURL" in asked
    return StackRequest(
        asked["StackName"],
        asked["TemplateURL" if is_url else "TemplateBody"],
        is_url,
        asked.get("RoleARN"),
        {tag["Key"]: tag["Value"] for tag in asked.get("Tags", ())},
        asked["ClientRequestToken"],
    )


def _event(stack: str, event: StackEvent) -> Answer:
    is_own = event.kind == STACK and event.logical_id == stack
    begins = is_own and event.status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}
    token = {"ClientRequestToken": event.token} if event.token else {}
    return {
        "EventId": event.id,
        "StackId": stack,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": stack if is_own else event.physical_id,
        "ResourceType": event.kind,
        "ResourceStatus": event.status,
        "ResourceStatusReason": BY_USER if begins else event.reason,
        "Timestamp": datetime.fromtimestamp(event.at_s, UTC),
        **token,
    }


def _summary(logical_id: str, resource: Mapping[str, Any]) -> Answer:
    is_function = resource["Type"] == FUNCTION
    return {
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": resource["Properties"]["FunctionName"] if is_function else logical_id,
        "ResourceType": resource["Type"],
        "ResourceStatus": "UPDATE_COMPLETE",
    }


def _page(name: str, entries: Sequence[Answer], asked: Mapping[str, Any]) -> Answer:
    begin = int(asked.get("NextToken", 0))
    more = {"NextToken": str(begin + PAGE)} if entries[begin + PAGE :] else {}
    return {name: entries[begin : begin + PAGE], **more}
