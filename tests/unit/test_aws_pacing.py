"""The pace of Lambda's control plane, on a clock that jumps."""

from __future__ import annotations

import anyio
import pytest
import trio.testing

from hover_async.aws.pacing import BACK_OFF, FASTEST_PER_S, SLOWEST_PER_S, START_PER_S, Pacer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


async def turns(pacer: Pacer, count: int) -> list[float]:
    """When each of `count` calls that start at once got its turn, from now."""
    began = anyio.current_time()
    taken: list[float] = []

    async def take() -> None:
        await pacer.turn()
        taken.append(anyio.current_time() - began)

    async with anyio.create_task_group() as calls:
        for _ in range(count):
            calls.start_soon(take)
    return taken


async def test_the_pace_is_kept() -> None:
    """Calls that start at once get their turns evenly, at the pace."""
    taken = await turns(Pacer(start_per_s=10, fastest_per_s=10), 31)
    assert taken == pytest.approx([number / 10 for number in range(31)])


async def test_the_first_turn_is_at_once() -> None:
    """A call that comes alone does not wait."""
    assert await turns(Pacer(), 1) == [0]


async def test_idle_time_is_not_saved_up() -> None:
    """After a pause there is no burst."""
    pacer = Pacer(start_per_s=10, fastest_per_s=10)
    await turns(pacer, 3)
    await anyio.sleep(60)
    assert await turns(pacer, 3) == pytest.approx([0, 0.1, 0.2])


async def test_a_complaint_slows_down() -> None:
    """A refusal makes the pace 0.7 of what it was."""
    pacer = Pacer()
    pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == pytest.approx(START_PER_S * BACK_OFF)


async def test_one_slow_down_for_what_is_under_way() -> None:
    """Calls sent before the slow-down do not slow down again; one sent after it does."""
    pacer = Pacer()
    early = [await pacer.turn() for _ in range(5)]
    await anyio.sleep(0.1)
    for turn in early:
        pacer.complain(turn)
    assert pacer.rate_per_s == pytest.approx(START_PER_S * BACK_OFF)
    pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == pytest.approx(START_PER_S * BACK_OFF**2)


async def test_clean_seconds_speed_up() -> None:
    """Each second without a refusal adds one a second, up to just below the quota."""
    pacer = Pacer()
    pacer.complain(await pacer.turn())
    slow = pacer.rate_per_s
    await anyio.sleep(2.5)
    await pacer.turn()
    assert pacer.rate_per_s == pytest.approx(slow + 2)
    await anyio.sleep(60)
    await pacer.turn()
    assert pacer.rate_per_s == FASTEST_PER_S


async def test_it_never_stops() -> None:
    """However often it is refused, some pace is left."""
    pacer = Pacer()
    for _ in range(50):
        pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == SLOWEST_PER_S


async def test_a_cancelled_call_frees_its_place_in_time() -> None:
    """Calls that give up while waiting leave the pace as it is for the others."""
    pacer = Pacer(start_per_s=10, fastest_per_s=10)
    with anyio.move_on_after(0.05):
        await turns(pacer, 5)
    assert await turns(pacer, 2) == pytest.approx([0.45, 0.55])


async def test_98_functions_stay_below_the_quota() -> None:
    """98 calls at once take about seven seconds, and no second holds more than fifteen."""
    taken = await turns(Pacer(), 98)
    assert taken[-1] < 8.5
    for start in taken:
        assert sum(start <= turn < start + 1 for turn in taken) <= 15
