"""The simulated AWS itself, and how near our deploy comes to what no deploy can beat."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulated.account import Account, Run, ours
from benchmarks.simulated.bound import Job, jackson, span
from benchmarks.simulated.ways import gather, serial
from hover_async.testing.model import ACTIVATION, Bucket, Model, Quota, Spread

JOBS = st.lists(
    st.builds(Job, st.floats(0, 20), st.floats(0, 20)),
    min_size=1,
    max_size=30,
)


def test_a_spread_has_its_quantiles() -> None:
    """Half of all draws stay below the median, 99 of 100 below the 99th percentile."""
    assert ACTIVATION.at(0.5) == pytest.approx(ACTIVATION.p50_s)
    assert ACTIVATION.at(0.99) == pytest.approx(ACTIVATION.p99_s)


def test_draws_depend_on_what_they_are_of() -> None:
    """The same seed gives the same draws in whatever order; another seed gives others."""
    spread = Spread(1, 10)
    one, two = Model(1), Model(1)
    first = [one.draw(spread, "a"), one.draw(spread, "b"), one.draw(spread, "a")]
    assert two.draw(spread, "b") == first[1]
    assert [two.draw(spread, "a"), two.draw(spread, "a")] == [first[0], first[2]]
    assert Model(2).draw(spread, "a") != first[0]


def test_a_bucket_keeps_its_rate() -> None:
    """A bucket gives its burst at once, then one a refill, and saves no more than a burst."""
    bucket = Bucket(Quota(10, 3))
    assert [bucket.admits(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.admits(0.1), bucket.admits(0.15)] == [True, False]
    assert [bucket.admits(60.0) for _ in range(4)] == [True, True, True, False]


@given(JOBS)
def test_the_bound_is_no_longer_than_a_schedule(jobs: list[Job]) -> None:
    """Whoever sends requests as soon as the bucket lets them ends no earlier than the bound."""
    quota = Quota(2, 3)
    for order in (jobs, sorted(jobs, key=lambda job: job.release_s)):
        bucket, now_s, ends_s = Bucket(quota), 0.0, 0.0
        for job in order:
            now_s = max(now_s, job.release_s)
            while not bucket.admits(now_s):
                now_s += 0.01
            ends_s = max(ends_s, now_s + job.tail_s)
        assert span(jobs, quota) <= ends_s + 1e-9


def test_jackson_of_one_machine() -> None:
    """The longest tail goes first, also where it has to wait for a job that is under way."""
    assert jackson([Job(0, 0), Job(0, 5)], 1) == pytest.approx(6)
    assert jackson([Job(0, 1), Job(0.5, 9)], 1) == pytest.approx(10.5)


def run(tmp_path: Path, seed: int, functions: int, way: object = ours) -> tuple[Run, float]:
    account = Account(tmp_path, functions, Model(seed), assets=5)
    done = account.measure(way)  # type: ignore[arg-type]
    return done, done.seconds / account.bound.total_s


@pytest.mark.parametrize("seed", range(3))
def test_our_deploy_is_near_the_bound(tmp_path: Path, seed: int) -> None:
    """A deploy of 20 functions takes at most 1.15 of the bound, and nothing is lost on the way."""
    done, ratio = run(tmp_path, seed, 20)
    assert not done.error
    assert not done.mixed
    assert 1 <= ratio <= 1.15


@pytest.mark.parametrize("way", [serial, gather])
def test_no_other_way_beats_the_bound(tmp_path: Path, way: object) -> None:
    """Whoever gets through takes longer than the bound."""
    done, ratio = run(tmp_path, 1, 3, way)
    assert not done.error
    assert ratio > 1


def test_calls_stay_within_the_quota(tmp_path: Path) -> None:
    """A deploy of 20 functions is hardly ever refused for its rate: at most one call in fifty."""
    done, _ = run(tmp_path, 2, 20)
    assert done.refused <= done.calls / 50
