"""Stages of any number of functions on the local AWS, with an image of one megabyte.

The deploy is the real one over the real adapters; only Docker is left out: the image goes straight
to the registry, and what runs in it is a shell that answers pings and jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import yaml

from hover_async.assets import Asset
from hover_async.aws.session import open_cloud
from hover_async.build_record import BuildRecord
from hover_async.deploy.deployment import Deployment, Order
from hover_async.deploy.lock import Holder
from hover_async.deploy.process import deploy_build
from hover_async.events import Event
from hover_async.local import LocalAws
from hover_async.manifest import load_manifest
from hover_async.ports import Cloud, ImageInfo, RegistryLogin
from hover_async.values import Architecture, BuildId, Edge, FunctionName, ImageRef, Lane, Version
from tests.contract.conftest import OURS, Image, lambda_image, push_image

ANSWERING = r"""#!/bin/busybox sh
# Lambda's runtime loop: answers as a warm container and as a worker, and tells a witness.
next="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while busybox wget -q -S -O /tmp/event "$next/next" 2>/tmp/head; do
  id=$(busybox sed -n 's/^ *lambda-runtime-aws-request-id: *//Ip' /tmp/head | busybox tr -d '\r')
  [ -z "WITNESS" ] || busybox wget -q -O /dev/null --post-data "$(busybox cat /tmp/event)" \
    "WITNESS/$AWS_LAMBDA_FUNCTION_NAME/$AWS_LAMBDA_FUNCTION_VERSION"
  busybox wget -q -O /dev/null --post-data \
    "{\"instance\": \"$HOSTNAME\", \"cold\": true, \"boot_ms\": 1, \"batchItemFailures\": []}" \
    "$next/$id/response"
done
"""
ENDS_WITHIN_S = 120


@dataclass
class TinyImages:
    """`ImagePusher` of one image: build ids are its tags."""

    image: Image

    async def inspect(self, image: str) -> ImageInfo | None:
        return ImageInfo(f"sha256:{image}", Architecture.X86_64, 1_000_000)

    async def push(
        self,
        image: str,
        target: ImageRef,
        login: RegistryLogin,
        on_progress: Callable[[int, int], None],
    ) -> None:
        del image, login
        host, _, name = target.repository.partition("/")
        await anyio.to_thread.run_sync(push_image, host, name, target.tag or "", self.image)
        on_progress(1, 1)


@dataclass
class TinyStage:
    """A stage under a name of its own. `events` are those of its last deploy."""

    cloud: Cloud
    edge: Edge
    busybox: Path
    directory: Path
    region: str
    name: str = field(default_factory=lambda: f"{OURS}{secrets.token_hex(3)}")
    builds: int = 0
    witness: str = ""
    """Where the functions tell what they are given, and which version they are: a URL."""
    events: list[Event] = field(default_factory=list)
    assets: Sequence[Asset] = ()

    def order(self, queue: Mapping[str, object], **keys: object) -> Order:
        """A new build of the stage with these queue functions."""
        self.builds += 1
        build_id = BuildId(f"b20261123T{self.builds:06}Z-{secrets.token_hex(4)}")
        role = "arn:aws:iam::000000000000:role/r"
        written = {
            "name": self.name,
            "region": self.region,
            "auth": {"stack-role": role, "lambda-role": role},
            "http": {"warm": 0},
            "cli": {"schedule": False},
            "queue": queue,
            **keys,
        }
        file = self.directory / "dev.yml"
        file.write_text(yaml.safe_dump(written, sort_keys=False))
        record = BuildRecord(
            stage="dev",
            build_id=build_id,
            image=f"dev:{build_id}",
            image_id=f"sha256:dev:{build_id}",
            architecture=Architecture.X86_64,
            manifest_hash="hash",
            created_at=datetime.now(UTC),
            git_revision=None,
        )
        return Order(record, load_manifest(file), self.assets, Holder.me(build_id), self.edge)

    async def deploy(
        self, queue: Mapping[str, object], *, lane: Lane = Lane.STACK, **keys: object
    ) -> Deployment:
        order = replace(self.order(queue, **keys), lane=lane)
        bootstrap = ANSWERING.replace("WITNESS", self.witness)
        image = lambda_image(self.busybox, order.build.build_id, bootstrap=bootstrap)
        self.events.clear()
        return await deploy_build(order, self.cloud, TinyImages(image), self.events.append)

    async def live(self) -> Mapping[FunctionName, Version]:
        """Where every function's `live` points, asked of AWS."""
        places = await self.cloud.stacks.functions(self.name)
        found = {}
        for function in places:
            alias = await self.cloud.functions.alias(function, "live")
            assert alias
            found[function] = alias.version
        return found

    async def delete(self) -> None:
        """Delete the stack, and wait until it is gone."""
        standing = await self.cloud.stacks.describe(self.name)
        assert standing
        await self.cloud.stacks.delete(self.name, token=f"delete-{secrets.token_hex(8)}")
        with anyio.fail_after(ENDS_WITHIN_S):
            while await self.cloud.stacks.describe(standing.id):  # noqa: ASYNC110 - AWS tells nobody
                await anyio.sleep(0.2)


@asynccontextmanager
async def tiny_stage(local: LocalAws, busybox: Path, directory: Path) -> AsyncIterator[TinyStage]:
    """A stage that nobody has deployed yet."""
    name = f"{OURS}{secrets.token_hex(3)}"
    async with open_cloud(
        region=local.region,
        profile=None,
        endpoint_url=local.endpoint_url,
        bucket=f"{name}-assets",
        repository=name,
        architecture=Architecture.X86_64,
        tags={},
        max_connections=40,
    ) as cloud:
        edge = Edge(local.edge_url, f"localhost:{local.port}")
        yield TinyStage(cloud, edge, busybox, directory, local.region, name)
