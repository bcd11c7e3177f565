"""The flip: every `live` alias to its new version, or none.

Lambda has no transaction over functions, so "atomic" is made of three things. Each move is a
compare and set on the alias' revision; a refusal puts back every alias that moved; and the whole is
shielded from cancellation, so that a signal in the middle cannot leave it half done. Consumers move
before producers (queues, cli, http): what new code sends, new code receives, unless the queue
changes hands in this very deploy (docs/deploy.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyio import current_time

from hover_async.concurrency import bounded_map, settle, shielded
from hover_async.errors import ActivationMixed, ActivationRestored, NotFound
from hover_async.events import AliasMoved, Reporter
from hover_async.ports import Alias, Functions
from hover_async.values import LIVE, FunctionName, FunctionSpec, Role, Version

ORDER = (Role.QUEUE, Role.CLI, Role.HTTP)
AT_ONCE = 64
"""Moves in hand at a time; Lambda's 15 requests a second are kept by the adapter's pacer."""
MOVE_DEADLINE_S = 60


@dataclass(frozen=True)
class Move:
    """One alias: where it points before, and where it must point after."""

    before: Alias
    role: Role
    to: Version

    @property
    def is_due(self) -> bool:
        return self.before.version != self.to or self.before.has_routing


@dataclass(frozen=True)
class Activation:
    """Every alias points to its new version. `skew_s`: from the first answer to the last."""

    moves: Sequence[Move]
    skew_s: float

    def __str__(self) -> str:
        moved = sum(move.is_due for move in self.moves)
        return f"{moved} moved within {self.skew_s * 1000:.0f} ms" if moved else "live already"


Aliases = Mapping[FunctionName, Alias]


async def read_aliases(functions: Sequence[FunctionName], lambdas: Functions) -> Aliases:
    """`live` of each of these functions that has one, for `plan_moves`.

    To be called with the lock held. What is read early only makes the flip stricter: whoever moves
    an alias between this and the flip makes it fail, where it would have been overwritten.
    """
    found = await bounded_map(lambda name: lambdas.alias(name, LIVE), functions, limit=AT_ONCE)
    return {alias.function: alias for alias in found if alias}


async def plan_moves(
    functions: Sequence[FunctionSpec],
    versions: Mapping[FunctionName, Version],
    lambdas: Functions,
    aliases: Aliases | None = None,
) -> Sequence[Move]:
    """What the flip will compare and set: every `live` alias, as read before or, if not, now.

    Raises `ActivationRestored` (nothing has moved) when a function has none.
    """
    known = aliases or {}

    async def plan(function: FunctionSpec) -> Move:
        alias = known.get(function.name) or await lambdas.alias(function.name, LIVE)
        if alias is None:
            raise ActivationRestored(
                f"function '{function.name}' has no alias '{LIVE}'",
                hint="the stack makes it; somebody deleted it. Delete the stack or add it by hand",
            )
        return Move(alias, function.role, versions[function.name])

    return await bounded_map(plan, functions, limit=AT_ONCE)


async def activate(moves: Sequence[Move], lambdas: Functions, report: Reporter) -> Activation:
    """Move every alias that is due; all of them, or each is put back.

    To be called shielded from cancellation: every call in it has a deadline of its own. Raises
    `ActivationRestored` when everything is as before, `ActivationMixed` when that could not be
    reached, naming where each alias points.
    """
    times: list[float] = []

    async def flip(move: Move) -> None:
        await _move(move.before, move.to, lambdas, report)
        times.append(current_time())

    for role in ORDER:
        due = [move for move in moves if move.role is role and move.is_due]
        settled = await settle(flip, due, limit=AT_ONCE)
        refused = next((outcome for outcome in settled if outcome.error), None)
        if refused:
            why = (
                f"'{LIVE}' of '{refused.item.before.function}' could not be moved: {refused.error}"
            )
            raise await _put_back(moves, why, lambdas, report) from refused.error
    return Activation(tuple(moves), max(times) - min(times) if times else 0.0)


async def _move(alias: Alias, to: Version, lambdas: Functions, report: Reporter) -> None:
    moved = await shielded(
        lambda: lambdas.move_alias(alias, LIVE, to=to),
        deadline_s=MOVE_DEADLINE_S,
        what=f"moving '{LIVE}' of '{alias.function}'",
    )
    report(AliasMoved(alias.function, alias.version, moved.version))


async def _put_back(
    moves: Sequence[Move], why: str, lambdas: Functions, report: Reporter
) -> ActivationRestored | ActivationMixed:
    """Undo by what AWS says now: an answer that was lost may hide a move that happened."""

    async def put_back(move: Move) -> Alias:
        now = await _read(move.before.function, lambdas)
        if now.version == move.to and move.is_due:
            await _move(now, move.before.version, lambdas, report)
            now = await _read(move.before.function, lambdas)
        return now

    found = {
        outcome.item.before.function: outcome.value
        for outcome in await settle(put_back, moves, limit=AT_ONCE)
    }
    if all(_is_as(move.before, found[move.before.function]) for move in moves):
        return ActivationRestored(
            f"{why}; every alias is where it was",
            hint="nothing live has changed; deploy again",
        )
    return ActivationMixed(
        f"{why}; and not every alias could be put back",
        live={name: alias.version if alias else None for name, alias in found.items()},
        hint="deploy again as soon as the reason is gone: it moves every alias",
    )


def _is_as(before: Alias, now: Alias | None) -> bool:
    return now is not None and (now.version, now.has_routing) == (
        before.version,
        before.has_routing,
    )


async def _read(function: FunctionName, lambdas: Functions) -> Alias:
    alias = await shielded(
        lambda: lambdas.alias(function, LIVE),
        deadline_s=MOVE_DEADLINE_S,
        what=f"reading '{LIVE}' of '{function}'",
    )
    if alias is None:
        raise NotFound(f"function '{function}' has no alias '{LIVE}'")
    return alias
