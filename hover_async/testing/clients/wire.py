"""A request's way to AWS and back: the time it takes, and the rate that AWS takes it at."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyio import sleep

from hover_async.testing.clients.refusals import throttled
from hover_async.testing.model import Model
from hover_async.testing.world import World


@dataclass
class Wire:
    """Between all clients and the world. Without a `model` calls take the world's own latency."""

    world: World
    model: Model | None = None
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def request(self, operation: str, subject: str = "") -> AsyncIterator[None]:
        """Around the call's effect. `operation` is `service.Operation`."""
        self.sent[operation] += 1
        if self.model:
            there_s, rest_s = self.model.request_s(operation, subject)
            await sleep(there_s)
            if not self.model.admits(operation):
                self.refused[operation] += 1
                raise throttled(operation)
            await sleep(rest_s)
        async with self.world.request(operation, subject):
            yield
