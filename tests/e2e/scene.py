"""A stage of six functions and twenty assets, deployed by the real program through the proxy.

Builds are made by hand, in the form that `hover-async build` leaves them: an image of two megabytes
in the Docker Engine, twenty assets of which most are those of the build before, a record. What the
program is run with is its command line and AWS_ENDPOINT_URL; what stands afterwards is asked of
the local AWS itself, past the proxy.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import Any, Final

import botocore.session
import yaml

from hover_async.build_record import ASSETS, MANIFEST, OUT, BuildRecord, write_record
from hover_async.local import LocalAws
from hover_async.values import Architecture, BuildId
from tests.e2e.calls import Call
from tests.e2e.conftest import users_environment
from tests.e2e.proxy import Fault, Proxy, Spoil

QUEUES: Final = ("mail", "media", "search", "billing")
ROLES: Final = ("http", "cli", *(f"{queue}-queue" for queue in QUEUES))
UNCHANGED_ASSETS: Final = 14
NEW_ASSETS: Final = 5
ASSET_COUNT: Final = UNCHANGED_ASSETS + NEW_ASSETS + 1
FILM_BYTES: Final = 9 * 1024 * 1024
"""Above one part of a multipart upload."""
ENDS_WITHIN_S: Final = 300
COMMAND: Final = "example:prepare"

ANSWERING: Final = r"""#!/bin/busybox sh
# Lambda's runtime loop: one answer for pings, commands, pages and jobs alike.
next="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
build=$(busybox cat /build)
while busybox wget -q -S -O /dev/null "$next/next" 2>/tmp/head; do
  while IFS=': ' read -r name value; do
    case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) id=${value%%[!0-9a-f-]*} ;; esac
  done </tmp/head
  busybox wget -q -O /dev/null --post-data \
    "{\"instance\": \"$HOSTNAME\", \"cold\": true, \"boot_ms\": 1, \"batchItemFailures\": [],
      \"output\": \"\", \"exit_code\": 0, \"timed_out\": false, \"duration_ms\": 1,
      \"statusCode\": 200, \"body\": \"$build $AWS_LAMBDA_FUNCTION_VERSION\"}" \
    "$next/$id/response"
done
"""


@dataclass(frozen=True)
class Ended:
    """A run of the program: how it ended, what it said, and every call that it made."""

    arguments: Sequence[str]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    ended_at: float
    calls: Sequence[Call]
    took_effect: Sequence[Call]

    def commands(self, function: str) -> int:
        """How often the function was given something to run."""
        return sum(
            call.operation == "Invoke" and call.subject == function for call in self.took_effect
        )


@dataclass(frozen=True)
class State:
    """What stands on AWS of a build, and of what its deploys may leave behind."""

    live: Mapping[str, str]
    images: Mapping[str, str]
    """The image of the version that each function's `live` points to."""
    weighted: Sequence[str]
    assets: Mapping[str, int]
    uploads: int
    records: Mapping[str, Any]
    status: str


