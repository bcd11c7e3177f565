"""The lock: waited for, taken over from the dead alone, and taken away by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from hover_async.concurrency import task_group
from hover_async.deploy.lock import LEASE_S, LOCK_KEY, Holder, StageLock, stage_lock
from hover_async.deploy.records import ACTIVATION_KEY, LIVE_KEY
from hover_async.deploy.unlock import unlock
from hover_async.errors import Conflict, LockHeld
from hover_async.events import Waiting, Warned
from hover_async.ports import Document
from tests.process.stage import Stage

PAST, FUTURE = "2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
DEAD = Holder("dead", "b", "ann", "laptop", expires=PAST)
ALIVE_BY_THE_CLOCK = Holder("dead", "b", "ann", "laptop", expires=FUTURE)


def put(stage: Stage, holder: Holder, etag: str = "etag") -> None:
    stage.cloud.documents.documents[LOCK_KEY] = Document(json.dumps(vars(holder)).encode(), etag)


async def taken_after(stage: Stage, wait_s: float) -> float:
    """How long it took to take the lock."""
    began = anyio.current_time()
    me = Holder.me("b2")
    async with stage_lock(stage.cloud.ports.documents, me, stage.report, wait_s=wait_s) as lock:
        await lock.acquire()
        return anyio.current_time() - began


async def held_for(stage: Stage, seconds: float, ready: anyio.Event) -> None:
    me = Holder.me("b1")
    async with stage_lock(stage.cloud.ports.documents, me, stage.report) as lock:
        await lock.acquire()
        ready.set()
        await anyio.sleep(seconds)


async def beside(
    other: Callable[[anyio.Event], Coroutine[Any, Any, None]], stage: Stage, wait_s: float
) -> float:
    """`taken_after` while the other one runs."""
    async with task_group() as group:
        ready = anyio.Event()
        group.start_soon(other, ready)
        await ready.wait()
        took = await taken_after(stage, wait_s)
        group.cancel_scope.cancel()
    return took


def test_a_lock_that_is_held_is_waited_for(stage: Stage) -> None:
    """As soon as the other run gives it back it is ours; who is waited for is told once."""
    took = stage.run(lambda: beside(lambda ready: held_for(stage, 200, ready), stage, 900))
    assert 200 <= took < 210
    (waiting,) = stage.report.of(Waiting)
    assert "deploying b1" in waiting.what
    assert waiting.seconds == pytest.approx(900, abs=1)
    assert not stage.report.of(Warned)


def test_waiting_takes_few_requests(stage: Stage) -> None:
    """Not more than twenty-five a minute, with those of the one that has it."""
    stage.run(lambda: beside(lambda ready: held_for(stage, 600, ready), stage, 900))
    ours = stage.cloud.world.about("documents.read") + stage.cloud.world.about("documents.create")
    assert len(ours) < 25 * 10


def test_waiting_ends_with_the_name_of_the_holder(stage: Stage) -> None:
    """At the deadline, not before and not much later, exit code 3."""

    async def attempt() -> float:
        began = anyio.current_time()
        with pytest.raises(LockHeld) as caught:
            await beside(lambda ready: held_for(stage, 1_000, ready), stage, 100)
        assert "deploying b1" in str(caught.value)
        assert "--wait" in str(caught.value.hint)
        assert "unlock" in str(caught.value.hint)
        assert caught.value.exit_code == 3
        return anyio.current_time() - began

    assert 100 <= stage.run(attempt) < 102


def test_a_dead_run_is_taken_over_whatever_its_clock_says(stage: Stage) -> None:
    """Unchanged for a whole lease on our clock: dead, though its lease ends in a thousand years."""
    put(stage, ALIVE_BY_THE_CLOCK)
    assert LEASE_S <= stage.run(lambda: taken_after(stage, 900)) < LEASE_S + 6


def test_a_run_whose_clock_is_late_is_not_taken_over(stage: Stage) -> None:
    """Its lease is long over by our clock, but it renews it: so it is alive."""
    put(stage, DEAD)

    async def renewed_late(ready: anyio.Event) -> None:
        ready.set()
        for number in range(100):
            await anyio.sleep(15)
            put(stage, DEAD, f"etag-late-{number}")

    async def attempt() -> None:
        with pytest.raises(LockHeld):
            await beside(renewed_late, stage, 0)

    stage.run(attempt)
    assert json.loads(stage.cloud.documents.documents[LOCK_KEY].body)["run"] == "dead"


def test_of_two_that_watch_a_dead_run_one_wins(stage: Stage) -> None:
    """Compare and set decides; the other ends with the winner's name."""
    put(stage, DEAD)
    refused: list[LockHeld] = []

    async def one() -> None:
        try:
            await held_for(stage, 300, anyio.Event())
        except LockHeld as error:
            refused.append(error)

    async def attempt() -> None:
        async with task_group() as group:
            group.start_soon(one)
            group.start_soon(one)

    stage.run(attempt)
    (loser,) = refused
    assert "deploying b1" in str(loser)


