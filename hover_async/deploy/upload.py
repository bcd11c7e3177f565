"""Assets to the build's own directory of the bucket: many at once, large ones in parallel parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import CapacityLimiter, move_on_after, to_thread

from hover_async.assets import PART_BYTES, Asset, part_sizes
from hover_async.concurrency import bounded_map, shielded, task_group
from hover_async.deploy.ledger import (
    Entry,
    check_unchanged,
    compose,
    digest_of,
    fingerprint,
    ledger_body,
    ledger_key,
    read_ledger,
    read_part,
    stands_already,
)
from hover_async.errors import AwsError, Conflict, NotFound
from hover_async.events import Progress, Reporter, Step
from hover_async.ports import AssetStore, Documents, Part
from hover_async.values import BuildId

SMALL_BYTES = 256 * 1024
"""Up to this a file is read and hashed where we stand: quicker than handing it to a thread."""


BEGIN_DEADLINE_S = 15
"""For the id of a multipart upload, which must be known even when the run is cancelled."""
ABORT_DEADLINE_S = 10
"""How long a cancelled run may take to forget a multipart upload; a lifecycle rule is the net."""


@dataclass(frozen=True)
class UploadLimits:
    """What bounds the memory: `small` bodies of at most 256 KiB, `large` ones of at most a part.

    S3 takes 3,500 writes a second per prefix; these stay far below it from one machine.
    """

    small: int = 128
    large: int = 4
    part_bytes: int = PART_BYTES


@dataclass(frozen=True)
class UploadedAssets:
    """Every asset stands under the build's directory when this exists."""

    sent: int = 0
    copied: int = 0
    kept: int = 0
    sent_bytes: int = 0

    def __str__(self) -> str:
        counts = {"sent": self.sent, "copied": self.copied, "already there": self.kept}
        told = [f"{count:,} {how}" for how, count in counts.items() if count]
        return ", ".join(told) or "none"


@dataclass(frozen=True)
class Amount:
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class PlannedUpload:
    """What an upload of the same assets would send, copy inside S3, and find there already."""

    send: Amount = Amount()
    copy: Amount = Amount()
    keep: Amount = Amount()


async def plan_upload(
    assets: Sequence[Asset],
    build_id: BuildId,
    store: AssetStore,
    documents: Documents,
    *,
    previous: BuildId | None = None,
    limits: UploadLimits = UploadLimits(),
) -> PlannedUpload:
    """What `upload_assets` would do now, by the same ledgers; nothing is written."""
    if await stands_already(assets, build_id, store, documents):
        return PlannedUpload(keep=_amount(assets))
    before = set((await read_ledger(documents, previous)).values())
    sizes = {entry.size_bytes for entry in before}
    requests = CapacityLimiter(limits.large)

    async def is_there(asset: Asset) -> bool:
        if asset.size_bytes not in sizes:
            return False
        digest = await fingerprint(asset, limits.part_bytes, requests)
        return Entry(asset.size_bytes, digest) in before

    there = await bounded_map(is_there, assets, limit=limits.small)
    copied = [asset for asset, found in zip(assets, there, strict=True) if found]
    sent = [asset for asset, found in zip(assets, there, strict=True) if not found]
    return PlannedUpload(send=_amount(sent), copy=_amount(copied))


def _amount(assets: Sequence[Asset]) -> Amount:
    return Amount(len(assets), sum(asset.size_bytes for asset in assets))


async def upload_assets(
    assets: Sequence[Asset],
    build_id: BuildId,
    store: AssetStore,
    documents: Documents,
    report: Reporter,
    *,
    previous: BuildId | None = None,
    limits: UploadLimits = UploadLimits(),
) -> UploadedAssets:
    """Make every asset an object under `<build_id>/`, with its size and checksum verified by S3.

    `previous` names the build whose unchanged files are copied. On failure or cancellation some
    objects may stand, no multipart upload is left open, and no ledger says that all are there.
    Raises `AssetChanged` when a file changes while it is read.
    """
    if await stands_already(assets, build_id, store, documents):
        return UploadedAssets(kept=len(assets))
    before = await read_ledger(documents, previous)
    upload = _Upload(
        build_id,
        store,
        report,
        limits,
        sources={entry: f"{previous}/{path}" for path, entry in before.items()},
        total=len(assets),
    )
    async with task_group() as uploads:
        uploads.start_soon(upload.place_small, [a for a in assets if a.size_bytes <= SMALL_BYTES])
        uploads.start_soon(upload.place_large, [a for a in assets if a.size_bytes > SMALL_BYTES])
    with suppress(Conflict):  # a run that was killed right here has written the same
        await documents.create(ledger_key(build_id), ledger_body(upload.ledger))
    return UploadedAssets(upload.sent, upload.copied, 0, upload.sent_bytes)


