"""The pace of Lambda's control plane, on a clock that jumps."""

from __future__ import annotations

import anyio
import pytest
import trio.testing

from hover_async.aws.pacing import (
    BACK_OFF,
    CALM_S,
    CONTROL_PLANE,
    RECOVER,
    SLOWEST_PER_S,
    Pace,
    Pacer,
    shared_pacers,
)

pytestmark = pytest.mark.anyio


EVEN = Pace(10, 10, 1)


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
    taken = await turns(Pacer(EVEN), 31)
    assert taken == pytest.approx([number / 10 for number in range(31)])


async def test_the_first_turn_is_at_once() -> None:
    """A call that comes alone does not wait."""
    assert await turns(Pacer(), 1) == [0]


async def test_no_more_is_saved_up_than_a_burst() -> None:
    """After a pause, however long, a burst goes at once, and what follows keeps the pace."""
    pacer = Pacer(Pace(10, 10, 3))
    await turns(pacer, 5)
    await anyio.sleep(60)
    assert await turns(pacer, 5) == pytest.approx([0, 0, 0, 0.1, 0.2])


async def test_a_short_pause_saves_up_a_little() -> None:
    """What a pause was long enough for goes at once, and no more."""
    pacer = Pacer(Pace(10, 10, 5))
    await turns(pacer, 5)
    await anyio.sleep(0.2)
    assert await turns(pacer, 4) == pytest.approx([0, 0, 0.1, 0.2])


async def test_no_burst_after_a_complaint() -> None:
    """For a while after a refusal calls go one by one: what was saved up is used up."""
    pacer = Pacer(Pace(10, 10, 5))
    pacer.complain(await pacer.turn())
    await anyio.sleep(CALM_S)
    assert await turns(pacer, 3) == pytest.approx([0, 0.1, 0.2])
    await anyio.sleep(CALM_S)
    assert await turns(pacer, 3) == [0, 0, 0]


def test_an_account_has_one_pace() -> None:
    """Deploys of one process share the pace of an account and region, and of no other."""
    assert shared_pacers("1", "eu-west-1") is shared_pacers("1", "eu-west-1")
    assert shared_pacers("1", "eu-west-1") is not shared_pacers("1", "us-east-1")


async def test_a_complaint_slows_down() -> None:
    """A refusal makes the pace 0.7 of what it was."""
    pacer = Pacer()
    pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == pytest.approx(CONTROL_PLANE.start_per_s * BACK_OFF)


async def test_one_slow_down_for_what_is_under_way() -> None:
    """Calls sent before the slow-down do not slow down again; one sent after it does."""
    pacer = Pacer()
    early = [await pacer.turn() for _ in range(5)]
    await anyio.sleep(0.1)
    for turn in early:
        pacer.complain(turn)
    assert pacer.rate_per_s == pytest.approx(CONTROL_PLANE.start_per_s * BACK_OFF)
    pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == pytest.approx(CONTROL_PLANE.start_per_s * BACK_OFF**2)


async def test_clean_seconds_speed_up() -> None:
    """Each second without a refusal makes the pace half as fast again, to just below the quota."""
    pacer = Pacer()
    for _ in range(3):
        pacer.complain(await pacer.turn())
    slow = pacer.rate_per_s
    await anyio.sleep(1.5)
    await pacer.turn()
    assert pacer.rate_per_s == pytest.approx(slow * RECOVER)
    await anyio.sleep(60)
    await pacer.turn()
    assert pacer.rate_per_s == CONTROL_PLANE.fastest_per_s


async def test_it_never_stops() -> None:
    """However often it is refused, some pace is left."""
    pacer = Pacer()
    for _ in range(50):
        pacer.complain(await pacer.turn())
    assert pacer.rate_per_s == SLOWEST_PER_S


async def test_a_cancelled_call_frees_its_place_in_time() -> None:
    """Calls that give up while waiting leave the pace as it is for the others."""
    pacer = Pacer(EVEN)
    with anyio.move_on_after(0.05):
        await turns(pacer, 5)
    assert await turns(pacer, 2) == pytest.approx([0.45, 0.55])


async def test_98_functions_stay_below_the_quota() -> None:
    """98 calls at once take seven seconds, and never more than a bucket of 15 a second has."""
    taken = await turns(Pacer(), 98)
    assert taken[-1] < 7.5
    for number, turn in enumerate(taken):
        assert number + 1 <= 15 + 15 * turn
