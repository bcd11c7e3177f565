"""The deploy's own upload over the real adapter: planned, hashed, checked, sent, and its ledger."""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from hover_async.assets import plan_assets
from hover_async.aws.objects import Objects
from hover_async.aws.service import Service
from hover_async.aws.signing import Key
from hover_async.aws.storage import S3Assets
from hover_async.aws.wire import Place, open_wire
from hover_async.deploy.ledger import ledger_key
from hover_async.deploy.upload import UploadedAssets, upload_assets
from hover_async.events import silent
from hover_async.testing.storage import FakeDocuments
from hover_async.testing.world import World
from hover_async.values import BuildId

BEFORE, NOW = BuildId("b20261125T063100Z-00000001"), BuildId("b20261125T063200Z-00000002")


async def key(is_expired: bool) -> Key:  # noqa: FBT001 - as it is called
    del is_expired
    return Key("AKIDEXAMPLE", "a-secret")


async def send(
    url: str, root: Path, certificate: str, ledger: bytes
) -> tuple[UploadedAssets, bytes]:
    """`ledger` is that of an earlier build with the same files, or empty; returns the new one."""
    at = urlsplit(url)
    tls = ssl.create_default_context(cafile=certificate) if at.scheme == "https" else None
    place = Place(at.hostname or "", at.port or 0, tls)
    documents = FakeDocuments(World(latency_s={"documents.create": 0, "documents.read": 0}))
    if ledger:
        await documents.create(ledger_key(BEFORE), ledger)
    async with open_wire(place) as wire:
        store = S3Assets(
            Service(None),  # the SDK's client: it is asked for nothing but multipart uploads
            "bucket",
            owner="123456789012",
            region="us-east-1",
            base_url=url,
            tags={},
            objects=Objects(wire, key, region="us-east-1", prefix="/bucket/"),
        )
        assets = plan_assets(root, lambda _: "public, max-age=31536000, immutable")
        done = await upload_assets(
            assets, NOW, store, documents, silent, previous=BEFORE if ledger else None
        )
    return done, documents.documents[ledger_key(NOW)].body


def main() -> None:
    url, directory, _, certificate, *kept = sys.argv[1:]
    ledger = Path(kept[0]) if kept else None
    before = ledger.read_bytes() if ledger and ledger.exists() else b""
    uploaded, now = anyio.run(send, url, Path(directory), certificate, before)
    if ledger and not before:
        ledger.write_bytes(now)
    json.dump(vars(uploaded), sys.stdout)


if __name__ == "__main__":
    main()
