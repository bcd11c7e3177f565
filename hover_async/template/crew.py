"""Who is in the stack: its functions, and which of them works on which queue.

While a deploy prepares, the stack only grows. A function that the manifest no longer has, and a
queue's consumer that it gives to another function, stay as they are until the flip; only then is
the stack cut to the manifest. So whatever fails before the flip has taken nothing away, and every
queue is worked on at every moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.model import Cli, Http
from hover_async.values import FunctionName, FunctionSpec


class Section(NamedTuple):
    """A function of the stage with its section of the manifest; `key` is its `queue.<key>`."""

    function: FunctionSpec
    spec: Http | Cli | QueueSpec
    key: str | None = None


class Consumer(NamedTuple):
    """The function that a queue's messages are handed to, as its section says; if it may start."""

    queue: str
    function: FunctionSpec
    spec: QueueSpec
    enabled: bool


@dataclass(frozen=True)
class Crew:
    """The functions of a stack, http and cli first, and the one consumer of every queue."""

    sections: tuple[Section, ...]
    consumers: tuple[Consumer, ...]
    _by_function: dict[FunctionSpec, list[Consumer]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for consumer in self.consumers:
            self._by_function.setdefault(consumer.function, []).append(consumer)

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        return tuple(section.function for section in self.sections)

    def consumers_of(self, function: FunctionSpec) -> Sequence[Consumer]:
        return self._by_function.get(function, ())


def crew(
    manifest: Manifest, *, started: Collection[FunctionName], before: Manifest | None = None
) -> Crew:
    """The manifest's own, and of `before` (the manifest that is live) what must stay until the
    flip: live functions that leave, and the consumers of queues that leave or change hands.

    `started` are the functions that were live before: no other is given work.
    """
    wanted = list(sections(manifest))
    consumers = {consumer.queue: consumer for consumer in _consumers(wanted, started)}
    if before is not None:
        names = {section.function.name for section in wanted}
        live = [each for each in sections(before) if each.function.name in started]
        wanted += [each for each in live if each.function.name not in names]
        for consumer in _consumers(live, started):
            following = consumers.get(consumer.queue)
            if following is None or following.function != consumer.function:
                consumers[consumer.queue] = consumer
    return Crew(tuple(wanted), tuple(consumers.values()))


def sections(manifest: Manifest) -> Iterator[Section]:
    """Every function of the manifest: http, cli, then the queues' in the order of the file."""
    http, cli, *workers = manifest.functions
    yield Section(http, manifest.http)
    yield Section(cli, manifest.cli)
    for worker, (key, spec) in zip(workers, manifest.queues.items(), strict=True):
        yield Section(worker, spec, key)


def _consumers(
    wanted: Collection[Section], started: Collection[FunctionName]
) -> Iterator[Consumer]:
    for function, spec, _ in wanted:
        if isinstance(spec, QueueSpec):
            for queue in spec.queues:
                yield Consumer(queue, function, spec, function.name in started)
