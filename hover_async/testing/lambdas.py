"""Lambda in memory: functions, versions, aliases, and containers that boot and stay busy."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anyio import current_time, sleep

from hover_async.errors import Conflict, NotFound, Throttled
from hover_async.ports import Alias, FunctionState, Invocation, Repeatable
from hover_async.testing.world import World
from hover_async.values import LATEST, LIVE, FunctionName, Version

BOOT_S = 1.2


@dataclass
class FakeVersion:
    """A version's code, and when it becomes Active; `inactive` after weeks without a request."""

    image_uri: str
    description: str
    active_at_s: float
    inactive: bool = False


@dataclass
class FakeAlias:
    version: Version
    revision: int = 0


@dataclass
class FakeFunction:
    """`updated_at_s` is when the last of the `updates` of `$LATEST` is done."""

    image_uri: str
    updated_at_s: float = 0.0
    updates: int = 0
    versions: dict[Version, FakeVersion] = field(default_factory=dict)
    live: FakeAlias = field(default_factory=lambda: FakeAlias(LATEST))


@dataclass
class Container:
    id: str
    version: Version
    boot_s: float = BOOT_S
    busy: bool = True


Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass
class FakeFunctions:
    """`commands` answers a deploy command's argument vector with its exit code and output.

    `boot_error` makes containers fail to start; `free_concurrency` bounds how many run at once.
    """

    world: World
    functions: dict[FunctionName, FakeFunction] = field(default_factory=dict)
    commands: Callable[[list[str]], tuple[int, str]] = lambda argv: (0, f"ran {' '.join(argv)}\n")
    boot_error: str | None = None
    health_status: int = 200
    free_concurrency: int = 1000
    settle_s: float = 2.0
    update_s: float = 5.0
    boot_s: Callable[[str], float] = lambda container: BOOT_S  # noqa: ARG005
    command_s: Callable[[list[str]], float] = lambda argv: 0.0  # noqa: ARG005
    containers: dict[FunctionName, list[Container]] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def live(self) -> dict[FunctionName, Version]:
        return {name: function.live.version for name, function in self.functions.items()}

    async def state(self, function: FunctionName, version: Version) -> FunctionState:
        async with self.world.request("functions.state", function):
            found = self._function(function)
            named = found.live.version if version == LIVE else version
            if named == LATEST:
                done = current_time() >= found.updated_at_s
                last_update = "Successful" if done else "InProgress"
                latest = _state(LATEST, "Active", last_update, found.image_uri)
                return replace(latest, revision=f"{found.updates}-{last_update}")
            published = self._version(function, named)
            state = "Active" if current_time() >= published.active_at_s else "Pending"
            if published.inactive:
                state = "Inactive"
            return _state(named, state, "Successful", published.image_uri)

    async def update_code(self, function: FunctionName, image_uri: str, *, revision: str) -> None:
        async with self.world.request("functions.update_code", function):
            found = self._function(function)
            if found.image_uri == image_uri:
                return
            if current_time() < found.updated_at_s or revision != f"{found.updates}-Successful":
                raise Conflict("the function was changed by somebody else")
            found.image_uri, found.updates = image_uri, found.updates + 1
            found.updated_at_s = current_time() + self.update_s

    async def publish(
        self, function: FunctionName, *, code_sha256: str, description: str
    ) -> Version:
        async with self.world.request("functions.publish", function):
            found = self._function(function)
            if _sha(found.image_uri) != code_sha256:
                raise Conflict("the code is another one")
            last = max(found.versions, key=int, default=None)
            if last and found.versions[last].image_uri == found.image_uri:
                return last
            version = Version(str(int(last or 0) + 1))
            active_at_s = current_time() + self.settle_s
            found.versions[version] = FakeVersion(found.image_uri, description, active_at_s)
            return version

    async def delete_version(self, function: FunctionName, version: Version) -> None:
        async with self.world.request("functions.delete_version", function):
            found = self.functions.get(function)
            if found and found.live.version == version:
                raise Conflict(f"an alias of {function} reaches {version}")
            if found:
                found.versions.pop(version, None)

    async def alias(self, function: FunctionName, name: str) -> Alias | None:
        async with self.world.request("functions.alias", function):
            found = self.functions.get(function)
            if found is None:
                return None
            return Alias(function, found.live.version, str(found.live.revision))

    async def move_alias(self, alias: Alias, name: str, *, to: Version) -> Alias:
        async with self.world.request("functions.move_alias", alias.function):
            live = self._function(alias.function).live
            if str(live.revision) != alias.revision:
                raise Conflict(f"{name} of {alias.function} was changed by somebody else")
            live.version, live.revision = to, live.revision + 1
            return Alias(alias.function, to, str(live.revision))

    async def invoke(
        self,
        function: FunctionName,
        version: Version,
        payload: bytes,
        *,
        timeout_s: float,
        repeatable: Repeatable,
    ) -> Invocation:
        published = self.functions[function].versions.get(version)
        if published and published.inactive:
            published.inactive = False
            raise Conflict("the version is inactive and is being revived")
        async with self.world.request("functions.invoke", function):
            return await self.run(function, version, payload)

    async def run(self, function: FunctionName, version: Version, payload: bytes) -> Invocation:
        """What an invocation does once Lambda has taken it: boot if it must, answer, be free again.

        Raises `Throttled` when no more containers may run.
        """
        event = json.loads(payload)
        container, cold = self._container(function, version)
        try:
            if cold:
                await sleep(container.boot_s)
                if self.boot_error:
                    self.containers[function].remove(container)
                    body = json.dumps({"errorMessage": self.boot_error}).encode()
                    return Invocation(body, "Unhandled", "", version)
            answer = await self._answer(event, container, cold=cold)
            return Invocation(json.dumps(answer).encode(), None, "", version)
        finally:
            container.busy = False

    async def unreserved_concurrency(self) -> int:
        async with self.world.request("functions.unreserved_concurrency"):
            return self.free_concurrency

    def _function(self, name: FunctionName) -> FakeFunction:
        if name not in self.functions:
            raise NotFound(f"no function {name}")
        return self.functions[name]

    def _version(self, function: FunctionName, version: Version) -> FakeVersion:
        versions = self._function(function).versions
        if version not in versions:
            raise NotFound(f"no version {version} of {function}")
        return versions[version]

    def _container(self, function: FunctionName, version: Version) -> tuple[Container, bool]:
        fleet = self.containers.setdefault(function, [])
        busy = sum(
            container.busy for containers in self.containers.values() for container in containers
        )
        if busy >= self.free_concurrency:
            raise Throttled("Rate Exceeded", aws_code="TooManyRequestsException")
        for container in fleet:
            if container.version == version and not container.busy:
                container.busy = True
                return container, False
        name = f"container-{next(self._ids)}"
        boot_s = self.boot_s(f"{function}/{len(fleet)}")
        fleet.append(Container(name, version, boot_s))
        return fleet[-1], True

    async def _answer(
        self, event: Mapping[str, Any], container: Container, *, cold: bool
    ) -> Mapping[str, Any]:
        if event.get("warmer_ping"):
            await sleep(event["hold_ms"] / 1000)
            boot_ms = container.boot_s * 1000
            return {"instance": container.id, "cold": cold, "boot_ms": boot_ms}
        if "command" in event:
            self.ran.append(event["command"])
            await sleep(self.command_s(event["command"]))
            status, output = self.commands(event["command"])
            encoded = base64.b64encode(output.encode()).decode()
            return {"exit_code": status, "output": encoded, "timed_out": False, "duration_ms": 5}
        return {"statusCode": self.health_status}


def _state(version: Version, state: str, last_update: str, image_uri: str) -> FunctionState:
    return FunctionState(
        version=version,
        state=state,
        state_reason="",
        last_update=last_update,
        last_update_reason="",
        code_sha256=_sha(image_uri),
        image_uri=image_uri,
    )


def _sha(image_uri: str) -> str:
    return image_uri.rpartition(":")[2]
