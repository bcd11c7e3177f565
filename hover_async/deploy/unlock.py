"""Taking the lock away from a run that died."""

from __future__ import annotations

from dataclasses import dataclass

from hover_async.deploy.lock import LOCK_KEY, Holder, read_holder
from hover_async.errors import Conflict, LockHeld
from hover_async.ports import Documents


@dataclass(frozen=True)
class Unlocked:
    """What became of the lock. `holder` is None when there was none, or it could not be read."""

    was_locked: bool
    holder: Holder | None = None


async def unlock(documents: Documents, *, force: bool) -> Unlocked:
    """Take the lock away from a run that died. Raises `LockHeld` when that may be alive.

    `force` takes it from one whose lease has not run out, too: a deploy that still runs then ends
    before it goes live, or is fenced by the aliases' revisions.
    """
    found = await documents.read(LOCK_KEY)
    if found is None:
        return Unlocked(was_locked=False)
    holder = read_holder(found)
    if holder and holder.is_running and not force:
        raise LockHeld(
            f"the lock is held by {holder}",
            hint="wait until its lease has run out, or take it away with --force if that run is "
            "certainly dead",
        )
    try:
        await documents.delete(LOCK_KEY, found.etag)
    except Conflict as error:
        raise LockHeld(
            f"the lock of {holder or 'an unknown run'} was renewed just now: that run is alive",
            hint="wait until it ends, or stop it",
        ) from error
    return Unlocked(was_locked=True, holder=holder)
