"""SQS and CloudWatch Logs in memory: queues and log groups that nothing deletes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from anyio import current_time

from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.testing.world import World

CREATION_S = 1.0
"""How long SQS takes until a new queue can be used."""


@dataclass
class FakeQueue:
    """Not to be named by another queue before `usable_at_s`."""

    attributes: dict[str, str]
    tags: dict[str, str]
    usable_at_s: float = 0.0
    messages: int = 0


@dataclass
class FakeQueues:
    """Every queue by name, with its attributes as SQS spells them."""

    world: World
    queues: dict[str, FakeQueue] = field(default_factory=dict)

    def arn(self, name: str) -> str:
        return f"arn:aws:sqs:us-east-1:123456789012:{name}"

    async def find(self, name: str) -> Mapping[str, str] | None:
        async with self.world.request("queues.find", name):
            return self.attributes(name)

    async def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        async with self.world.request("queues.create", name):
            self.make(name, attributes, tags)

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        async with self.world.request("queues.change", name):
            self.alter(name, attributes)

    async def tags(self, name: str) -> Mapping[str, str]:
        async with self.world.request("queues.tags", name):
            return dict(self._queue(name).tags)

    async def tag(self, name: str, tags: Mapping[str, str]) -> None:
        async with self.world.request("queues.tag", name):
            self._queue(name).tags |= tags

    def attributes(self, name: str) -> Mapping[str, str] | None:
        """As SQS answers them; None when there is no such queue."""
        queue = self.queues.get(name)
        if queue is None:
            return None
        waiting = {"ApproximateNumberOfMessages": str(queue.messages)}
        return {**queue.attributes, **waiting, "QueueArn": self.arn(name)}

    def make(self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """What `create` does, at once."""
        standing = self.queues.get(name)
        if standing and standing.attributes != attributes:
            raise Conflict(f"queue {name} has other attributes")
        self._require_dead_letters(attributes)
        usable_at_s = current_time() + CREATION_S
        self.queues.setdefault(name, FakeQueue(dict(attributes), dict(tags), usable_at_s))

    def alter(self, name: str, attributes: Mapping[str, str]) -> None:
        """What `change` does, at once."""
        self._require_dead_letters(attributes)
        changed = {**self._queue(name).attributes, **attributes}
        self._queue(name).attributes = {key: value for key, value in changed.items() if value}

    def _require_dead_letters(self, attributes: Mapping[str, str]) -> None:
        policy = json.loads(attributes.get("RedrivePolicy") or "{}")
        if policy:
            dead = self.queues.get(policy["deadLetterTargetArn"].rpartition(":")[2])
            if dead is None or current_time() < dead.usable_at_s:
                raise Rejected("Dead letter target does not exist")

    def _queue(self, name: str) -> FakeQueue:
        if name not in self.queues:
            raise NotFound(f"there is no queue {name}")
        return self.queues[name]


@dataclass
class FakeLogGroups:
    """Every log group by name, with the days that it keeps (None: for ever)."""

    world: World
    groups: dict[str, int | None] = field(default_factory=dict)

    async def find(self, prefix: str) -> Mapping[str, int | None]:
        async with self.world.request("logs.find", prefix):
            return {name: days for name, days in self.groups.items() if name.startswith(prefix)}

    async def create(self, name: str, tags: Mapping[str, str]) -> None:
        async with self.world.request("logs.create", name):
            self.groups.setdefault(name, None)

    async def keep(self, name: str, *, days: int) -> None:
        async with self.world.request("logs.keep", name):
            if name not in self.groups:
                raise NotFound(f"there is no log group {name}")
            self.groups[name] = days
