"""Taking versions live, on record: what a deploy and a rollback share, and what a recovery ends.

    announce ── activate: every `live` alias, or none (shielded) ── record the release ── forget

A kill anywhere in it leaves the record of the activation, with the whole release that was to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anyio import CancelScope

from hover_async.deploy.activate import Activation, Move, activate
from hover_async.deploy.records import Attempt, RecordedMove, Release, now
from hover_async.deploy.releases import announce, forget, record_release
from hover_async.errors import ActivationRestored
from hover_async.events import Step
from hover_async.ports import Cloud
from hover_async.steps import Timeline, step


async def go_live(
    moves: Sequence[Move],
    release: Release,
    cloud: Cloud,
    report: Timeline,
    depends: Mapping[Step, Sequence[Step]],
) -> Activation:
    """Flip every `live` alias, or none; then keep the release on record, with its step times.

    Raises `ActivationRestored` when nothing has changed, `ActivationMixed` when that could not be
    reached; then the record of what was to move stays.
    """
    with step(report, Step.ACTIVATE) as done:
        announced = await announce(_attempt(release, moves), cloud.documents)
        try:
            with CancelScope(shield=True):
                activation = done(await activate(moves, cloud.functions, report))
        except ActivationRestored:
            await forget(cloud.documents, announced, report)
            raise
    with step(report, Step.RECORD):
        timed = release.with_times(report.steps(depends), report.seconds)
        await record_release(cloud.documents, timed, announced, report)
    return activation


def _attempt(release: Release, moves: Sequence[Move]) -> Attempt:
    planned = [
        RecordedMove(
            move.before.function, move.role, move.before.version, move.before.revision, move.to
        )
        for move in moves
    ]
    return Attempt(release.build_id, planned, release, now())
