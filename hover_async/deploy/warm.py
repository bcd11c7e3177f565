"""Containers of the new HTTP version, started and filled before a visitor can meet them.

Lambda starts one container for each request that finds all others busy. So every ping is sent at
once and each container holds its answer for a while: pings that overlap meet distinct containers,
and the instance id in each answer proves it. What is missing is topped up in further rounds, whose
pings also keep the containers that are warm already busy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hover_async.concurrency import settle
from hover_async.deploy.answers import failure_message
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
        return f"{self.warm} of {self.asked} containers"


async def warm_http(
    function: FunctionName,
    version: Version,
    asked: int,
    lambdas: Functions,
    report: Reporter,
    *,
    reserved: int | None,
    timeout_s: float = TIMEOUT_S,
) -> Warmth:
    """Start `asked` distinct containers of this version, at least one, and fill their OPcache.

    Never more at once than the function may run (`reserved`, or what the account leaves
    unreserved); fewer warm ones than asked for are told, not fatal. Raises `WarmingFailed` with
    the container's own words when not a single one can boot.
    """
    asked = max(asked, 1)
    free = reserved if reserved is not None else await lambdas.unreserved_concurrency()
    at_once = max(1, min(asked, free))
    errors: dict[str, None] = {}
    if at_once < asked:
        errors[f"{asked} asked for, but the function may run only {free} at once"] = None
    booted: dict[str, float] = {}
    for hold_ms in ROUND_HOLDS_MS:
        missing = _Round(function, version, lambdas, report, hold_ms, timeout_s, booted, errors)
        await missing.ping(at_once)
        if len(booted) >= at_once or not booted:
            break
    if not booted:
        raise WarmingFailed(
            f"the new version {version} of '{function}' cannot boot: {'; '.join(errors)}",
            hint="no live alias was touched; the function's log has the whole start",
        )
    if len(booted) < asked:
        report(Warned(f"only {len(booted)} of {asked} containers are warm: {'; '.join(errors)}"))
    return Warmth(asked, frozenset(booted), max(booted.values()), tuple(errors))


@dataclass(frozen=True)
class _Round:
    """One volley of pings; fills `booted` (instance to boot time) and `errors`."""

    function: FunctionName
    version: Version
    lambdas: Functions
    report: Reporter
    hold_ms: int
    timeout_s: float
    booted: dict[str, float]
    errors: dict[str, None]

    async def ping(self, at_once: int) -> None:
        for ping in await settle(self._ping, range(at_once), limit=at_once):
            if isinstance(ping.error, Throttled):
                self.errors[f"no more concurrency is free ({ping.error})"] = None
            elif isinstance(ping.error, AwsError | WarmingFailed):
                self.errors[str(ping.error)] = None
            elif ping.error:
                raise ping.error

    async def _ping(self, _: int) -> None:
        payload = json.dumps({"warmer_ping": True, "hold_ms": self.hold_ms}).encode()
        answer = await self.lambdas.invoke(
            self.function,
            self.version,
            payload,
            timeout_s=self.timeout_s,
            repeatable=Repeatable.ONCE,
        )
        warmed = _container(self.function, answer)
        if warmed.instance not in self.booted:
            self.booted[warmed.instance] = warmed.boot_ms
            self.report(warmed)


def _container(function: FunctionName, answer: Invocation) -> ContainerWarmed:
    if answer.error:
        raise WarmingFailed(failure_message(answer))
    try:
        told = json.loads(answer.payload)
        return ContainerWarmed(
            function, str(told["instance"]), bool(told["cold"]), float(told["boot_ms"])
        )
    except (ValueError, KeyError, TypeError) as error:
        shown = answer.payload[:200].decode(errors="replace")
        raise WarmingFailed(f"a ping was answered with {shown!r}") from error
