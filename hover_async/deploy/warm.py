"""Containers of the new HTTP version, started and filled before a visitor can meet them.

Lambda starts one container for each request that finds all others busy. So every ping is sent at
once and each container holds its answer for a while: pings that overlap meet distinct containers,
and the instance id in each answer proves it. What is missing is topped up in further rounds, whose
pings also keep the containers that are warm already busy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anyio import Event

from hover_async.concurrency import settle
from hover_async.deploy.answers import failure_of
from hover_async.errors import AwsError, Throttled, WarmingFailed
from hover_async.events import ContainerWarmed, Reporter, Warned
from hover_async.ports import Functions, Invocation, Repeatable
from hover_async.values import FunctionName, Version

ROUND_HOLDS_MS = (400, 1_500, 4_000)
"""How long the containers hold their answers in the first round, the second, the third."""
TIMEOUT_S = 60.0
"""For a ping's answer: a large image takes many seconds for its first start on a host."""


@dataclass(frozen=True)
class Warmth:
    """What warming reached. `errors` tells why it is fewer than asked for, once per reason."""

    asked: int
    instances: frozenset[str] = frozenset()
    slowest_boot_ms: float = 0.0
    errors: Sequence[str] = ()

    @property
    def warm(self) -> int:
        return len(self.instances)

    def __str__(self) -> str:
        slowest = f", slowest boot {self.slowest_boot_ms:.0f} ms" if self.warm else ""
        return f"{self.warm} of {self.asked} containers{slowest}"


async def warm_http(
    function: FunctionName,
    version: Version,
    asked: int,
    lambdas: Functions,
    report: Reporter,
    *,
    reserved: int | None,
    boots: Event,
    timeout_s: float = TIMEOUT_S,
) -> Warmth:
    """Start `asked` distinct containers of this version, at least one, and fill their OPcache.

    Never more at once than the function may run: its own reserve, else half of what the account
    leaves unreserved, for visitors of all its functions share that. Fewer warm ones than asked for,
    even none for lack of concurrency, are told and not fatal. `boots` is set once the image has
    proved to boot, or there is no room to try. Raises `WarmingFailed`, with the container's own
    words, when not one can boot.
    """
    asked = max(asked, 1)
    room = await _room(lambdas, reserved)
    at_once = min(asked, room.containers)
    fleet = _Fleet(function, version, lambdas, report, timeout_s, boots)
    for hold_ms in ROUND_HOLDS_MS:
        await fleet.ping(at_once, hold_ms)
        if fleet.failures or len(fleet.booted) >= at_once:
            break
    if fleet.failures and not fleet.booted:
        raise WarmingFailed(
            f"the new version {version} of '{function}' cannot boot: {'; '.join(fleet.failures)}",
            hint="no live alias was touched; the function's log has the whole start",
        )
    boots.set()
    reasons = [*fleet.failures, *fleet.throttles]
    if at_once < asked:
        reasons.append(room.because)
    if len(fleet.booted) < asked:
        because = "; ".join(reasons) or "the same ones answered in every round"
        told = f"{len(fleet.booted)} of {asked} containers are warm: {because}"
        report(Warned(told, hint=room.hint if at_once < asked else None))
    slowest_boot_ms = max(fleet.booted.values(), default=0.0)
    return Warmth(asked, frozenset(fleet.booted), slowest_boot_ms, tuple(reasons))


class _Room(NamedTuple):
    """How many containers may be started at once, and why no more."""

    containers: int
    because: str
    hint: str


async def _room(lambdas: Functions, reserved: int | None) -> _Room:
    if reserved is not None:
        return _Room(
            reserved,
            f"http.concurrency is {reserved}, and no more can run at once",
            f"raise http.concurrency, or lower http.warm to {reserved}",
        )
    unreserved = await lambdas.unreserved_concurrency()
    return _Room(
        max(1, unreserved // 2),
        f"the account leaves {unreserved} executions unreserved, and warming takes half of them",
        "ask AWS for more concurrent executions (Service Quotas), or lower http.warm",
    )


@dataclass
class _Fleet:
    """The containers met so far (instance to boot time), and why there are not more."""

    function: FunctionName
    version: Version
    lambdas: Functions
    report: Reporter
    timeout_s: float
    boots: Event
    booted: dict[str, float] = field(default_factory=dict)
    failures: dict[str, None] = field(default_factory=dict)
    throttles: dict[str, None] = field(default_factory=dict)

    async def ping(self, at_once: int, hold_ms: int) -> None:
        """One volley of pings, all in the air together."""

        async def ping(_: int) -> None:
            payload = json.dumps({"warmer_ping": True, "hold_ms": hold_ms}).encode()
            answer = await self.lambdas.invoke(
                self.function,
                self.version,
                payload,
                timeout_s=self.timeout_s,
                repeatable=Repeatable.ONCE,
            )
            self._welcome(_container(self.function, self.version, answer))

        for ping_ended in await settle(ping, range(at_once), limit=at_once):
            if isinstance(ping_ended.error, Throttled):
                self.throttles[f"no more concurrency is free ({ping_ended.error})"] = None
            elif isinstance(ping_ended.error, AwsError | WarmingFailed):
                self.failures[str(ping_ended.error)] = None
            elif ping_ended.error:
                raise ping_ended.error

    def _welcome(self, container: ContainerWarmed) -> None:
        if container.instance not in self.booted:
            self.booted[container.instance] = container.boot_ms
            self.boots.set()
            self.report(container)


def _container(function: FunctionName, version: Version, answer: Invocation) -> ContainerWarmed:
    if failure := failure_of(answer, version):
        raise WarmingFailed(failure)
    try:
        told = json.loads(answer.payload)
        return ContainerWarmed(
            function, str(told["instance"]), bool(told["cold"]), float(told["boot_ms"])
        )
    except (ValueError, KeyError, TypeError) as error:
        shown = answer.payload[:200].decode(errors="replace")
        raise WarmingFailed(f"a ping was answered with {shown!r}") from error
