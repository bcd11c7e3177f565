"""What was live, when, and by whom: every release on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.records import (
    ACTIVATION_KEY,
    LIVE_KEY,
    RELEASES,
    Activated,
    Release,
    build_of,
    release_key,
    release_of,
)
from hover_async.errors import NotFound
from hover_async.ports import Documents
from hover_async.values import BuildId

AT_ONCE = 32


@dataclass(frozen=True)
class Entry:
    """One time that a release went live; without `activated` its record does not tell of any."""

    release: Release
    activated: Activated | None
    is_live: bool

    def as_json(self) -> Mapping[str, object]:
        release, activated = self.release, self.activated
        return {
            "build_id": release.build_id,
            "live": self.is_live,
            "git_revision": release.git_revision,
            "image": release.image,
            "pruned_at": release.pruned_at,
            **(asdict(activated) if activated else {"at": None, "versions": release.versions}),
        }


@dataclass(frozen=True)
class History:
    """What went live, the latest first. `damaged` are the keys of records that cannot be read.

    `interrupted`: the build of an activation that was begun and not ended, if there is one; empty
    text when its record cannot be read.
    """

    stage: str
    live: str | None
    entries: Sequence[Entry]
    damaged: Sequence[str] = ()
    interrupted: str | None = None

    def as_json(self) -> Mapping[str, object]:
        return {
            "stage": self.stage,
            "live": self.live,
            "releases": [entry.as_json() for entry in self.entries],
            "damaged": list(self.damaged),
            "interrupted": self.interrupted,
        }


async def read_history(stage: str, documents: Documents) -> History:
    """Every release of the stage; nothing is changed. A stage without a bucket has none."""
    async with task_group() as reads:
        living = reads.start_soon(documents.read, LIVE_KEY)
        activating = reads.start_soon(documents.read, ACTIVATION_KEY)
        listing = reads.start_soon(release_keys, documents)
    keys, live = listing.return_value, build_of(living.return_value)

    async def read(key: str) -> Release | None:
        release = release_of(await documents.read(key))
        return release if release and release_key(release.build_id) == key else None

    found = await bounded_map(read, keys, limit=AT_ONCE)
    releases = [release for release in found if release]
    began = activating.return_value
    return History(
        stage,
        live,
        _entries(releases, live),
        [key for key, release in zip(keys, found, strict=True) if release is None],
        (build_of(began) or "") if began else None,
    )


async def release_keys(documents: Documents) -> Sequence[str]:
    """The keys of all records of releases, the oldest build first."""
    try:
        return sorted(key for key in await documents.keys(RELEASES) if _is_release(key))
    except NotFound:  # there is no bucket yet
        return []


def build_in(key: str) -> BuildId:
    """The build that a record's key names."""
    return BuildId(key.removeprefix(RELEASES).removesuffix(".json"))


def _is_release(key: str) -> bool:
    try:
        return release_key(build_in(key)) == key
    except ValueError:
        return False


def _entries(releases: Sequence[Release], live: str | None) -> Sequence[Entry]:
    none: Sequence[Activated | None] = [None]
    entries = [
        Entry(
            release,
            activated,
            is_live=release.build_id == live and activated is release.last,
        )
        for release in releases
        for activated in release.activations or none
    ]
    return sorted(entries, key=_moment, reverse=True)


def _moment(entry: Entry) -> tuple[str, str]:
    return (entry.activated.at if entry.activated else "", entry.release.build_id)
