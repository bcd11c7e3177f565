"""The deploy's own upload over the real adapter: planned, hashed, checked, sent, and its ledger."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from hover_async.assets import PART_BYTES, plan_assets
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


async def key(expired: Key | None) -> Key:
    del expired
    return Key("AKIDEXAMPLE", "a-secret")


@asynccontextmanager
async def sdk(url: str, root: Path, certificate: str) -> AsyncIterator[Service]:
    """The SDK's client, which begins and ends multipart uploads; not made where there are none."""
    if not any(file.stat().st_size > PART_BYTES for file in root.iterdir()):  # noqa: ASYNC240
        yield Service(None)
        return
    import aioboto3
    from aiobotocore.config import AioConfig

    session = aioboto3.Session("AKIDEXAMPLE", "a-secret", region_name="us-east-1")
    config = AioConfig(s3={"addressing_style": "path"})
    async with session.client("s3", endpoint_url=url, verify=certificate, config=config) as client:
        yield Service(client)


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
    async with open_wire(place) as wire, sdk(url, root, certificate) as service:
        store = S3Assets(
            service,
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
    began = time.perf_counter()
    _, now = anyio.run(send, url, Path(directory), certificate, before)
    print(time.perf_counter() - began)
    if ledger and not before:
        ledger.write_bytes(now)


if __name__ == "__main__":
    main()
