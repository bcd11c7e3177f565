"""The few things about doing much at once that no one part owns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class, move_on_after
from anyio.abc import TaskGroup

from hover_async.errors import StepTimedOut

T = TypeVar("T")
R = TypeVar("R")


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """A task group whose end is the join, and which raises what failed instead of a group.

    The first failure cancels the siblings. Where several fail before that takes effect, the first
    one is raised and carries the others as notes: a user meets one failure at a time.
    """
    try:
        async with create_task_group() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from None


def first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first leaf that is not a mere cancellation; the messages of others become its notes."""
    leaves = _leaves(failures)
    cancelled = get_cancelled_exc_class()
    first, *others = [leaf for leaf in leaves if not isinstance(leaf, cancelled)] or leaves[:1]
    for other in others:
        first.add_note(f"at the same time: {other}")
    return first


def _leaves(failure: BaseException) -> list[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        return [leaf for inner in failure.exceptions for leaf in _leaves(inner)]
    return [failure]


async def bounded_map(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, limit: int
) -> list[R]:
    """`function` of every item, at most `limit` at once; results in the order of `items`.

    All or nothing: the first failure cancels the rest and is raised.
    """
    results: dict[int, R] = {}
    pending = list(items)
    waiting = iter(enumerate(pending))

    async def work() -> None:
        for index, item in waiting:
            results[index] = await function(item)

    async with task_group() as workers:
        for _ in range(min(limit, len(pending))):
            workers.start_soon(work)
    return [results[index] for index in sorted(results)]


@dataclass(frozen=True)
class Settled(Generic[T, R]):
    """How one call of `settle` ended: with a value, or with an error."""

    item: T
    value: R | None = None
    error: Exception | None = None


async def settle(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, limit: int
) -> list[Settled[T, R]]:
    """As `bounded_map`, but every call is made and awaited, whatever the others do."""

    async def attempt(item: T) -> Settled[T, R]:
        try:
            return Settled(item, value=await function(item))
        except Exception as error:  # noqa: BLE001 - settling means to hand every error back
            return Settled(item, error=error)

    return await bounded_map(attempt, items, limit=limit)


class Feed(Generic[T]):
    """What one task learns bit by bit, for others that follow it.

    Everyone who follows gets every item, and is through once the feed has ended. A feed that is
    never ended keeps them waiting: a task that fails cancels them instead.
    """

    def __init__(self, items: Iterable[T] = (), *, ended: bool = False) -> None:
        self._items = list(items)
        self._ended = ended
        self._changed = Event()

    def put(self, item: T) -> None:
        self._items.append(item)
        self._tell()

    async def begun(self) -> None:
        """Wait for the first item, or for the end."""
        while not (self._items or self._ended):
            await self._changed.wait()

    async def first(self, fits: Callable[[T], bool] = lambda _: True) -> T:
        """The first item that fits. Raises `LookupError` when the feed ends without one."""
        async with aclosing(self.follow()) as items:
            async for item in items:
                if fits(item):
                    return item
        raise LookupError("the feed has ended without it")

    def end(self) -> None:
        self._ended = True
        self._tell()

    async def follow(self) -> AsyncGenerator[T, None]:
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._items):
                seen += 1
                yield self._items[seen - 1]
            if self._ended and seen == len(self._items):
                return
            await changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, Event()
        changed.set()


@contextmanager
def shielded_leaving() -> Iterator[Callable[[], None]]:
    """For contexts that must be left in order: after a call of what it yields, nothing cancels.

    What follows that call must be short by itself (closing a socket) or bounded (`move_on_after`).

        with shielded_leaving() as leave:
            async with open_connection() as connection:
                result = await work(connection)
                leave()
    """
    with CancelScope() as scope:

        def leave() -> None:
            scope.shield = True

        yield leave


async def shielded(work: Callable[[], Awaitable[R]], *, deadline_s: float, what: str) -> R:
    """`work`, whatever is cancelled meanwhile: for a call whose effect must be known.

    Raises `StepTimedOut`, naming `what`, when it has not ended after `deadline_s`.
    """
    with move_on_after(deadline_s, shield=True):
        return await work()
    raise StepTimedOut(f"{what}: no answer after {deadline_s:.0f} s")


async def finish_or_cancel(work: Callable[[], Awaitable[R]]) -> R:
    """`work` in a task of its own, so that cancelling the caller cannot pierce its shields.

    On asyncio, `task.cancel()` reaches into any shielded scope of that very task; to a child it
    comes as the cancellation of a scope, which shields hold back. Where `work` finishes all the
    same, because it was past the point of stopping, its result is the result.
    """
    results: list[R] = []

    async def keep() -> None:
        results.append(await work())

    try:
        async with task_group() as own:
            own.start_soon(keep)
    except get_cancelled_exc_class():
        if not results:
            raise
    return results[0]
