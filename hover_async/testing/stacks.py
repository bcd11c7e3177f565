"""CloudFormation in memory: a stack's operation takes its time and then has had its effect."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio import current_time

from hover_async.errors import Rejected
from hover_async.ports import StackDescription, StackEvent, StackRequest
from hover_async.testing.lambdas import FakeFunction, FakeFunctions
from hover_async.testing.storage import FakeAssetStore
from hover_async.testing.world import World
from hover_async.values import FunctionName

DOMAIN = "d111111abcdef8.cloudfront.net"


@dataclass
class FakeStack:
    """A stack and its last operation, which is decided at `ends_at_s`."""

    name: str
    working: str
    ended: str
    ends_at_s: float
    token: str
    template: dict[str, Any]
    body: str
    reason: str = ""

    def status(self) -> str:
        return self.ended if current_time() >= self.ends_at_s else self.working


@dataclass
class FakeStacks:
    """`failure` (a resource's id and a reason) makes the next operation fail and roll back."""

    world: World
    lambdas: FakeFunctions
    store: FakeAssetStore
    operation_s: float = 20.0
    failure: tuple[str, str] | None = None
    stacks: dict[str, FakeStack] = field(default_factory=dict)
    _events: list[StackEvent] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    async def describe(self, name: str) -> StackDescription | None:
        async with self.world.request("stacks.describe", name):
            stack = self.stacks.get(name)
            if stack is None:
                return None
            outputs = {"DistributionDomain": DOMAIN, "ApiUrl": "https://api.example.com"}
            return StackDescription(name, name, stack.status(), stack.reason, outputs)

    async def create(self, request: StackRequest) -> None:
        async with self.world.request("stacks.create", request.name):
            if request.name in self.stacks:
                raise Rejected(f"stack {request.name} exists")
            self._operate(request, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "ROLLBACK_COMPLETE")

    async def update(self, request: StackRequest) -> bool:
        async with self.world.request("stacks.update", request.name):
            if self.stacks[request.name].body == self.body(request):
                return False
            self._operate(
                request, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"
            )
            return True

    async def delete(self, name: str, *, token: str) -> None:
        async with self.world.request("stacks.delete", name):
            self.stacks.pop(name, None)

    async def events(self, name: str, *, token: str) -> Sequence[StackEvent]:
        async with self.world.request("stacks.events", name):
            return [event for event in self._events if event.token == token]

    async def templates(self, name: str) -> Mapping[str, str]:
        async with self.world.request("stacks.templates", name):
            return {"": self.stacks[name].body} if name in self.stacks else {}

    async def functions(self, name: str) -> Sequence[FunctionName]:
        async with self.world.request("stacks.functions", name):
            return list(_functions(self.stacks[name].template))

    def body(self, request: StackRequest) -> str:
        """The template that the request means, wherever it is."""
        if not request.template_is_url:
            return request.template
        key = request.template.partition("amazonaws.com/")[2]
        return self.store.objects[key].body.decode()

    def _operate(self, request: StackRequest, working: str, done: str, failed: str) -> None:
        body = self.body(request)
        template = json.loads(body)
        ends_at_s = current_time() + self.operation_s
        failure, self.failure = self.failure, None
        self._tell(request, request.name, "AWS::CloudFormation::Stack", working)
        if failure:
            resource, reason = failure
            kind = template["Resources"][resource]["Type"]
            self._tell(request, resource, kind, "UPDATE_FAILED", reason)
            before = self.stacks.get(request.name)
            kept = (before.template, before.body) if before else ({"Resources": {}}, "")
            self.stacks[request.name] = FakeStack(
                request.name, working, failed, ends_at_s, request.token, *kept
            )
            return
        for name, image_uri in _functions(template).items():
            function = self.lambdas.functions.setdefault(name, FakeFunction(image_uri))
            function.image_uri, function.updated_at_s = image_uri, ends_at_s
        self.stacks[request.name] = FakeStack(
            request.name, working, done, ends_at_s, request.token, template, body
        )

    def _tell(
        self, request: StackRequest, logical_id: str, kind: str, status: str, reason: str = ""
    ) -> None:
        self._events.append(
            StackEvent(
                id=f"event-{next(self._ids)}",
                logical_id=logical_id,
                kind=kind,
                status=status,
                reason=reason,
                token=request.token,
            )
        )


def _functions(template: dict[str, Any]) -> dict[FunctionName, str]:
    return {
        FunctionName(resource["Properties"]["FunctionName"]): resource["Properties"]["Code"][
            "ImageUri"
        ]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