@dataclass
class Project:
    """A project whose stage is called `name`, as nobody else's. Its images go to `registry`."""

    aws: LocalAws
    busybox: Path
    directory: Path
    name: str
    registry: str
    warm: int = 1
    builds: int = 0
    build_id: str = ""
    images: list[str] = field(default_factory=list)

    # Builds

    def build(self) -> str:
        """A new build in the project's `.hover/out`, with an image and assets of its own."""
        self.builds += 1
        self.build_id = f"b20261123T{self.builds:06}Z-{secrets.token_hex(4)}"
        manifest = yaml.safe_dump(self._manifest(), sort_keys=False)
        out = self.directory / OUT
        (self.directory / ASSETS).mkdir(parents=True, exist_ok=True)
        for file in (self.directory / MANIFEST, self.directory / ".hover" / "dev.yml"):
            file.write_text(manifest)
        for path, body in self._assets().items():
            (self.directory / ASSETS / path).write_bytes(body)
        image = f"{self.name}:{self.build_id}"
        image_id = load_image(image, self.build_id, self.busybox)
        self.images.append(image)
        record = BuildRecord(
            stage="dev",
            build_id=BuildId(self.build_id),
            image=image,
            image_id=image_id,
            architecture=Architecture.X86_64,
            manifest_hash="hash",
            created_at=datetime.now(UTC),
            git_revision=None,
        )
        write_record(self.directory, record, out=out.relative_to(self.directory))
        return self.build_id

    def _manifest(self) -> Mapping[str, object]:
        role = "arn:aws:iam::000000000000:role/r"
        return {
            "name": self.name,
            "region": self.aws.region,
            "auth": {"stack-role": role, "lambda-role": role},
            "http": {"warm": self.warm, "health": "/up", "timeout": 29},
            "cli": {"schedule": False, "timeout": 120},
            "queue": {queue: {} for queue in QUEUES},
            "deploy-commands": [COMMAND],
        }

    def _assets(self) -> Mapping[str, bytes]:
        """By path. The large one differs by its last bytes: its hash is what tells them apart."""
        own = self.build_id.encode()
        unchanged = {f"logo-{number:02}.svg": b"<svg/>" * number for number in range(1, 15)}
        new = {f"app-{number}.css": own * number for number in range(1, NEW_ASSETS + 1)}
        film = bytes(FILM_BYTES - len(own)) + own
        assert len(unchanged) == UNCHANGED_ASSETS
        return {**unchanged, **new, "film.mp4": film}

    @property
    def expected_assets(self) -> Mapping[str, int]:
        return {path: len(body) for path, body in self._assets().items()}

    def function(self, role: str) -> str:
        return f"{self.name}-{role}"

    # What stands

    async def state(self) -> State:
        return await asyncio.to_thread(self._state)

    def _state(self) -> State:
        lambdas = self.client("lambda")
        aliases = {
            role: lambdas.get_alias(FunctionName=self.function(role), Name="live") for role in ROLES
        }
        live = {role: alias["FunctionVersion"] for role, alias in aliases.items()}
        images = {
            role: lambdas.get_function(FunctionName=self.function(role), Qualifier=version)["Code"][
                "ImageUri"
            ]
            for role, version in live.items()
        }
        weighted = [
            role
            for role, alias in aliases.items()
            if alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        ]
        s3 = self.client("s3")
        stack = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return State(
            live,
            images,
            weighted,
            self._objects(f"{self.build_id}/"),
            len(s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])),
            {
                key: json.loads(self._body(f"hover/{key}"))
                for key in self._objects("hover/")
                if key in {"lock.json", "activation.json", "live.json"} or self.build_id in key
            },
            stack["StackStatus"],
        )

    def pushed(self) -> str:
        """The image of the build as its functions must name it, by the registry's own digest."""
        found = self.client("ecr").describe_images(
            repositoryName=self.name, imageIds=[{"imageTag": self.build_id}]
        )
        digest = found["imageDetails"][0]["imageDigest"]
        return f"{self.registry}/{self.name}@{digest}"

    @property
    def bucket(self) -> str:
        return f"{self.name}-assets"

    def _objects(self, prefix: str) -> Mapping[str, int]:
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return {
            entry["Key"].removeprefix(prefix): entry["Size"] for entry in found.get("Contents", ())
        }

    def _body(self, key: str) -> bytes:
        body: bytes = self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def client(self, service: str) -> Any:
        """Of the local AWS itself: what a look costs is no call of the program's."""
        return _session().create_client(
            service,
            region_name=self.aws.region,
            endpoint_url=self.aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - what every local AWS takes
        )

    # Leaving

    def forget_assets(self, build_id: str) -> None:
        """The local AWS keeps them in memory."""
        for key in self._objects(f"{build_id}/"):
            self.client("s3").delete_object(Bucket=self.bucket, Key=f"{build_id}/{key}")

    def abort_uploads(self) -> None:
        """Those that a killed run left open."""
        s3 = self.client("s3")
        for upload in s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            s3.abort_multipart_upload(
                Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )

    def remove_images(self, *, all_but: int = 0) -> None:
        """Of its builds, by the names that the engine has for them; the last ones may stay."""
        gone = self.images[: len(self.images) - all_but]
        pushed = [f"{self.registry}/{image}" for image in gone]
        subprocess.run(
            ["docker", "image", "rm", "--force", *gone, *pushed], capture_output=True, check=False
        )
        self.images = self.images[len(gone) :]


@dataclass
class Scene(Project):
    """A project that is deployed through a proxy of its own."""

    between: Proxy = field(kw_only=True)

    async def run(
        self, *arguments: str, fault: Fault | None = None, within_s: float = ENDS_WITHIN_S
    ) -> Ended:
        """The program, to its end; `fault` may be that. What it had sent has taken effect then."""
        self.between.begin(fault)
        begun = time.monotonic()
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hover_async",
            *arguments,
            cwd=self.directory,
            env={**users_environment(), "AWS_ENDPOINT_URL": self.between.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

        def send(which: Signals) -> None:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, which)

        if fault:
            fault.send = send
        try:
            async with asyncio.timeout(within_s):
                stdout, stderr = await program.communicate()
        finally:
            send(Signals.SIGKILL)
            await program.wait()
        ended_at = time.monotonic()
        await self.between.silence()
        assert program.returncode is not None
        return Ended(
            arguments,
            program.returncode,
            stdout.decode(),
            stderr.decode(),
            ended_at - begun,
            ended_at,
            self.between.calls,
            self.between.took_effect,
        )

    async def deploy(self, fault: Fault | None = None) -> Ended:
        return await self.run("deploy", fault=fault)

    async def unlock(self) -> Ended:
        """Take away the lock of a run that is known to be dead."""
        return await self.run("unlock", "--yes", "--force")

    async def recover(self) -> Ended:
        return await self.run("recover")


_SESSIONS: list[botocore.session.Session] = []


def _session() -> botocore.session.Session:
    """One: each loads the models of the services anew."""
    if not _SESSIONS:
        _SESSIONS.append(botocore.session.get_session())
    return _SESSIONS[0]


def load_image(name: str, build_id: str, busybox: Path) -> str:
    """Give the engine an image: busybox, and on top of it what differs. The engine's id of it."""
    mode = 0o755
    layers = [
        _layer({"bin/busybox": busybox.read_bytes()}, mode, directories=("tmp", "usr/local/bin")),
        _layer({"bootstrap": ANSWERING.encode(), "build": build_id.encode()}, mode),
    ]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": ["/usr/local/bin/aws-lambda-rie", "/bootstrap"],
                "Env": ["PATH=/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [_sha256(layer) for layer in layers]},
        }
    ).encode()
    names = [f"{number}.tar" for number in range(len(layers))]
    listed = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    archive = {
        "config.json": config,
        "manifest.json": json.dumps(listed).encode(),
        **dict(zip(names, layers, strict=True)),
    }
    subprocess.run(["docker", "load"], input=_layer(archive, mode), capture_output=True, check=True)
    return _sha256(config)


def _layer(files: Mapping[str, bytes], mode: int, *, directories: Sequence[str] = ()) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in directories:
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _sha256(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def kill_at(call: Call, spoil: Spoil) -> Fault:
    """At this very call: the same operation on the same subject, as often as it came before."""
    return Fault(lambda met: str(met) == str(call), spoil)
