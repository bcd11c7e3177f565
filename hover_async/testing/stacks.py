"""CloudFormation in memory: a stack's operation takes its time and then has had its effect.

Functions are the resources it tells of: each has its events when it begins and when it is done.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio import current_time

from hover_async.errors import Rejected
from hover_async.ports import StackDescription, StackEvent, StackRequest
from hover_async.testing.lambdas import FakeFunction, FakeFunctions
from hover_async.testing.storage import FakeAssetStore
from hover_async.testing.templates import FUNCTION, STACK, FunctionChange, Templates
from hover_async.testing.world import World
from hover_async.values import FunctionName

EPOCH_S = 1.8e9
"""When the clock of the run began, by CloudFormation's."""
DOMAIN = "d111111abcdef8.cloudfront.net"


@dataclass
class FakeStack:
    """A stack and its last operation, which is decided at `ends_at_s`.

    What it lets go of (`leaving`, with places) is still listed until `cleaned_at_s`.
    """

    name: str
    working: str
    ended: str
    ends_at_s: float
    token: str
    template: dict[str, Any]
    body: str
    reason: str = ""
    leaving: Mapping[FunctionName, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    cleaned_at_s: float = 0.0
    outputs: dict[str, str] = field(
        default_factory=lambda: {"DistributionDomain": DOMAIN, "ApiUrl": "https://api.example.com"}
    )

    def status(self) -> str:
        if current_time() < self.ends_at_s:
            return self.working
        return f"{self.ended}_CLEANUP_IN_PROGRESS" if self.is_cleaning_up() else self.ended

    def is_cleaning_up(self) -> bool:
        return current_time() < self.cleaned_at_s


@dataclass(frozen=True)
class Operation:
    """A create or update that was accepted, for `FakeStacks.carry_out` to work on."""

    request: StackRequest
    stack: FakeStack
    changes: Sequence[FunctionChange]

    @property
    def creates(self) -> bool:
        return self.stack.working.startswith("CREATE")


@dataclass
class FakeStacks:
    """`failure` (a resource's id and a reason) makes the next operation fail and roll back.

    A resource of a nested stack is named with that stack's id: `Workers1/QueueJobsFunction`.
    Functions are done `finishing_s` before an operation is decided. With `carry_out` whoever gave
    it does the work of an operation in its own time, by `begin`, `finish` and `decide`.
    """

    world: World
    lambdas: FakeFunctions
    store: FakeAssetStore
    operation_s: float = 20.0
    cleanup_s: float = 10.0
    finishing_s: float = 0.0
    carry_out: Callable[[Operation], None] | None = None
    failure: tuple[str, str] | None = None
    stacks: dict[str, FakeStack] = field(default_factory=dict)
    read: Templates = field(init=False)
    _events: list[tuple[float, StackEvent]] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.read = Templates(self.store)

    async def describe(self, name: str) -> StackDescription | None:
        async with self.world.request("stacks.describe", name):
            stack = self.stacks.get(name)
            if stack is None:
                return None
            return StackDescription(
                name, name, stack.status(), stack.reason, stack.outputs, stack.tags
            )

    async def create(self, request: StackRequest) -> None:
        async with self.world.request("stacks.create", request.name):
            if request.name in self.stacks:
                raise Rejected(f"stack {request.name} exists")
            self.begin_creation(request)

    async def update(self, request: StackRequest) -> bool:
        async with self.world.request("stacks.update", request.name):
            return self.begin_update(request)

    async def delete(self, name: str, *, token: str) -> None:
        async with self.world.request("stacks.delete", name):
            self.stacks.pop(name, None)

    async def events(
        self, name: str, *, token: str | None, since: str | None = None
    ) -> Sequence[StackEvent]:
        async with self.world.request("stacks.events", name):
            told = self.told(name, token)
            ids = [event.id for event in told]
            return told[ids.index(since) + 1 :] if since in ids else told

    async def templates(self, name: str) -> Mapping[str, str]:
        async with self.world.request("stacks.templates", name):
            stack = self.stacks.get(name)
            if stack is None:
                return {}
            return {"": stack.body, **self.read.nested(stack.template)}

    async def functions(self, name: str) -> Mapping[FunctionName, str]:
        async with self.world.request("stacks.functions", name):
            stack = self.stacks.get(name)
            if stack is None:
                return {}
            standing = {
                name: place for name, (_, place) in self.read.functions_in(stack.template).items()
            }
            return {**stack.leaving, **standing} if stack.is_cleaning_up() else standing

    def begin_creation(self, request: StackRequest) -> None:
        self._operate(request, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "ROLLBACK_COMPLETE")

    def begin_update(self, request: StackRequest) -> bool:
        """False when there is nothing to update."""
        standing = self.stacks[request.name]
        if (standing.body, standing.tags) == (self.read.body(request), request.tags):
            return False
        self._operate(request, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
        return True

    def all_told(self, name: str) -> Sequence[StackEvent]:
        """Every event of a stack by now, whichever operation it is of."""
        now = current_time()
        own = "" if name in self.stacks else name
        found = [
            (at_s, event) for at_s, event in self._events if at_s <= now and event.stack_id == own
        ]
        return [event for _, event in sorted(found, key=lambda told: told[0])]

    def told(self, name: str, token: str | None) -> Sequence[StackEvent]:
        """The events by now: of the operation marked `token`, or of a nested stack."""
        now = current_time()
        found = [
            (at_s, event)
            for at_s, event in self._events
            if at_s <= now and (event.token == token if token else event.stack_id == name)
        ]
        return [event for _, event in sorted(found, key=lambda told: told[0])]

    def consumers(self, name: str) -> dict[str, str]:
        """The logical id of the alias that each queue's messages are handed to, where enabled."""
        return {
            resource["Properties"]["EventSourceArn"]["Fn::Join"][1][-1]: str(
                resource["Properties"]["FunctionName"]["Ref"]
            )
            for _, _, resource in self.read.resources(self.stacks[name].template)
            if resource["Type"] == "AWS::Lambda::EventSourceMapping"
            and resource["Properties"]["Enabled"]
        }

    def _operate(self, request: StackRequest, working: str, done: str, failed: str) -> None:
        body = self.read.body(request)
        template = json.loads(body)
        ends_at_s = current_time() + self.operation_s
        failure, self.failure = self.failure, None
        self._tell(request, request.name, STACK, working)
        if failure:
            self._fail(request, template, *failure)
            before = self.stacks.get(request.name)
            kept = (before.template, before.body) if before else ({"Resources": {}}, "")
            self.stacks[request.name] = FakeStack(
                request.name, working, failed, ends_at_s, request.token, *kept
            )
            return
        functions = self.read.functions_in(template)
        before = self.stacks.get(request.name)
        old = before.template if before else {"Resources": {}}
        stood = self.read.functions_in(old)
        leaving = {name: place for name, (_, place) in stood.items() if name not in functions}
        for name in leaving:
            del self.lambdas.functions[name]
        stack = FakeStack(
            request.name,
            working,
            done,
            ends_at_s,
            request.token,
            template,
            body,
            leaving=leaving,
            tags=request.tags,
            cleaned_at_s=ends_at_s + self.cleanup_s if leaving else 0.0,
        )
        self.stacks[request.name] = stack
        operation = Operation(request, stack, self.read.changes(old, template))
        for place in sorted({change.place for change in operation.changes} - {""}):
            self._tell(request, place, STACK, working, physical_id=place)
        if self.carry_out:
            stack.ends_at_s = stack.cleaned_at_s = math.inf
            self.carry_out(operation)
            return
        done_at_s = max(ends_at_s - self.finishing_s, current_time())
        for change in operation.changes:
            self.begin(operation, change, done_at_s=done_at_s)
            self.finish(operation, change, at_s=done_at_s)
        self.decide(operation, at_s=ends_at_s)

    def begin(self, operation: Operation, change: FunctionChange, *, done_at_s: float) -> None:
        """The function has its new image, which Lambda makes ready until `done_at_s`."""
        function = self.lambdas.functions.setdefault(change.name, FakeFunction(change.image_uri))
        function.image_uri, function.updated_at_s = change.image_uri, done_at_s
        function.updates += 1

    def finish(self, operation: Operation, change: FunctionChange, *, at_s: float) -> None:
        """The function is as the template says, and stays so."""
        self._tell(
            operation.request,
            change.logical_id,
            FUNCTION,
            "CREATE_COMPLETE" if change.is_new else "UPDATE_COMPLETE",
            at_s=at_s,
            physical_id=change.name,
            stack_id=change.place,
        )

    def decide(self, operation: Operation, *, at_s: float) -> None:
        """All functions are done, and there is no way back any more."""
        self._tell(
            operation.request, operation.request.name, STACK, operation.stack.ended, at_s=at_s
        )

    def _fail(
        self, request: StackRequest, template: dict[str, Any], path: str, reason: str
    ) -> None:
        """Let the resource fail, and with it the nested stack that it is in."""
        nested, _, logical_id = path.rpartition("/")
        kind = next(
            resource["Type"]
            for place, name, resource in self.read.resources(template)
            if (place, name) == (nested, logical_id)
        )
        self._tell(request, logical_id, kind, "UPDATE_FAILED", reason, stack_id=nested)
        if nested:
            told = f"Embedded stack {nested} was not successfully updated"
            self._tell(request, nested, STACK, "UPDATE_FAILED", told, physical_id=nested)

    def _tell(
        self,
        request: StackRequest,
        logical_id: str,
        kind: str,
        status: str,
        reason: str = "",
        *,
        at_s: float | None = None,
        **more: str,
    ) -> None:
        event = StackEvent(
            id=f"event-{next(self._ids)}",
            logical_id=logical_id,
            kind=kind,
            status=status,
            reason=reason,
            token=None if more.get("stack_id") else request.token,
            at_s=EPOCH_S + (current_time() if at_s is None else at_s),
            **more,
        )
        self._events.append((event.at_s - EPOCH_S, event))
