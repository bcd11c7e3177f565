"""What every fake port passes its calls through: time, faults, and a record of what was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from anyio import Event, current_time, sleep

DEFAULT_LATENCY_S = 0.05


@dataclass(frozen=True)
class Call:
    """A call that reached the cloud: its name (`port.method`), what it was about, and when."""

    name: str
    subject: str
    at_s: float


@dataclass
class Fault:
    """An error for a call: before it has an effect, or after (the answer is lost)."""

    name: str
    error: Callable[[], Exception]
    subject: str | None
    times: int
    after_effect: bool


@dataclass
class World:
    """`latency_s` is by call name; a call that is not in it takes what `other_latency_s` says."""

    latency_s: dict[str, float] = field(default_factory=dict)
    other_latency_s: Callable[[str, str], float] = lambda name, subject: DEFAULT_LATENCY_S  # noqa: ARG005
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    _watched: dict[str, Event] = field(default_factory=dict)

    def fail(
        self,
        name: str,
        error: Callable[[], Exception],
        *,
        subject: str | None = None,
        times: int = 1,
        after_effect: bool = False,
    ) -> None:
        """Make the next `times` calls of that name (about `subject`, if given) raise `error()`."""
        self.faults.append(Fault(name, error, subject, times, after_effect))

    def names(self) -> list[str]:
        return [call.name for call in self.calls]

    def about(self, name: str) -> list[str]:
        """The subjects of the calls of that name, in order."""
        return [call.subject for call in self.calls if call.name == name]

    def reached(self, name: str) -> Event:
        """An event that is set once a call of that name is under way."""
        return self._watched.setdefault(name, Event())

    @asynccontextmanager
    async def request(self, name: str, subject: str = "") -> AsyncIterator[None]:
        """Around a call's effect: the time it takes, and the faults asked for."""
        self.calls.append(Call(name, subject, current_time()))
        if name in self._watched:
            self._watched[name].set()
        with self._counted(name):
            await sleep(self._latency_s(name, subject))
            fault = self._fault(name, subject)
            if fault and not fault.after_effect:
                raise fault.error()
            yield
            if fault:
                raise fault.error()

    def _latency_s(self, name: str, subject: str) -> float:
        if name in self.latency_s:
            return self.latency_s[name]
        return self.other_latency_s(name, subject)

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        now = self.running.get(name, 0) + 1
        self.running[name] = now
        self.most_at_once[name] = max(now, self.most_at_once.get(name, 0))
        try:
            yield
        finally:
            self.running[name] -= 1

    def _fault(self, name: str, subject: str) -> Fault | None:
        for fault in self.faults:
            if fault.name == name and fault.times and fault.subject in {None, subject}:
                fault.times -= 1
                return fault
        return None
