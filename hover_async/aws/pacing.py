"""A pace for calls that share one quota: Lambda's control plane takes 15 a second, all together.

A cap on how many run at once does not keep a rate; waiting for one's turn does. The quota is
shared with everything else in the account (CloudFormation's own calls too), so the pace gives way
when Lambda complains and comes back by itself.

What a quota saves up while nobody calls may be sent at once, up to a burst: the flip of a small
stage need not be drawn out. How much Lambda saves up is not documented; where it is less than our
burst, the rest is refused, which does no harm, and the next bursts are left out for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anyio import current_time, sleep_until

BACK_OFF = 0.8
RECOVER = 1.5
"""How much faster after each second without a complaint."""
SLOWEST_PER_S = 6.0
CALM_S = 5.0
"""No bursts for this long after a complaint: what was saved up has been used up by somebody."""


@dataclass(frozen=True)
class Pace:
    """Requests a second to begin with, and at the most; and how many at once after a pause."""

    start_per_s: float = 12.0
    fastest_per_s: float = 14.5
    burst: int = 14


CONTROL_PLANE = Pace()
"""Just below the 15 a second of the quota, and leaving some of what it saves up to others."""
POLLS = Pace(60.0, 80.0, 30)
"""GetFunction has a quota of its own, 100 a second."""


class Pacer:
    """Gives turns at an even rate after a burst, first come, first served."""

    def __init__(self, pace: Pace = CONTROL_PLANE) -> None:
        self._pace = pace
        self._rate_per_s = pace.start_per_s
        self._due_s = float("-inf")
        self._rated_at_s: float | None = None
        self._slowed_at_s = float("-inf")

    async def turn(self) -> float:
        """Wait for one's turn; returns when it was, for `complain`."""
        now = current_time()
        self._recover(now)
        ahead_s = (self._burst(now) - 1) / self._rate_per_s
        mine = max(now, self._due_s - ahead_s)
        self._due_s = max(now, self._due_s) + 1 / self._rate_per_s
        await sleep_until(mine)
        return mine

    def complain(self, turn: float) -> None:
        """The call of that turn was refused for its rate: slow down, once for what is under way."""
        if turn < self._slowed_at_s:
            return  # sent before the last slowing down: the same complaint again
        now = current_time()
        self._recover(now)
        self._rate_per_s = max(self._rate_per_s * BACK_OFF, SLOWEST_PER_S)
        self._slowed_at_s = self._rated_at_s = now

    @property
    def rate_per_s(self) -> float:
        """Turns a second, as of the last turn or complaint."""
        return self._rate_per_s

    def _burst(self, now: float) -> int:
        return self._pace.burst if now - self._slowed_at_s > CALM_S else 1

    def _recover(self, now: float) -> None:
        if self._rated_at_s is None:
            self._rated_at_s = now
        clean_seconds = int(now - self._rated_at_s)
        if clean_seconds:
            recovered_per_s = self._rate_per_s * RECOVER ** min(clean_seconds, 60)
            self._rate_per_s = min(recovered_per_s, self._pace.fastest_per_s)
            self._rated_at_s += clean_seconds


@dataclass(frozen=True)
class Pacers:
    """The pace of every Lambda API: one for the control plane, one for GetFunction."""

    control_plane: Pacer = field(default_factory=Pacer)
    polls: Pacer = field(default_factory=lambda: Pacer(POLLS))

    def of(self, operation: str) -> Pacer | None:
        """None for Invoke, which is bounded by concurrency, and not by us."""
        if operation == "Invoke":
            return None
        return self.polls if operation == "GetFunction" else self.control_plane


_SHARED: dict[tuple[str, str], Pacers] = {}


def shared_pacers(account: str, region: str) -> Pacers:
    """Those of the account and region: deploys of one process keep its quota together."""
    return _SHARED.setdefault((account, region), Pacers())
