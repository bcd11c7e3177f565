"""Ending an activation that was interrupted: all new, or all old, by what AWS says now.

all at the new version   the release was live: its record is written
all at the old one       nothing had moved: the record of the activation goes
some here, some there    forward, for the new versions had been warmed and found healthy;
                         back, where a new version is gone or no longer its image's
one is elsewhere         somebody moved it since: nobody but a user can tell what is meant
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from anyio import CancelScope

from hover_async.concurrency import bounded_map
from hover_async.deploy.activate import AT_ONCE, Activation, Move, activate
from hover_async.deploy.records import Attempt, RecordedMove, Release
from hover_async.deploy.releases import announced, forget, record_release
from hover_async.deploy.versions import DEADLINE_S, require_version
from hover_async.errors import (
    ActivationMixed,
    ActivationRestored,
    AliasesElsewhere,
    DeployError,
    RecordDamaged,
)
from hover_async.events import Reporter, Warned
from hover_async.manifest import Manifest
from hover_async.ports import Alias, Cloud, Functions
from hover_async.values import LATEST, LIVE, FunctionName, Version


class Way(StrEnum):
    """Which way to end it, where a user decides."""

    FORWARD = "forward"
    BACK = "back"


class Ending(StrEnum):
    """What was done about an interrupted activation."""

    NOTHING = "nothing"
    """None was interrupted."""
    RECORDED = "recorded"
    """Every function was at its new version; the release is on record now."""
    CLEARED = "cleared"
    """No function had moved."""
    FORWARD = "forward"
    BACK = "back"


TOLD = {
    Ending.NOTHING: "no activation was interrupted",
    Ending.RECORDED: "every function was live already, and the release is on record now",
    Ending.CLEARED: "no function had moved",
    Ending.FORWARD: "it was finished: every function is at its new version",
    Ending.BACK: "it was undone: every function is where it was before",
}


@dataclass(frozen=True)
class Recovery:
    """How an interrupted activation was ended. `live`: where every alias of it points now."""

    ending: Ending = Ending.NOTHING
    build_id: str | None = None
    moved: int = 0
    live: Mapping[FunctionName, Version] | None = None

    def __str__(self) -> str:
        return TOLD[self.ending]

    @property
    def has_moved(self) -> bool:
        return self.moved > 0

    def as_json(self) -> Mapping[str, object]:
        return {**asdict(self), "told": str(self)}


@dataclass(frozen=True)
class Found:
    """An alias of the activation, and where it is now; None: there is none."""

    move: RecordedMove
    now: Alias | None

    @property
    def is_new(self) -> bool:
        return self._is_at(self.move.to) and not (self.now and self.now.has_routing)

    @property
    def is_old(self) -> bool:
        return self._is_at(self.move.before)

    @property
    def is_elsewhere(self) -> bool:
        return not (self._is_at(self.move.to) or self.is_old)

    def _is_at(self, version: Version) -> bool:
        return self.now is not None and self.now.version == version


async def converge(
    manifest: Manifest, by: str, cloud: Cloud, report: Reporter, *, way: Way | None = None
) -> Recovery:
    """End the activation that was interrupted, if one was; to be called with the lock held.

    Every alias of it is at its new version afterwards, or every one at its old, and the records say
    so. Raises `AliasesElsewhere` when aliases are at neither (a `way` takes them along),
    `ActivationMixed` when neither could be reached, `RecordDamaged` when the record tells nothing.
    """
    standing = await announced(cloud.documents, manifest)
    if standing is None:
        return Recovery()
    attempt = standing.attempt
    if attempt is None:
        raise RecordDamaged(
            "the record of an interrupted activation (hover/activation.json) cannot be read",
            hint="functions may serve different builds: a deploy moves every one and replaces it",
        )
    found = await _look(attempt, cloud.functions)
    ending, moves = await _decide(attempt, found, way, cloud.functions)
    activation = await _move(attempt, moves, cloud, report) if moves else Activation((), 0.0)
    if ending in {Ending.RECORDED, Ending.FORWARD} and attempt.release:
        await record_release(
            cloud.documents, _recovered(attempt.release, by), standing.etag, report
        )
    else:
        await forget(cloud.documents, standing.etag, report)
    if ending in {Ending.RECORDED, Ending.FORWARD} and not attempt.release:
        report(Warned(f"{attempt.build_id} is live, but its release was never on record"))
    goes_back = ending in {Ending.CLEARED, Ending.BACK}
    live = {move.function: move.before if goes_back else move.to for move in attempt.moves}
    moved = sum(move.is_due for move in activation.moves)
    return Recovery(ending, attempt.build_id, moved, live)


async def end_interrupted(manifest: Manifest, by: str, cloud: Cloud, report: Reporter) -> Recovery:
    """Bring an activation that was interrupted to its end, so that all functions serve one build.

    What cannot be ended is told, and left to the flip that follows, which moves every alias.
    """
    try:
        recovery = await converge(manifest, by, cloud, report)
    except (ActivationMixed, RecordDamaged) as error:
        report(
            Warned(
                "an earlier activation was interrupted, and functions may serve different builds "
                f"until this has finished: {error}"
            )
        )
        return Recovery()
    if recovery.build_id:
        told = f"an earlier activation was interrupted ({recovery.build_id}): {recovery}"
        report(Warned(told))
    return recovery


async def _look(attempt: Attempt, lambdas: Functions) -> Sequence[Found]:
    async def look(move: RecordedMove) -> Found:
        return Found(move, await lambdas.alias(move.function, LIVE))

    return await bounded_map(look, attempt.moves, limit=AT_ONCE)


async def _decide(
    attempt: Attempt, found: Sequence[Found], way: Way | None, lambdas: Functions
) -> tuple[Ending, Sequence[Move]]:
    """How it ends, and the moves that this takes. Raises when no way is left."""
    if any(place.now is None for place in found):
        raise _elsewhere(attempt, found, hint="build and deploy: it makes what is gone anew")
    if way is None and any(place.is_elsewhere for place in found):
        raise _elsewhere(
            attempt,
            found,
            hint="somebody moved them since: 'hover-async recover --forward' takes all to the new "
            "versions, '--back' to the old ones, and so does any deploy to its own",
        )
    if way is not Way.BACK and all(place.is_new for place in found):
        return Ending.RECORDED, ()
    if way is not Way.FORWARD and all(place.is_old for place in found):
        return Ending.CLEARED, ()
    if way is Way.BACK:
        return Ending.BACK, await _moves(found, Way.BACK, "", lambdas)
    digest = attempt.release.digest if attempt.release else ""
    try:
        return Ending.FORWARD, await _moves(found, Way.FORWARD, digest, lambdas)
    except DeployError as forward:
        if way is Way.FORWARD:
            raise
        try:
            return Ending.BACK, await _moves(found, Way.BACK, "", lambdas)
        except DeployError as back:
            raise ActivationMixed(
                f"the interrupted activation of {attempt.build_id} can neither be finished "
                f"({forward}) nor undone ({back})",
                live=_live(found),
                hint="build and deploy: it moves every alias to a version of its own",
            ) from forward


async def _moves(
    found: Sequence[Found], way: Way, digest: str, lambdas: Functions
) -> Sequence[Move]:
    """The moves, once every version that they lead to is there and Active."""

    async def move(place: Found) -> Move:
        planned = place.move
        to = planned.to if way is Way.FORWARD else planned.before
        if to != LATEST:  # a function that was never live goes back to where the stack made it
            await require_version(planned.function, to, digest, lambdas, deadline_s=DEADLINE_S)
        assert place.now  # noqa: S101 - looked at before any way was chosen
        return Move(place.now, planned.role, to)

    return await bounded_map(move, found, limit=AT_ONCE)


async def _move(
    attempt: Attempt, moves: Sequence[Move], cloud: Cloud, report: Reporter
) -> Activation:
    """The flip, all or restored: restored here means as mixed as it was found."""
    try:
        with CancelScope(shield=True):
            activation = await activate(moves, cloud.functions, report)
    except ActivationRestored as error:
        raise ActivationMixed(
            f"the interrupted activation of {attempt.build_id} could not be ended: {error}",
            live={move.before.function: move.before.version for move in moves},
            hint="as soon as the reason is gone, 'hover-async recover' or a deploy ends it",
        ) from error
    return activation


def _recovered(release: Release, by: str) -> Release:
    if release.last is None:
        return release
    last = replace(release.last, recovered_by=by)
    return replace(release, activations=[*release.activations[:-1], last])


def _elsewhere(attempt: Attempt, found: Sequence[Found], *, hint: str) -> AliasesElsewhere:
    odd = ", ".join(
        f"'{place.move.function}' "
        + (f"is at {place.now.version}" if place.now else "has no alias 'live'")
        + f", neither {place.move.before} nor {place.move.to}"
        for place in found
        if place.is_elsewhere
    )
    return AliasesElsewhere(
        f"the activation of {attempt.build_id} was interrupted, and {odd}",
        live=_live(found),
        hint=hint,
    )


def _live(found: Sequence[Found]) -> Mapping[str, str | None]:
    return {place.move.function: place.now.version if place.now else None for place in found}
