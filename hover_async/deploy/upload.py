"""Assets to the build's own directory of the bucket: many at once, large ones in parallel parts.

A ledger (`hover/ledgers/<build_id>.json`) is written once every object stands: it names each file's
size and fingerprint. Its presence makes a repeated deploy of the same build send nothing, and the
next build copies inside S3 whatever did not change.

A fingerprint is the base64 SHA-256 of the content; of a file in parts, the SHA-256 over the parts'
digests with the number of parts behind it, as S3 itself composes checksums.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import CapacityLimiter, move_on_after, to_thread

from hover_async.assets import PART_BYTES, Asset, part_sizes
from hover_async.concurrency import bounded_map, shielded, task_group
from hover_async.errors import AssetChanged, AwsError, Conflict, NotFound
from hover_async.events import Progress, Reporter, Step
from hover_async.ports import AssetStore, Documents, Part
from hover_async.values import BuildId

SMALL_BYTES = 1024 * 1024
"""Up to this a file is read and hashed where we stand: quicker than handing it to a thread."""


BEGIN_DEADLINE_S = 15
"""For the id of a multipart upload, which must be known even when the run is cancelled."""
ABORT_DEADLINE_S = 10
"""How long a cancelled run may take to forget a multipart upload; a lifecycle rule is the net."""


@dataclass(frozen=True)
class UploadLimits:
    """What bounds the memory: `small` bodies of at most 1 MiB plus `large` ones of at most a part.

    S3 takes 3,500 writes a second per prefix; these stay far below it from one machine.
    """

    small: int = 64
    large: int = 8
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
class Entry:
    """A line of the ledger."""

    size_bytes: int
    fingerprint: str


Ledger = Mapping[str, Entry]


def ledger_key(build_id: BuildId) -> str:
    return f"hover/ledgers/{build_id}.json"


async def read_ledger(documents: Documents, build_id: BuildId | None) -> Ledger:
    """What stands in a build's directory; empty when that was never completed."""
    document = await documents.read(ledger_key(build_id)) if build_id else None
    try:
        lines = json.loads(document.body) if document else {}
        return {path: Entry(int(size), str(digest)) for path, (size, digest) in lines.items()}
    except (ValueError, TypeError, AttributeError):  # damaged: as good as none
        return {}


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
    if await _stands_already(assets, build_id, store, documents):
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
        await documents.create(ledger_key(build_id), _ledger_body(upload.ledger))
    return UploadedAssets(upload.sent, upload.copied, 0, upload.sent_bytes)


async def _stands_already(
    assets: Sequence[Asset], build_id: BuildId, store: AssetStore, documents: Documents
) -> bool:
    ledger = await read_ledger(documents, build_id)
    sizes = {asset.path: asset.size_bytes for asset in assets}
    if not ledger or {path: entry.size_bytes for path, entry in ledger.items()} != sizes:
        return False
    stored = await store.keys(f"{build_id}/")
    return all(stored.get(asset.key(build_id)) == asset.size_bytes for asset in assets)


def _ledger_body(ledger: Ledger) -> bytes:
    lines = {path: [entry.size_bytes, entry.fingerprint] for path, entry in ledger.items()}
    return json.dumps(lines, sort_keys=True, separators=(",", ":")).encode()


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
            body = _read(asset, 0, asset.size_bytes)
            entry = Entry(asset.size_bytes, _sha256(body))
            _check_unchanged(asset)
            if not await self._copied(asset, entry):
                await self._send_whole(asset, body, entry)

        await bounded_map(place, assets, limit=self._limits.small)

    async def place_large(self, assets: Sequence[Asset]) -> None:
        async def place(asset: Asset) -> None:
            if asset.size_bytes in self._source_sizes:
                entry = Entry(asset.size_bytes, await self._fingerprint(asset))
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
                body = await to_thread.run_sync(_read, asset, 0, asset.size_bytes)
                sha256 = await to_thread.run_sync(_sha256, body)
                _check_unchanged(asset)
                await self._send_whole(asset, body, Entry(asset.size_bytes, sha256))
            return
        upload_id = await shielded(
            lambda: self._store.begin_multipart(key, asset.headers),
            deadline_s=BEGIN_DEADLINE_S,
            what=f"beginning the upload of {asset.path}",
        )
        try:
            parts = await self._send_parts(asset, key, upload_id, sizes)
            _check_unchanged(asset)
            await self._store.complete_multipart(key, upload_id, parts, size_bytes=asset.size_bytes)
        except BaseException:
            with suppress(AwsError), move_on_after(ABORT_DEADLINE_S, shield=True):
                await self._store.abort_multipart(key, upload_id)
            raise
        self._sent(asset, Entry(asset.size_bytes, _compose([part.sha256 for part in parts])))

    async def _send_parts(
        self, asset: Asset, key: str, upload_id: str, sizes: Sequence[int]
    ) -> list[Part]:
        async def send(numbered: tuple[int, int]) -> Part:
            number, size_bytes = numbered
            async with self._large_requests:
                offset = (number - 1) * sizes[0]
                body = await to_thread.run_sync(_read, asset, offset, size_bytes)
                sha256 = await to_thread.run_sync(_sha256, body)
                return await self._store.put_part(key, upload_id, number, body, sha256=sha256)

        return await bounded_map(send, enumerate(sizes, start=1), limit=self._limits.large)

    async def _fingerprint(self, asset: Asset) -> str:
        digests = []
        offset = 0
        for size_bytes in part_sizes(asset.size_bytes, self._limits.part_bytes):
            async with self._large_requests:
                body = await to_thread.run_sync(_read, asset, offset, size_bytes)
                digests.append(await to_thread.run_sync(_sha256, body))
            offset += size_bytes
        return _compose(digests)

    def _sent(self, asset: Asset, entry: Entry) -> None:
        self.sent += 1
        self.sent_bytes += asset.size_bytes
        self._placed(asset, entry)

    def _placed(self, asset: Asset, entry: Entry) -> None:
        self.ledger[asset.path] = entry
        self._report(Progress(Step.UPLOAD, len(self.ledger), self._total, "files", asset.path))


def _read(asset: Asset, offset: int, size_bytes: int) -> bytes:
    """Exactly these bytes; raises `AssetChanged` when the file does not hold them any more."""
    try:
        with asset.file.open("rb") as file:
            file.seek(offset)
            body = file.read(size_bytes)
    except OSError as error:
        raise _changed(asset, error.strerror or str(error)) from error
    if len(body) != size_bytes:
        raise _changed(asset, f"{offset + len(body)} bytes where {asset.size_bytes} were")
    return body


def _check_unchanged(asset: Asset) -> None:
    try:
        status = asset.file.stat()
    except OSError as error:
        raise _changed(asset, error.strerror or str(error)) from error
    if (status.st_size, status.st_mtime_ns) != (asset.size_bytes, asset.modified_ns):
        raise _changed(asset, "another size or time of change")


def _changed(asset: Asset, found: str) -> AssetChanged:
    return AssetChanged(
        f"asset '{asset.path}' changed while it was being sent: {found}",
        hint="let no other program write to .hover/out during a deploy; build again, then deploy",
    )


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _compose(part_digests: Sequence[str]) -> str:
    if len(part_digests) == 1:
        return part_digests[0]
    digests = b"".join(base64.b64decode(digest) for digest in part_digests)
    return f"{_sha256(digests)}-{len(part_digests)}"