def test_a_run_that_renews_at_the_last_moment_is_not_taken_over(stage: Stage) -> None:
    """Renewed after the last look and before the taking over: it is alive, and keeps its lock."""
    put(stage, DEAD)
    read = stage.cloud.documents.read
    began: list[float] = []

    async def renewed_after_the_last_look(key: str) -> Document | None:
        found = await read(key)
        began.append(anyio.current_time())
        if began[-1] - began[0] >= LEASE_S - 1:
            put(stage, replace(DEAD, expires=FUTURE), "etag-renewed")
        return found

    stage.cloud.documents.read = renewed_after_the_last_look  # type: ignore[method-assign]

    async def attempt() -> None:
        with pytest.raises(LockHeld, match="ann@laptop"):
            await taken_after(stage, 0)

    stage.run(attempt)
    assert stage.cloud.documents.documents[LOCK_KEY].etag == "etag-renewed"


def test_unlock_takes_the_lock_of_a_dead_run(stage: Stage) -> None:
    """It says whose it was; without a lock it says that."""
    put(stage, DEAD)
    done = stage.run(lambda: unlock(stage.cloud.documents, force=False))
    assert (done.was_locked, done.holder) == (True, DEAD)
    assert LOCK_KEY not in stage.cloud.documents.documents
    assert not stage.run(lambda: unlock(stage.cloud.documents, force=False)).was_locked


def test_unlock_spares_a_lease_that_has_not_run_out(stage: Stage) -> None:
    """Only by force."""
    put(stage, ALIVE_BY_THE_CLOCK)

    async def attempt() -> None:
        with pytest.raises(LockHeld, match="ann@laptop"):
            await unlock(stage.cloud.documents, force=False)

    stage.run(attempt)
    assert LOCK_KEY in stage.cloud.documents.documents
    assert stage.run(lambda: unlock(stage.cloud.documents, force=True)).was_locked


def test_unlock_never_takes_a_lock_that_was_renewed_meanwhile(stage: Stage) -> None:
    """Between reading and deleting the run has shown that it is alive, by force or not."""
    put(stage, DEAD)
    stage.cloud.world.fail("documents.delete", lambda: Conflict("changed"))

    async def attempt() -> None:
        with pytest.raises(LockHeld, match="is alive"):
            await unlock(stage.cloud.documents, force=True)

    stage.run(attempt)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"run": {}}', b"\xff"])
def test_a_lock_that_is_not_ours_to_read(stage: Stage, body: bytes) -> None:
    """Whatever stands there is watched for a lease and then replaced, and can be unlocked."""
    stage.cloud.documents.documents[LOCK_KEY] = Document(body, "etag")
    assert stage.run(lambda: taken_after(stage, 0)) >= LEASE_S
    stage.cloud.documents.documents[LOCK_KEY] = Document(body, "etag")
    assert stage.run(lambda: unlock(stage.cloud.documents, force=False)).was_locked


