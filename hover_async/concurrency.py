"""The few things about doing much at once that no one part owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from anyio import create_task_group, get_cancelled_exc_class
from anyio.abc import TaskGroup

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
    waiting = iter(enumerate(items))

    async def work() -> None:
        for index, item in waiting:
            results[index] = await function(item)

    async with task_group() as workers:
        for _ in range(limit):
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
