"""A local AWS of the tests' own, and what a contract test may ask of the AWS it runs against."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiodocker
import anyio
import pytest

from hover_async.aws.session import open_cloud
from hover_async.local import LocalAws, down, up
from hover_async.ports import Cloud, StackRequest
from hover_async.values import Architecture, Digest, FunctionName

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

OURS = "contract-"
"""How the names of these tests' buckets and repositories begin."""

BOOTSTRAP = r"""#!/bin/busybox sh
# Lambda's runtime loop in a few lines: answers with its build, fails or sleeps when told to.
build=$(busybox cat /build)
next="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while busybox wget -q -S -O /tmp/event "$next/next" 2>/tmp/head; do
  id=$(busybox sed -n 's/^ *lambda-runtime-aws-request-id: *//Ip' /tmp/head | busybox tr -d '\r')
  event=$(busybox cat /tmp/event)
  echo "event: $event"
  case $event in
    *sleep*) busybox sleep 5 ;;
  esac
  case $event in
    *fail*) busybox wget -q -O /dev/null \
      --post-data '{"errorMessage": "asked to fail", "errorType": "Asked"}' "$next/$id/error" ;;
    *) busybox wget -q -O /dev/null \
      --post-data "{\"build\": \"$build\", \"event\": $event}" "$next/$id/response" ;;
  esac
done
"""


