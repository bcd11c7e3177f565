"""After an accident: ending what was interrupted, and freeing a lock whose run died."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hover_async.api.project import manifest_path, only_stage
from hover_async.api.target import AWS, Target, open_stage
from hover_async.events import Reporter, silent

if TYPE_CHECKING:
    from hover_async.deploy.converge import Recovery
    from hover_async.deploy.lock import Holder
    from hover_async.deploy.unlock import Unlocked


async def recover(
    stage: str | None = None,
    *,
    way: Literal["forward", "back"] | None = None,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    wait_s: float = 0.0,
    report: Reporter = silent,
) -> Recovery:
    """Bring an activation that was interrupted to its end: every function new, or every one old.

    Without one it does nothing. `way` forces the direction, also for aliases that somebody has
    moved since. Needs no build, only the stage's manifest. Raises `HoverError`: `AliasesElsewhere`,
    `ActivationMixed` and `RecordDamaged` where no end could be reached, `LockHeld` while a run
    holds the lock.
    """
    from hover_async.concurrency import finish_or_cancel, shielded_leaving
    from hover_async.deploy.converge import Way
    from hover_async.deploy.lock import Holder
    from hover_async.deploy.recover import recover_stage
    from hover_async.manifest import load_manifest

    root = Path(project)
    manifest = load_manifest(manifest_path(root, stage or only_stage(root)))
    holder = Holder.me("", doing="recovering")

    async def work() -> Recovery:
        with shielded_leaving() as leave:
            async with open_stage(manifest, profile=profile, target=target) as cloud:
                try:
                    return await recover_stage(
                        manifest,
                        holder,
                        cloud,
                        report,
                        way=Way(way) if way else None,
                        wait_s=wait_s,
                    )
                finally:
                    leave()

    return await finish_or_cancel(work)


async def lock_holder(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
) -> Holder | None:
    """Who holds the stage's lock, also with a lease that has run out; None when nobody does."""
    from hover_async.deploy.lock import LOCK_KEY, UNKNOWN, read_holder
    from hover_async.manifest import load_manifest

    root = Path(project)
    manifest = load_manifest(manifest_path(root, stage or only_stage(root)))
    async with open_stage(manifest, profile=profile, target=target) as cloud:
        document = await cloud.documents.read(LOCK_KEY)
        return (read_holder(document) or UNKNOWN) if document else None


async def unlock(
    stage: str | None = None,
    *,
    force: bool = False,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
) -> Unlocked:
    """Free the stage's lock of a run that died. Raises `LockHeld` when its lease has not run out,
    unless it is to be forced, and in any case when the lock is renewed meanwhile.
    """
    from hover_async.deploy.unlock import unlock as take_away
    from hover_async.manifest import load_manifest

    root = Path(project)
    manifest = load_manifest(manifest_path(root, stage or only_stage(root)))
    async with open_stage(manifest, profile=profile, target=target) as cloud:
        return await take_away(cloud.documents, force=force)
