"""A pace for calls that share one quota: Lambda's control plane takes 15 a second, all together.

A cap on how many run at once does not keep a rate; waiting for one's turn does. The quota is
shared with everything else in the account (CloudFormation's own calls too), so the pace gives way
when Lambda complains and comes back by itself.
"""

from __future__ import annotations

from anyio import current_time, sleep_until

START_PER_S = 12.0
FASTEST_PER_S = 14.0
"""Just below the quota: what is over it comes back as a refusal and costs more than it gains."""
SLOWEST_PER_S = 1.0
BACK_OFF = 0.7
RECOVER_PER_S = 1.0
"""How much faster after each second without a complaint."""


class Pacer:
    """Gives turns at an even rate, first come, first served."""

    def __init__(
        self, *, start_per_s: float = START_PER_S, fastest_per_s: float = FASTEST_PER_S
    ) -> None:
        self._rate_per_s = start_per_s
        self._fastest_per_s = fastest_per_s
        self._next_turn_s = float("-inf")
        self._rated_at_s: float | None = None
        self._slowed_at_s = float("-inf")

    async def turn(self) -> float:
        """Wait for one's turn; returns when it was, for `complain`."""
        now = current_time()
        self._recover(now)
        mine = max(now, self._next_turn_s)
        self._next_turn_s = mine + 1 / self._rate_per_s
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

    def _recover(self, now: float) -> None:
        if self._rated_at_s is None:
            self._rated_at_s = now
        clean_seconds = int(now - self._rated_at_s)
        if clean_seconds:
            self._rate_per_s = min(
                self._rate_per_s + clean_seconds * RECOVER_PER_S, self._fastest_per_s
            )
            self._rated_at_s += clean_seconds
