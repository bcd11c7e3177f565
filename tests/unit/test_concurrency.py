"""Doing much at once."""

from __future__ import annotations

import anyio
import pytest
import trio
import trio.testing

from hover_async.concurrency import bounded_map, finish_or_cancel, settle, task_group

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_results_keep_the_order_of_the_items() -> None:
    """Whatever finishes first, results stand where their items stood."""

    async def slow_first(item: int) -> int:
        await anyio.sleep(0.01 * (3 - item))
        return item * 10

    assert await bounded_map(slow_first, range(3), limit=3) == [0, 10, 20]


async def test_no_more_than_the_limit_at_once() -> None:
    """At most `limit` calls are under way, and that many are."""
    now = most = 0

    async def count(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.001)
        now -= 1

    await bounded_map(count, range(20), limit=4)
    assert most == 4


async def test_first_failure_cancels_the_rest_and_is_raised_itself() -> None:
    """One failure comes out as itself, not as a group, and the others are cancelled."""
    finished = []

    async def work(item: int) -> None:
        if item == 1:
            raise ValueError("one")
        await anyio.sleep(10)
        finished.append(item)

    with pytest.raises(ValueError, match="one"):
        await bounded_map(work, range(3), limit=3)
    assert not finished


async def test_settle_awaits_every_call() -> None:
    """Failures do not stop the others; each outcome names its item."""

    async def work(item: int) -> int:
        await anyio.sleep(0.001 * item)
        if item % 2:
            raise ValueError(item)
        return item

    outcomes = await settle(work, range(4), limit=4)
    assert [outcome.value for outcome in outcomes] == [0, None, 2, None]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False]


async def test_simultaneous_failures_are_notes_of_the_first() -> None:
    """Two failures at once: one is raised, and tells the other."""

    async def fail(text: str) -> None:
        raise ValueError(text)

    async def both() -> None:
        async with task_group() as group:
            group.start_soon(fail, "a")
            group.start_soon(fail, "b")

    with pytest.raises(ValueError, match=r"^[ab]") as caught:
        await both()
    notes = getattr(caught.value, "__notes__", [])
    assert {str(caught.value), *notes} in (
        {"a", "at the same time: b"},
        {"b", "at the same time: a"},
    )


async def test_cancelling_a_group_passes_through() -> None:
    """Cancellation from outside is not turned into a failure."""
    with anyio.move_on_after(0.01) as scope:
        async with task_group() as group:
            group.start_soon(anyio.sleep, 10)
    assert scope.cancelled_caught


def test_native_cancellation_waits_for_a_shielded_end() -> None:
    """On asyncio, task.cancel() in the middle of a shielded part lets it finish."""
    import asyncio

    steps: list[str] = []

    async def flip(began: anyio.Event) -> str:
        with anyio.CancelScope(shield=True):
            steps.append("began")
            began.set()
            await anyio.sleep(0.05)
            steps.append("ended")
        return "live"

    async def main() -> str:
        began = anyio.Event()
        task = asyncio.create_task(finish_or_cancel(lambda: flip(began)))
        await began.wait()
        task.cancel()
        await asyncio.sleep(0.01)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "live"
    assert steps == ["began", "ended"]


def test_native_cancellation_before_the_shield_cancels() -> None:
    """On asyncio, task.cancel() before the point of no return is a cancellation."""
    import asyncio

    async def main() -> None:
        task = asyncio.create_task(finish_or_cancel(lambda: anyio.sleep(10)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_virtual_time_really_is_virtual() -> None:
    """On trio's MockClock a wait of an hour is a jump: the process tests rest on it."""

    async def main() -> float:
        await anyio.sleep(3600)
        return anyio.current_time()

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) >= 3600
