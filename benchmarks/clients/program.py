"""A program that awaits `upload_assets` over the real adapter, and ends as the command line does.

    python -m benchmarks.clients.program URL DIRECTORY PATIENCE_S

`PATIENCE_S` is how long a request is repeated that finds nobody; a deploy's own is 60 s.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import aioboto3
from aiobotocore.config import AioConfig

from hover_async.assets import plan_assets
from hover_async.aws import storage
from hover_async.aws.object_access import open_objects
from hover_async.aws.service import Service
from hover_async.cli.main import fail
from hover_async.cli.run import run
from hover_async.deploy.upload import upload_assets
from hover_async.errors import HoverError
from hover_async.events import silent
from hover_async.testing.storage import FakeDocuments
from hover_async.testing.world import World
from hover_async.values import BuildId

REGION = "us-east-1"
NOW = BuildId("b20261125T063200Z-00000002")


async def send(url: str, root: Path) -> None:
    session = aioboto3.Session("AKIDEXAMPLE", "a-secret", region_name=REGION)
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"}
    )
    documents = FakeDocuments(World(latency_s={"documents.create": 0, "documents.read": 0}))
    async with (
        session.client("s3", endpoint_url=url, config=config) as client,
        open_objects(session, url, "bucket", region=REGION, is_local=True) as objects,
    ):
        store = storage.S3Assets(
            Service(client),
            "bucket",
            owner="123456789012",
            region=REGION,
            base_url=url,
            tags={},
            objects=objects,
        )
        assets = plan_assets(root, lambda _: "public, max-age=31536000, immutable")
        await upload_assets(assets, NOW, store, documents, silent)


def main() -> None:
    url, directory, patience_s = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    storage.SAME_BYTES = replace(storage.SAME_BYTES, budget_s=float(patience_s))
    try:
        run(lambda: send(url, Path(directory)))
    except HoverError as error:
        fail(error)


if __name__ == "__main__":
    main()
