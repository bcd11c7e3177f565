"""CloudFormation at work in the model: a stack's functions updated side by side, within quotas.

Its own requests to Lambda come out of the account's 15 a second. They leave one after the other;
one that is refused is sent again a little later, before any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from anyio import Lock, create_task_group, current_time, sleep

from hover_async.testing.cloud import FakeCloud
from hover_async.testing.model import (
    CALLS_AFTER_IMAGE,
    CALLS_BEFORE_IMAGE,
    CLEANUP,
    CONTROL_PLANE,
    CREATION,
    EVENT_LAG_S,
    STACK_FIXED,
    Model,
)
from hover_async.testing.stacks import Operation
from hover_async.testing.templates import FunctionChange

AGAIN_S = (0.05, 0.15)
"""CloudFormation sends a refused request again after this."""


@asynccontextmanager
async def simulated(cloud: FakeCloud, model: Model) -> AsyncIterator[None]:
    """Let everything in `cloud` take the model's time; its stacks are worked on while inside."""
    async with create_task_group() as work:
        engine = Engine(cloud.stacks, model)

        def carry_out(operation: Operation) -> None:
            work.start_soon(engine.carry_out, operation)

        cloud.stacks.carry_out = carry_out
        cloud.world.other_latency_s = model.local_s
        cloud.lambdas.boot_s = model.boot_s
        cloud.lambdas.command_s = model.command_s
        yield
        work.cancel_scope.cancel()


class Works(Protocol):
    """Where an operation's progress has its effect: `FakeStacks`, or whoever wants to know it."""

    def begin(self, operation: Operation, change: FunctionChange, *, done_at_s: float) -> None: ...

    def finish(self, operation: Operation, change: FunctionChange, *, at_s: float) -> None: ...

    def decide(self, operation: Operation, *, at_s: float) -> None: ...


@dataclass
class Engine:
    """CloudFormation in one account and region."""

    works: Works
    model: Model
    turn: Lock = field(default_factory=Lock)

    async def carry_out(self, operation: Operation) -> None:
        """Work on an operation until it is decided; what follows takes no time of ours."""
        works, name = self.works, operation.stack.name
        fixed_s = self.model.draw(STACK_FIXED, "stack", name)
        if operation.creates:
            fixed_s += self.model.draw(CREATION, "creation", name)
        await sleep(fixed_s / 2)
        async with create_task_group() as functions:
            for change in operation.changes:
                functions.start_soon(self._update, operation, change)
        await sleep(fixed_s / 2)
        operation.stack.ends_at_s = current_time()
        operation.stack.cleaned_at_s = current_time() + self.model.draw(CLEANUP, "cleanup", name)
        works.decide(operation, at_s=current_time() + self._lag_s(name))

    async def _update(self, operation: Operation, change: FunctionChange) -> None:
        for _ in range(CALLS_BEFORE_IMAGE):
            await self._call_lambda()
        works = self.works
        image_s = self.model.image_s(change.name)
        works.begin(operation, change, done_at_s=current_time() + image_s)
        await sleep(image_s)
        for _ in range(CALLS_AFTER_IMAGE):
            await self._call_lambda()
        works.finish(operation, change, at_s=current_time() + self._lag_s(change.name))

    async def _call_lambda(self) -> None:
        async with self.turn:
            bucket, again = self.model.bucket(CONTROL_PLANE), 0
            while not bucket.admits(current_time()):
                again += 1
                first, last = AGAIN_S
                where = self.model.uniform("again", str(bucket.admitted), str(again))
                await sleep(first + (last - first) * where)

    def _lag_s(self, subject: str) -> float:
        """Events can be read a little after what they tell of."""
        return EVENT_LAG_S * self.model.uniform("lag", subject)