@pytest.fixture
def anyio_backend() -> str:
    """The adapters' libraries run on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def ministack() -> Iterator[LocalAws]:
    """A local AWS of this run alone, stopped at its end."""
    instance = f"contract-{os.getpid()}"
    local = anyio.run(_up, instance)
    yield local
    anyio.run(_down, instance)
    anyio.run(_remove_images, f"localhost:{local.port}/{OURS}")


async def _up(instance: str) -> LocalAws:
    return await up(print, instance=instance)


async def _down(instance: str) -> None:
    await down(print, instance=instance)


async def _remove_images(prefix: str) -> None:
    """Those that the engine pulled to run the functions of these tests."""
    async with aiodocker.Docker() as engine:
        for image in await engine.images.list():
            for name in image.get("RepoDigests") or ():
                if name.startswith(prefix):
                    await engine.images.delete(name, force=True)


class Backend(Protocol):
    """An AWS under the contract: its ports, and what no port does but a test must have done."""

    cloud: Cloud

    async def push(self, tag: str, *, build: str) -> Digest:
        """Put an image for Lambda, whose function answers `build`, into the registry."""

    async def push_index(self, tag: str) -> Digest:
        """Put what buildx pushes by default into the registry: an index."""

    async def make_function(self, digest: Digest) -> FunctionName:
        """A function of that image, with an alias `live` at `$LATEST`, ready to be published."""

    async def update_function(self, function: FunctionName, digest: Digest) -> None:
        """Give the function that image, and wait until it has it."""


@dataclass
class MiniStackBackend:
    """The real adapters on the local AWS."""

    cloud: Cloud
    busybox: Path

    async def push(self, tag: str, *, build: str) -> Digest:
        return await self._put(tag, lambda_image(self.busybox, build))

    async def push_index(self, tag: str) -> Digest:
        image = lambda_image(self.busybox, tag)
        digest = await self._put("part-of-an-index", image)
        platform = {"os": "linux", "architecture": "amd64"}
        entry = {
            "mediaType": DOCKER_MANIFEST,
            "digest": digest,
            "size": len(image.manifest),
            "platform": platform,
        }
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        return await self._put(tag, Image(OCI_INDEX, json.dumps(index).encode(), {}))

    async def make_function(self, digest: Digest) -> FunctionName:
        function = FunctionName(f"f-{secrets.token_hex(4)}")
        await self.cloud.stacks.create(self._stack(function, digest))
        await self._wait_until_updated(function)
        return function

    async def update_function(self, function: FunctionName, digest: Digest) -> None:
        await self.cloud.stacks.update(self._stack(function, digest))
        await self._wait_until_updated(function)

    def _stack(self, function: FunctionName, digest: Digest) -> StackRequest:
        uri = self.cloud.registry.deployable(digest)
        return StackRequest(
            f"stack-{function}",
            json.dumps(function_template(function, uri)),
            template_is_url=False,
            role_arn=None,
            tags={},
            token=f"t-{secrets.token_hex(8)}",
        )

    async def _wait_until_updated(self, function: FunctionName) -> None:
        with anyio.fail_after(60):
            while True:
                stack = await self.cloud.stacks.describe(f"stack-{function}")
                if stack and stack.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    return
                await anyio.sleep(0.1)

    async def _put(self, tag: str, image: Image) -> Digest:
        host, _, name = (await self.cloud.registry.ensure_repository()).partition("/")
        return await anyio.to_thread.run_sync(push_image, host, name, tag, image)


def function_template(function: FunctionName, uri: str) -> Mapping[str, Any]:
    """A stack of one image function with its `live` alias."""
    code = {
        "FunctionName": function,
        "PackageType": "Image",
        "Code": {"ImageUri": uri},
        "Role": "arn:aws:iam::000000000000:role/lambda",
        "Timeout": 30,
        "MemorySize": 128,
    }
    live = {"FunctionName": {"Ref": "Fn"}, "FunctionVersion": "$LATEST", "Name": "live"}
    return {
        "Resources": {
            "Fn": {"Type": "AWS::Lambda::Function", "Properties": code},
            "Live": {"Type": "AWS::Lambda::Alias", "Properties": live},
        }
    }


@dataclass(frozen=True)
class Image:
    """An image as a registry takes it: its manifest, and its blobs by digest."""

    media_type: str
    manifest: bytes
    blobs: Mapping[str, bytes]


def lambda_image(busybox: Path, build: str, *, bootstrap: str = BOOTSTRAP) -> Image:
    """About a megabyte: busybox, the runtime loop, and the text it answers with."""
    files = {"bin/busybox": busybox.read_bytes(), "bootstrap": bootstrap.encode()}
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name, content in {**files, "build": build.encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for name in ("tmp", "usr/local/bin"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
    packed = gzip.compress(layer.getvalue(), mtime=0, compresslevel=1)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": ["/usr/local/bin/aws-lambda-rie", "/bootstrap"],
                "Env": ["PATH=/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [_sha256(layer.getvalue())]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _descriptor(DOCKER_CONFIG, config),
        "layers": [_descriptor(DOCKER_LAYER, packed)],
    }
    blobs = {_sha256(blob): blob for blob in (config, packed)}
    return Image(DOCKER_MANIFEST, json.dumps(manifest).encode(), blobs)


def push_image(host: str, name: str, tag: str, image: Image) -> Digest:
    """What `docker push` does, without an engine: the blobs, then the manifest under its tag."""
    registry = HTTPConnection(host, timeout=30)
    for digest, blob in image.blobs.items():
        at = _request(registry, "POST", f"/v2/{name}/blobs/uploads/", b"", "")["location"]
        path = urlsplit(at)._replace(scheme="", netloc="").geturl()
        joint = "&" if "?" in path else "?"
        _request(registry, "PUT", f"{path}{joint}digest={digest}", blob, "application/octet-stream")
    path = f"/v2/{name}/manifests/{tag}"
    _request(registry, "PUT", path, image.manifest, image.media_type)
    registry.close()
    return Digest(_sha256(image.manifest))


def _request(
    registry: HTTPConnection, method: str, path: str, body: bytes, kind: str
) -> Mapping[str, str]:
    registry.request(method, path, body, {"Content-Type": kind})
    answer = registry.getresponse()
    said = answer.read()
    assert answer.status in {201, 202}, (method, path, answer.status, said)
    return {key.lower(): value for key, value in answer.getheaders()}


def _descriptor(media_type: str, blob: bytes) -> Mapping[str, object]:
    return {"mediaType": media_type, "size": len(blob), "digest": _sha256(blob)}


def _sha256(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A busybox that needs no libraries: the machine's own, else Debian's package unpacked."""
    found = shutil.which("busybox")
    if found and b"ld-linux" not in Path(found).read_bytes()[:4096]:
        return Path(found)
    directory = tmp_path_factory.mktemp("busybox")
    subprocess.run(["apt-get", "download", "busybox-static"], cwd=directory, check=True)
    package = next(directory.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    return directory / "bin" / "busybox"


@pytest.fixture
async def backend(ministack: LocalAws, busybox: Path) -> AsyncIterator[Backend]:
    """An AWS with a bucket and a repository name that nobody has used yet."""
    name = f"{OURS}{secrets.token_hex(4)}"
    async with open_cloud(
        region=ministack.region,
        profile=None,
        endpoint_url=ministack.endpoint_url,
        bucket=f"{name}-assets",
        repository=name,
        architecture=Architecture.X86_64,
        tags={"stage": name},
        max_connections=20,
    ) as cloud:
        yield MiniStackBackend(cloud, busybox)


@pytest.fixture
def cloud(backend: Backend) -> Cloud:
    """The ports of `backend`."""
    return backend.cloud
