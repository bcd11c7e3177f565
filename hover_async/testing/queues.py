"""SQS and CloudWatch Logs in memory: queues and log groups that nothing deletes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hover_async.errors import Conflict, NotFound
from hover_async.testing.world import World


@dataclass
class FakeQueue:
    attributes: dict[str, str]
    tags: dict[str, str]
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
            queue = self.queues.get(name)
            if queue is None:
                return None
            waiting = {"ApproximateNumberOfMessages": str(queue.messages)}
            return {**queue.attributes, **waiting, "QueueArn": self.arn(name)}

    async def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        async with self.world.request("queues.create", name):
            standing = self.queues.get(name)
            if standing and standing.attributes != attributes:
                raise Conflict(f"queue {name} has other attributes")
            self.queues.setdefault(name, FakeQueue(dict(attributes), dict(tags)))

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        async with self.world.request("queues.change", name):
            changed = {**self._queue(name).attributes, **attributes}
            self._queue(name).attributes = {key: value for key, value in changed.items() if value}

    async def tags(self, name: str) -> Mapping[str, str]:
        async with self.world.request("queues.tags", name):
            return dict(self._queue(name).tags)

    async def tag(self, name: str, tags: Mapping[str, str]) -> None:
        async with self.world.request("queues.tag", name):
            self._queue(name).tags |= tags

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