def test_a_run_whose_lock_was_taken_away_ends_before_it_goes_live(stage: Stage) -> None:
    """The next renewal finds it gone: nothing live has changed."""

    async def attempt() -> None:
        lock = StageLock(stage.cloud.documents, Holder.me("b"), stage.report, LEASE_S, 0)
        await lock.acquire()
        await unlock(stage.cloud.documents, force=True)
        with pytest.raises(LockHeld, match="was lost"):
            await lock.confirm()

    stage.run(attempt)


def robbed_at(stage: Stage, request: str) -> Callable[[], Coroutine[Any, Any, None]]:
    """A deploy whose lock is another's from this request on, as when the machine has slept."""

    async def attempt() -> None:
        async with task_group() as group:
            reached = stage.cloud.world.reached(request)

            async def rob() -> None:
                await reached.wait()
                put(stage, ALIVE_BY_THE_CLOCK)

            group.start_soon(rob)
            with pytest.raises(LockHeld, match="was lost"):
                await stage.deploy()

    return attempt


def test_a_lost_lock_ends_a_deploy_at_its_next_renewal(stage: Stage) -> None:
    """Not only at the flip: no command runs that another deploy of the stage could meet."""
    stage.run(stage.deploy)
    stage.cloud.stacks.operation_s = 100
    ran = list(stage.cloud.lambdas.ran)
    stage.run(robbed_at(stage, "stacks.update"))
    assert stage.cloud.lambdas.ran == ran
    assert "functions.publish" not in stage.cloud.world.names()


def test_a_run_that_wakes_without_the_lock_updates_no_stack(stage: Stage) -> None:
    """Its template is of before: it would delete the functions that a rival has made since."""
    stage.run(stage.deploy)
    stage.run(robbed_at(stage, "stacks.describe"))
    assert "stacks.update" not in stage.cloud.world.names()


def test_a_run_that_wakes_without_the_lock_runs_no_further_command(stage: Stage) -> None:
    """The lock is proved before each."""
    stage.run(stage.deploy)
    ran: list[Sequence[str]] = []

    def command(argv: Sequence[str]) -> tuple[int, str]:
        ran.append(argv)
        put(stage, ALIVE_BY_THE_CLOCK)
        return 0, ""

    stage.cloud.lambdas.commands = command

    async def attempt() -> None:
        with pytest.raises(LockHeld, match="was lost"):
            await stage.deploy()

    stage.run(attempt)
    assert len(ran) == 1


def test_a_run_that_wakes_after_its_flip_leaves_the_records_to_who_took_over(stage: Stage) -> None:
    """Whoever takes over ends our activation: what is on record then is his to say."""
    stage.run(stage.deploy)
    before = stage.cloud.documents.documents[LIVE_KEY]

    async def attempt() -> None:
        async with task_group() as group:
            reached = stage.cloud.world.reached("functions.move_alias")

            async def take_over() -> None:
                await reached.wait()
                stage.cloud.documents.documents[ACTIVATION_KEY] = Document(b"{}", "a rival's")

            group.start_soon(take_over)
            await stage.deploy()

    stage.run(attempt)
    assert stage.cloud.documents.documents[LIVE_KEY] == before
    assert [warned for warned in stage.report.of(Warned) if "taken over" in warned.message]


@pytest.mark.parametrize(("is_interrupted", "is_left"), [(False, False), (True, True)])
def test_giving_the_lock_back_has_time_unless_interrupted(
    stage: Stage, *, is_interrupted: bool, is_left: bool
) -> None:
    """An answer may take 12 s; not where somebody waits for the end, who is told of it."""
    stage.cloud.world.latency_s["documents.delete"] = 12.0

    async def locked() -> None:
        with anyio.CancelScope() as scope:
            async with stage_lock(stage.cloud.documents, Holder.me("b"), stage.report) as lock:
                await lock.acquire()
                if is_interrupted:
                    scope.cancel()
                    await anyio.sleep(1)

    stage.run(locked)
    assert (LOCK_KEY in stage.cloud.documents.documents) is is_left
    assert bool(stage.report.of(Warned)) is is_left