class _Upload:
    """One run: where its files go, and what has been done so far."""

    def __init__(
        self,
        build_id: BuildId,
        store: AssetStore,
        report: Reporter,
        limits: UploadLimits,
        *,
        sources: Mapping[Entry, str],
        total: int,
    ) -> None:
        self._build_id = build_id
        self._store = store
        self._report = report
        self._limits = limits
        self._sources = sources
        self._source_sizes = {entry.size_bytes for entry in sources}
        self._total = total
        self._large_requests = CapacityLimiter(limits.large)
        self.ledger: dict[str, Entry] = {}
        self.sent = 0
        self.copied = 0
        self.sent_bytes = 0

    async def place_small(self, assets: Sequence[Asset]) -> None:
        async def place(asset: Asset) -> None:
            body = read_part(asset, 0, asset.size_bytes)
            entry = Entry(asset.size_bytes, digest_of(body))
            check_unchanged(asset)
            if not await self._copied(asset, entry):
                await self._send_whole(asset, body, entry)

        await bounded_map(place, assets, limit=self._limits.small)

    async def place_large(self, assets: Sequence[Asset]) -> None:
        async def place(asset: Asset) -> None:
            if asset.size_bytes in self._source_sizes:
                digest = await fingerprint(asset, self._limits.part_bytes, self._large_requests)
                entry = Entry(asset.size_bytes, digest)
                if await self._copied(asset, entry):
                    return
            await self._send_in_parts(asset)

        await bounded_map(place, assets, limit=self._limits.large)

    async def _copied(self, asset: Asset, entry: Entry) -> bool:
        source = self._sources.get(entry)
        if source is None:
            return False
        try:
            await self._store.copy(source, asset.key(self._build_id), asset.headers)
        except NotFound:  # purged since its ledger was read
            return False
        self.copied += 1
        self._placed(asset, entry)
        return True

    async def _send_whole(self, asset: Asset, body: bytes, entry: Entry) -> None:
        key = asset.key(self._build_id)
        await self._store.put(key, body, asset.headers, sha256=entry.fingerprint)
        self._sent(asset, entry)

    async def _send_in_parts(self, asset: Asset) -> None:
        key = asset.key(self._build_id)
        sizes = part_sizes(asset.size_bytes, self._limits.part_bytes)
        if len(sizes) == 1:
            async with self._large_requests:
                body = await to_thread.run_sync(read_part, asset, 0, asset.size_bytes)
                sha256 = await to_thread.run_sync(digest_of, body)
                check_unchanged(asset)
                await self._send_whole(asset, body, Entry(asset.size_bytes, sha256))
            return
        upload_id = await shielded(
            lambda: self._store.begin_multipart(key, asset.headers),
            deadline_s=BEGIN_DEADLINE_S,
            what=f"beginning the upload of {asset.path}",
        )
        try:
            parts = await self._send_parts(asset, key, upload_id, sizes)
            check_unchanged(asset)
            await self._store.complete_multipart(key, upload_id, parts, size_bytes=asset.size_bytes)
        except BaseException:
            with suppress(AwsError), move_on_after(ABORT_DEADLINE_S, shield=True):
                await self._store.abort_multipart(key, upload_id)
            raise
        self._sent(asset, Entry(asset.size_bytes, compose([part.sha256 for part in parts])))

    async def _send_parts(
        self, asset: Asset, key: str, upload_id: str, sizes: Sequence[int]
    ) -> list[Part]:
        async def send(numbered: tuple[int, int]) -> Part:
            number, size_bytes = numbered
            async with self._large_requests:
                offset = (number - 1) * sizes[0]
                body = await to_thread.run_sync(read_part, asset, offset, size_bytes)
                sha256 = await to_thread.run_sync(digest_of, body)
                return await self._store.put_part(key, upload_id, number, body, sha256=sha256)

        return await bounded_map(send, enumerate(sizes, start=1), limit=self._limits.large)

    def _sent(self, asset: Asset, entry: Entry) -> None:
        self.sent += 1
        self.sent_bytes += asset.size_bytes
        self._placed(asset, entry)

    def _placed(self, asset: Asset, entry: Entry) -> None:
        self.ledger[asset.path] = entry
        self._report(Progress(Step.UPLOAD, len(self.ledger), self._total, "files", asset.path))
