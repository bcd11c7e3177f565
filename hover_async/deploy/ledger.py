"""What a build's directory in the bucket holds, and how it is told whether a file is the same.

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
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from hover_async.assets import Asset, opened, part_sizes
from hover_async.errors import AssetChanged
from hover_async.ports import AssetStore, Document, Documents
from hover_async.values import BuildId

LEDGERS = "hover/ledgers/"


@dataclass(frozen=True)
class Entry:
    """A line of the ledger."""

    size_bytes: int
    fingerprint: str


Ledger = Mapping[str, Entry]


def ledger_key(build_id: BuildId) -> str:
    return f"{LEDGERS}{build_id}.json"


async def read_ledger(documents: Documents, build_id: BuildId | None) -> Ledger:
    """What stands in a build's directory; empty when that was never completed."""
    document = await documents.read(ledger_key(build_id)) if build_id else None
    return (_ledger_in(document) or {}) if document else {}


def _ledger_in(document: Document) -> Ledger | None:
    """None when it is damaged, which is as good as none."""
    try:
        lines = json.loads(document.body)
        return {path: Entry(int(size), str(digest)) for path, (size, digest) in lines.items()}
    except (ValueError, TypeError, AttributeError):
        return None


async def why_not_whole(build_id: BuildId, store: AssetStore, documents: Documents) -> str | None:
    """Why a build's directory is not as its ledger says; None when every object stands."""
    document = await documents.read(ledger_key(build_id))
    ledger = _ledger_in(document) if document else None
    if ledger is None:
        return "their ledger is damaged" if document else "there is no ledger of them"
    stored = await store.keys(f"{build_id}/") if ledger else {}
    missing = sorted(
        path
        for path, entry in ledger.items()
        if stored.get(f"{build_id}/{path}") != entry.size_bytes
    )
    if not missing:
        return None
    return f"{len(missing)} of {len(ledger)} are gone or of another size, as '{missing[0]}'"


async def stands_already(
    assets: Sequence[Asset], build_id: BuildId, store: AssetStore, documents: Documents
) -> bool:
    ledger = await read_ledger(documents, build_id)
    sizes = {asset.path: asset.size_bytes for asset in assets}
    if not ledger or {path: entry.size_bytes for path, entry in ledger.items()} != sizes:
        return False
    stored = await store.keys(f"{build_id}/")
    return all(stored.get(asset.key(build_id)) == asset.size_bytes for asset in assets)


def ledger_body(ledger: Ledger) -> bytes:
    lines = {path: [entry.size_bytes, entry.fingerprint] for path, entry in ledger.items()}
    return json.dumps(lines, sort_keys=True, separators=(",", ":")).encode()


async def fingerprint(asset: Asset, part_bytes: int, requests: CapacityLimiter) -> str:
    """Of the parts that the file would be sent in; `requests` bounds the parts in memory."""
    digests = []
    offset = 0
    for size_bytes in part_sizes(asset.size_bytes, part_bytes) or [0]:
        async with requests:
            body = await to_thread.run_sync(read_part, asset, offset, size_bytes)
            digests.append(await to_thread.run_sync(digest_of, body))
        offset += size_bytes
    return compose(digests)


def read_part(asset: Asset, offset: int, size_bytes: int) -> bytes:
    """Exactly these bytes; raises `AssetChanged` when the file does not hold them any more."""
    try:
        with opened(asset) as file:
            file.seek(offset)
            body = file.read(size_bytes) or b""
            while more := file.read(size_bytes - len(body)):  # file systems may give less at once
                body += more
    except OSError as error:
        raise _changed(asset, error.strerror or str(error)) from error
    if len(body) != size_bytes:
        raise _changed(asset, f"{offset + len(body)} bytes where {asset.size_bytes} were")
    return body


def check_unchanged(asset: Asset) -> None:
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


def digest_of(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def compose(part_digests: Sequence[str]) -> str:
    if len(part_digests) == 1:
        return part_digests[0]
    digests = b"".join(base64.b64decode(digest) for digest in part_digests)
    return f"{digest_of(digests)}-{len(part_digests)}"
