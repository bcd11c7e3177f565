"""One deploy of a stage at a time: a lease in the stage's bucket, kept by compare and set.

The lock is the object `hover/lock.json`, created only if absent, renewed only over our own etag.
Clocks differ, so an expired time in it is no proof of death: another run takes the lock over only
after watching it unchanged for a whole lease on its own monotonic clock. The fence behind the lock,
against a run that slept through its lease, is the aliases' revision that the flip compares.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from anyio import Event, current_time, get_cancelled_exc_class, move_on_after, sleep

from hover_async.concurrency import shielded_leaving, task_group
from hover_async.errors import AwsError, Conflict, LockHeld
from hover_async.events import Reporter, Step, Waiting, Warned
from hover_async.ports import Document, Documents

LOCK_KEY = "hover/lock.json"
LEASE_S = 60.0
RENEWALS_PER_LEASE = 4
RELEASE_DEADLINE_S = 30
"""Giving the lock back: an answer that never comes is asked for again after 12 s."""
HURRIED_RELEASE_DEADLINE_S = 10
"""Where the run was interrupted: what is left then expires by itself."""
LOOK_EVERY_S = 5.0
"""While another run has the lock: a handful of requests a minute."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as the others will read it. `run` is unique to one run of a deploy."""

    run: str
    build_id: str
    user: str
    host: str
    since: str = ""
    expires: str = ""
    doing: str = "deploying"

    @classmethod
    def me(cls, build_id: str, *, doing: str = "deploying") -> Self:
        """This user on this machine, for one run from now on."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user need not have a name
            user = f"uid {os.getuid()}"
        return cls(secrets.token_hex(8), build_id, user, socket.gethostname(), doing=doing)

    @property
    def who(self) -> str:
        return f"{self.user}@{self.host}"

    @property
    def is_running(self) -> bool:
        """Whether its lease has not run out, by this machine's clock and the holder's."""
        try:
            return datetime.fromisoformat(self.expires) > datetime.now(UTC)
        except (ValueError, TypeError):
            return False

    def __str__(self) -> str:
        what = f"{self.doing} {self.build_id}".rstrip()
        return f"{self.who} {what} (lease until {self.expires})"


UNKNOWN = Holder("", "", "something that is not this program", "")
_FIELDS = tuple(field.name for field in fields(Holder))


class StageLock:
    """Not yet held when made: `acquire` takes it, leaving `stage_lock` gives it back."""

    def __init__(
        self,
        documents: Documents,
        holder: Holder,
        report: Reporter,
        lease_s: float,
        wait_s: float,
    ) -> None:
        self._documents = documents
        self._holder = holder
        self._held = Event()
        self._report = report
        self._lease_s = lease_s
        self._wait_s = wait_s
        self._etag: str | None = None
        self._tried = False
        self._watched: tuple[str, str] | None = None
        self._past_return = False

    async def acquire(self) -> None:
        """Take the lock and keep renewing it. Raises `LockHeld`, naming the holder.

        A lock whose lease has run out by the clock is watched for one whole lease before; one that
        is held is waited for, as long as was asked for.
        """
        self._tried = True
        give_up_at = current_time() + self._wait_s
        while not await self._taken(give_up_at):
            pass
        self._held.set()

    async def release(self) -> None:
        """Give the lock back if it is ours, also where the answer to our last write was lost."""
        if not self._tried:
            return
        try:
            if self._etag:
                # a conflict: changed, perhaps by our own renewal, whose answer was lost
                with suppress(Conflict):
                    await self._documents.delete(LOCK_KEY, self._etag)
                    return
            found = await self._documents.read(LOCK_KEY)
            if found and self._is_ours(found):
                await self._documents.delete(LOCK_KEY, found.etag)
        except AwsError as error:
            self._report(Warned(f"the lock was not given back and expires by itself: {error}"))

    async def _taken(self, give_up_at: float) -> bool:
        """One try: whether the lock is ours now. Raises `LockHeld` when it is time to give up."""
        try:
            self._etag = await self._documents.create(LOCK_KEY, self._body())
        except Conflict:
            found = await self._documents.read(LOCK_KEY)
        else:
            return True
        if found is None:  # given back in between
            return False
        if self._is_ours(found):  # our own write, whose answer was lost
            self._etag = found.etag
            return True
        holder = read_holder(found)
        is_running = self._is_alive(holder, found.etag)
        left_s = give_up_at - current_time()
        if is_running and left_s <= 0:
            raise held_by(holder)
        self._tell(holder, is_running=is_running, left_s=left_s)
        self._watched = (holder.run if holder else "", found.etag)
        if await self._watch(found.etag, until=give_up_at if is_running else None):
            return await self._take_over(found)
        return False

    def _is_alive(self, holder: Holder | None, etag: str) -> bool:
        """By the clock; or it was renewed while we watched, whatever the clocks say."""
        run, last = self._watched or ("", etag)
        was_renewed = run == (holder.run if holder else "") and last != etag
        return was_renewed or (holder is not None and holder.is_running)

    def _tell(self, holder: Holder | None, *, is_running: bool, left_s: float) -> None:
        if self._watched and holder and self._watched[0] == holder.run:
            return
        if is_running:
            self._report(Waiting(Step.LOCK, f"{holder}", left_s))
        else:
            told = f"the lock of {holder} has expired; watching it for {self._lease_s:.0f} s"
            self._report(Warned(told))

    async def _watch(self, etag: str, *, until: float | None) -> bool:
        """Whether the lock stayed unchanged for a whole lease; False as soon as it has changed.

        `until` ends the watch early, and it counts as changed: the caller looks again.
        """
        began = current_time()
        while True:
            ends = began + self._lease_s
            pause_s = min(LOOK_EVERY_S, ends - current_time())
            if until is not None:
                pause_s = min(pause_s, until - current_time())
            if pause_s <= 0:
                return current_time() >= ends
            await sleep(pause_s)
            found = await self._documents.read(LOCK_KEY)
            if found is None or found.etag != etag:
                return False

    async def _take_over(self, found: Document) -> bool:
        """False when somebody else was quicker: who that is, the next look tells."""
        with suppress(Conflict):
            self._etag = await self._documents.replace(LOCK_KEY, self._body(), found.etag)
            return True
        return False

    async def confirm(self) -> None:
        """Prove that the lock is still ours, for the last time. Raises `LockHeld` if it is not.

        From here on losing it is only told: what follows is fenced by the aliases' revisions, and
        a failure would claim that nothing live has changed.
        """
        await self.prove()
        self._past_return = True

    async def is_ours(self) -> bool:
        """Whether it is, by a renewal: for what must not go on without it, and is no failure."""
        try:
            await self.prove()
        except (LockHeld, AwsError):
            return False
        return True

    async def prove(self) -> None:
        """Prove that it is ours, by a renewal: before each step that a rival must not meet.

        A machine that has slept does not know by itself. Raises `LockHeld`, or `AwsError`.
        """
        if self._etag is None:
            raise lost()
        try:
            self._etag = await self._documents.replace(LOCK_KEY, self._body(), self._etag)
        except Conflict as error:
            if not await self._recovered():
                raise lost() from error

    async def keep_renewing(self) -> None:
        """Once held, renew until the lease is lost; then end the deploy, before it goes live."""
        await self._held.wait()
        renewed_at = current_time()
        while True:
            await sleep(self._lease_s / RENEWALS_PER_LEASE)
            try:
                await self.prove()
                renewed_at = current_time()
            except (LockHeld, AwsError) as error:
                if isinstance(error, AwsError) and current_time() - renewed_at <= self._lease_s:
                    continue
                if not self._past_return:
                    raise lost() from error
                self._report(Warned(f"the lock was lost while the build went live: {error}"))
                return

    async def _recovered(self) -> bool:
        """Whether what changed the lock was our own renewal, whose answer was lost."""
        found = await self._documents.read(LOCK_KEY)
        if found is None or not self._is_ours(found):
            self._etag = None
            return False
        self._etag = found.etag
        return True

    def _is_ours(self, document: Document) -> bool:
        holder = read_holder(document)
        return holder is not None and holder.run == self._holder.run

    def _body(self) -> bytes:
        now = datetime.now(UTC)
        expires = now + timedelta(seconds=self._lease_s)
        self._holder = replace(
            self._holder,
            since=self._holder.since or now.isoformat(timespec="seconds"),
            expires=expires.isoformat(timespec="seconds"),
        )
        return json.dumps(asdict(self._holder)).encode()


@asynccontextmanager
async def stage_lock(
    documents: Documents,
    holder: Holder,
    report: Reporter,
    *,
    lease_s: float = LEASE_S,
    wait_s: float = 0.0,
) -> AsyncIterator[StageLock]:
    """A lock that may be acquired inside, is renewed meanwhile, and is given back at the end.

    `wait_s`: for how long one that is held is waited for.
    Leaving is shielded: a cancellation that came too late to stop the body does not undo its end.
    """
    lock = StageLock(documents, holder, report, lease_s, wait_s)
    deadline_s = RELEASE_DEADLINE_S
    with shielded_leaving() as leave:
        try:
            async with task_group() as keeper:
                keeper.start_soon(lock.keep_renewing)
                try:
                    yield lock
                    leave()
                except get_cancelled_exc_class():
                    deadline_s = HURRIED_RELEASE_DEADLINE_S
                    raise
                finally:
                    keeper.cancel_scope.cancel()
        finally:  # the keeper has ended: nobody renews what is given back
            with move_on_after(deadline_s, shield=True) as release:
                await lock.release()
            if release.cancelled_caught:
                report(Warned(f"the lock was not given back within {deadline_s} s: it expires"))


def read_holder(document: Document) -> Holder | None:
    """Who wrote the lock; None when it is not readable as one of ours."""
    try:
        told = json.loads(document.body)
        known = {name: str(told[name]) for name in _FIELDS if name in told}
        return Holder(**known)
    except (ValueError, TypeError):
        return None


async def running_deploy(documents: Documents) -> Holder | None:
    """Who deploys this stage now, by the lock's own expiry: enough to tell, not to take it over."""
    document = await documents.read(LOCK_KEY)
    holder = read_holder(document) if document else None
    return holder if holder and holder.is_running else None


def held_by(holder: Holder | None) -> LockHeld:
    who = str(holder) if holder else f"something that is not this program (see {LOCK_KEY})"
    return LockHeld(
        f"another run holds the lock of this stage: {who}",
        hint="--wait waits until that run ends, and goes on after a minute if it was killed; if it "
        "is certainly dead, 'hover-async unlock --force' takes the lock away at once",
    )


def lost() -> LockHeld:
    return LockHeld(
        "the lock of this stage was lost during the deploy: it could not be renewed",
        hint="no live alias was touched; see what else deploys this stage",
    )
