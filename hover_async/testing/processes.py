"""One program's line to the cloud: what it sent, what befell that, and whether it was killed.

    process = Process(cloud)
    process.inject(Fault.KILLED_AFTER, "functions.move_alias")
    with pytest.raises(Killed):
        await deploy_build(order, process.ports, process.images, reporter)

Several processes on one `FakeCloud` are rivals. A killed process gets no request through any more,
and cleans nothing up: what it left in the cloud is what it left.
"""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, cast

from anyio import current_time, sleep

from hover_async.ports import Cloud, ImagePusher
from hover_async.testing.cloud import FakeCloud
from hover_async.testing.faults import (
    LASTING,
    LOST,
    WITHOUT_EFFECT,
    Fault,
    Killed,
    Sent,
    failure_of_a_port,
)
from hover_async.testing.world import DEFAULT_LATENCY_S

THROTTLED_S = 30.0
TIMEOUT_S = 20.0
SLOWER = 100
READS = ("get", "list", "describe", "head", "batch_get", "state", "alias", "find", "keys", "tags")
"""Methods whose answers may be stale. S3's are not: it is consistent since 2020."""

Failure: TypeAlias = Callable[[Fault, Sent], Exception]


@dataclass
class Injection:
    """A fault that waits for its request; a lasting one stays with all requests of that name."""

    fault: Fault
    name: str
    subject: str | None
    occurrence: int
    number: int | None = None
    met_at_s: float | None = None

    def meets(self, sent: Sent) -> bool:
        """Whether it befalls this request."""
        if self.met_at_s is not None:
            return self._lasts(sent)
        is_due = (
            sent.number == self.number
            if self.number
            else sent.name == self.name
            and self.subject in {None, sent.subject}
            and sent.occurrence == self.occurrence
        )
        if is_due:
            self.met_at_s, self.name = sent.at_s, sent.name
        return is_due

    def _lasts(self, sent: Sent) -> bool:
        if self.fault is Fault.EXPIRED:
            return not sent.name.startswith("images.")
        if self.fault not in LASTING or sent.name != self.name or self.met_at_s is None:
            return False
        return self.fault is Fault.DENIED or sent.at_s < self.met_at_s + THROTTLED_S


@dataclass
class Process:
    """A program that deploys to `cloud`; `sent` has its requests in order, `done` those that
    had their effect, `met` those that a fault befell.

    `watchers` see each request before its effect. `rival` carries out what Fault.RIVAL means for a
    request, and says whether there was something to change. `before` and `after`, in seconds, are
    a request's way to the cloud and back, on top of the cloud's own latency. `memory` has the
    answers that a stale read may give; give the same one to the processes that came earlier.
    """

    cloud: FakeCloud
    sent: list[Sent] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    watchers: list[Callable[[Sent], None]] = field(default_factory=list)
    rival: Callable[[Sent], bool] = lambda sent: False  # noqa: ARG005
    before: Callable[[Sent], float] = lambda sent: 0.0  # noqa: ARG005
    after: Callable[[Sent], float] = lambda sent: 0.0  # noqa: ARG005
    memory: dict[str, Any] = field(default_factory=dict)
    done: list[Sent] = field(default_factory=list)
    met: list[tuple[Fault, Sent]] = field(default_factory=list)
    is_killed: bool = False
    was_stale: bool = False
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def inject(
        self, fault: Fault, name: str, subject: str | None = None, *, occurrence: int = 1
    ) -> None:
        """Let `fault` befall that request: the `occurrence`th of its name about its subject."""
        self.injections.append(Injection(fault, name, subject, occurrence))

    def inject_at(self, fault: Fault, number: int) -> None:
        """Let `fault` befall the request of that number, counted from 1, whatever it is."""
        self.injections.append(Injection(fault, "", None, 0, number))

    @property
    def ports(self) -> Cloud:
        """The ports of `FakeCloud` as this process reaches them."""
        lines = {
            each.name: self.line(each.name, getattr(self.cloud.ports, each.name))
            for each in fields(Cloud)
        }
        return Cloud(**lines)

    @property
    def images(self) -> ImagePusher:
        """The Docker Engine as this process reaches it."""
        return cast("ImagePusher", self.line("images", self.cloud.images))

    def line(
        self,
        name: str,
        target: object,
        *,
        failure: Failure = failure_of_a_port,
        named: Callable[[str], str] = str,
    ) -> Any:
        """`target`, each of whose calls passes through this process as `name.method`."""
        return _Line(self, name, target, failure, named)

    async def pass_on(
        self,
        name: str,
        subject: str,
        send: Callable[[], Awaitable[Any]],
        failure: Failure,
        asked: Mapping[str, Any],
    ) -> Any:
        """Send a request, and let happen to it what was asked for."""
        self._stay_alive()
        self._seen[name, subject] += 1
        number, occurrence = len(self.sent) + 1, self._seen[name, subject]
        sent = Sent(number, name, subject, occurrence, current_time(), asked)
        self.sent.append(sent)
        fault = next((each.fault for each in self.injections if each.meets(sent)), None)
        if fault:
            self.met.append((fault, sent))
        await sleep(self.before(sent))
        self._stay_alive()
        for watch in self.watchers:
            watch(sent)
        answer = await self._befall(fault, sent, send, failure)
        await sleep(self.after(sent))
        self._stay_alive()
        return answer

    async def _befall(
        self,
        fault: Fault | None,
        sent: Sent,
        send: Callable[[], Awaitable[Any]],
        failure: Failure,
    ) -> Any:
        question = f"{sent.name} {sent.subject} {sent.asked}"
        if fault is Fault.STALE and question in self.memory:
            await sleep(DEFAULT_LATENCY_S)
            self.was_stale = True
            return copy.deepcopy(self.memory[question])
        if fault in WITHOUT_EFFECT:
            await sleep(TIMEOUT_S if fault is Fault.TIMEOUT_BEFORE else DEFAULT_LATENCY_S)
            raise failure(fault, sent)
        match fault:
            case Fault.KILLED_BEFORE:
                self.kill()
            case Fault.SLOW:
                await sleep(SLOWER * DEFAULT_LATENCY_S)
            case Fault.RIVAL:
                self.rival(sent)
        answer = await send()
        self.done.append(sent)
        if _is_read(sent):
            self.memory[question] = copy.deepcopy(answer)
        if fault in LOST:
            await sleep(TIMEOUT_S if fault is Fault.TIMEOUT_AFTER else 0.0)
            raise failure(fault, sent)
        match fault:
            case Fault.KILLED_AFTER:
                self.kill()
            case Fault.KILLED_ANSWERED:
                self.is_killed = True  # the program goes on until it asks for the next thing
                return answer
        return answer

    def kill(self) -> None:
        """From here on nothing of this process gets through. Raises `Killed`."""
        self.is_killed = True
        raise Killed

    def _stay_alive(self) -> None:
        if self.is_killed:
            raise Killed


def _is_read(sent: Sent) -> bool:
    service, _, method = sent.name.partition(".")
    if service in {"s3", "assets", "documents", "images"}:
        return False
    return _snake(method).startswith(READS)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip(
        "_"
    )


@dataclass(frozen=True)
class _Line:
    """A port or a client, through a process."""

    process: Process
    name: str
    target: object
    failure: Failure
    named: Callable[[str], str]

    def __getattr__(self, method: str) -> Any:
        found = getattr(self.target, method)
        if not inspect.iscoroutinefunction(found):
            return found
        name = f"{self.name}.{self.named(method)}"

        async def call(*given: Any, **asked: Any) -> Any:
            return await self.process.pass_on(
                name,
                _subject(given, asked),
                lambda: found(*given, **asked),
                self.failure,
                {**{str(place): each for place, each in enumerate(given)}, **asked},
            )

        return call


SUBJECTS = (
    "FunctionName",
    "StackName",
    "Key",
    "Prefix",
    "QueueName",
    "QueueUrl",
    "logGroupName",
    "logGroupNamePrefix",
    "repositoryName",
    "Bucket",
)


def _subject(given: tuple[Any, ...], asked: dict[str, Any]) -> str:
    """What a call is about: its first argument, or the one that names the thing."""
    if given:
        first = given[0]
        return str(getattr(first, "function", None) or getattr(first, "name", None) or first)
    found = next((asked[name] for name in SUBJECTS if name in asked), "")
    return str(found).rpartition("/")[2] if "://" in str(found) else str(found)
