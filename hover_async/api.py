"""The library's entry points: `build`, `deploy` and a stage's secrets, for any asyncio program.

They gather what the core needs (project, manifest, AWS, Docker) and hand it to `build/process.py`
and `deploy/process.py`. Heavy modules are imported where they are first needed, so that importing
`hover_async` and `hover-async --help` stay quick.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hover_async.build
import hover_async.deploy  # noqa: F401 - both now: a later first import would hide the functions
from hover_async.concurrency import finish_or_cancel, shielded_leaving
from hover_async.errors import LocalError, StageMismatch, UsageError
from hover_async.events import Reporter, silent, steadfast
from hover_async.values import AWS_EDGE, Edge

if TYPE_CHECKING:
    from hover_async.build_record import BuildRecord
    from hover_async.deploy.deployment import Deployment
    from hover_async.manifest import Manifest
    from hover_async.ports import Cloud, Keys
    from hover_async.secrets.files import Places
    from hover_async.secrets.process import DecryptedSecrets, EncryptedSecrets


@dataclass(frozen=True)
class Target:
    """Where AWS is: the real one, or whatever answers at `endpoint_url`; and its edge."""

    endpoint_url: str | None = None
    edge: Edge = AWS_EDGE


AWS = Target()


def local_target() -> Target:
    """The running local AWS. Raises `LocalError` when none runs."""
    from hover_async.local import endpoint

    running = endpoint()
    if running is None:
        raise LocalError("the local AWS is not running", hint="run 'hover-async local up' first")
    return Target(running.endpoint_url, Edge(running.edge_url, f"localhost:{running.port}"))


async def build(
    stage: str,
    *,
    project: str | Path = ".",
    skip_tests: bool = False,
    build_args: Mapping[str, str] | None = None,
    report: Reporter = silent,
) -> BuildRecord:
    """Build `stage` of the Laravel project: image, compiled assets and runtime files.

    Everything lands in `.hover/out`, replacing an earlier build only once the new one is whole.
    Raises `UsageError` for a wrong manifest or project, `DockerError` when the build or the
    application's tests fail.
    """
    from hover_async.build.process import build_stage
    from hover_async.docker.engine import open_engine
    from hover_async.manifest import load_manifest

    root = Path(project)
    manifest = load_manifest(_manifest_path(root, stage))
    async with open_engine() as engine:
        return await build_stage(
            root,
            stage,
            manifest,
            engine,
            steadfast(report),
            skip_tests=skip_tests,
            build_args=build_args or {},
        )


async def deploy(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    report: Reporter = silent,
) -> Deployment:
    """Take the project's build live, or change nothing live.

    `stage` may be left out; given, it must be the build's. `profile` wins over the manifest's.
    Raises `HoverError`; its `exit_code` tells what is live (see `deploy_build`). Cancelling the
    awaiting task before activation moves no alias; during it, the flip is finished or undone
    first, and a deploy that finished returns as if it had not been cancelled.
    """
    from hover_async.assets import plan_assets
    from hover_async.build_record import ASSETS, MANIFEST, read_record
    from hover_async.deploy.deployment import Order
    from hover_async.deploy.lock import Holder
    from hover_async.deploy.process import deploy_build
    from hover_async.docker.engine import open_engine
    from hover_async.manifest import load_manifest

    root = Path(project)
    record = read_record(root)
    if stage is not None and stage != record.stage:
        raise StageMismatch(
            f"the build {record.build_id} is of stage '{record.stage}', not '{stage}'",
            hint=f"run 'hover-async build {stage}' first, or deploy '{record.stage}'",
        )
    manifest = load_manifest(root / MANIFEST)
    assets = plan_assets(root / ASSETS, manifest.assets.cache_control_for)
    order = Order(record, manifest, assets, Holder.me(record.build_id), target.edge)

    async def work() -> Deployment:
        with shielded_leaving() as leave:
            async with (
                open_engine() as engine,
                open_stage(manifest, profile=profile, target=target) as cloud,
            ):
                try:
                    return await deploy_build(order, cloud, engine, report)
                finally:
                    leave()

    return await finish_or_cancel(work)


async def encrypt_secrets(
    stage: str,
    *,
    project: str | Path = ".",
    create_key: bool = False,
    profile: str | None = None,
    target: Target = AWS,
) -> EncryptedSecrets:
    """Encrypt the stage's plain secrets for its image, and remove the plain file.

    `create_key` makes the KMS key if there is none of its alias. Raises `UsageError` for what is
    wrong with the files, `AwsError` for KMS; then both files are as they were, but for a plain file
    that somebody changed meanwhile: that one stays as well.
    """
    from hover_async.secrets.process import encrypt_stage, plain_secrets

    manifest, places = _secrets_of(stage, project)
    plain_secrets(places, manifest)  # what is wrong in there is told without asking AWS
    async with _open_keys(manifest, profile=profile, target=target) as keys:
        return await encrypt_stage(places, manifest, keys, create_key=create_key)


async def decrypt_secrets(
    stage: str,
    *,
    project: str | Path = ".",
    overwrite: bool = False,
    profile: str | None = None,
    target: Target = AWS,
) -> DecryptedSecrets:
    """Write the stage's secrets into its plain file, readable by its owner alone.

    Raises `ProjectError` when there is one already, unless `overwrite`; else as `list_secrets`.
    """
    from hover_async.secrets.process import decrypt_stage, sealed_secrets

    manifest, places = _secrets_of(stage, project)
    if not overwrite:
        places.require_no_plain()
    sealed_secrets(places)  # what is wrong with it is told without asking AWS
    async with _open_keys(manifest, profile=profile, target=target) as keys:
        return await decrypt_stage(places, keys, overwrite=overwrite)


async def list_secrets(
    stage: str, *, project: str | Path = ".", profile: str | None = None, target: Target = AWS
) -> Mapping[str, bool]:
    """The names of the stage's secrets; True: it is used instead of the manifest's `environment`.

    Raises `UsageError` when the file is missing or was changed, `AwsError` for KMS.
    """
    from hover_async.secrets.process import read_stage, sealed_secrets

    manifest, places = _secrets_of(stage, project)
    sealed_secrets(places)  # what is wrong with it is told without asking AWS
    async with _open_keys(manifest, profile=profile, target=target) as keys:
        secrets = await read_stage(places, keys)
    return {name: name in manifest.environment for name in secrets}


@asynccontextmanager
async def _open_keys(
    manifest: Manifest, *, profile: str | None, target: Target
) -> AsyncIterator[Keys]:
    from hover_async.aws.session import open_keys

    async with open_keys(
        region=manifest.region,
        profile=profile or (None if target.endpoint_url else manifest.aws_profile),
        endpoint_url=target.endpoint_url,
        tags=manifest.tags,
    ) as keys:
        yield keys


@asynccontextmanager
async def open_stage(
    manifest: Manifest, *, profile: str | None = None, target: Target = AWS
) -> AsyncIterator[Cloud]:
    """The stage's AWS account and region, credentials checked."""
    from hover_async.aws.session import open_cloud

    async with open_cloud(
        region=manifest.region,
        profile=profile or (None if target.endpoint_url else manifest.aws_profile),
        endpoint_url=target.endpoint_url,
        bucket=manifest.bucket,
        repository=manifest.repository,
        architecture=manifest.architecture,
        tags=manifest.tags,
        max_connections=max(MIN_CONNECTIONS, manifest.http.warm + 8),
    ) as cloud:
        yield cloud


MIN_CONNECTIONS = 80
"""botocore's pool of 10 would hold back 64 uploads at once, or the pings that warm containers."""


def _secrets_of(stage: str, project: str | Path) -> tuple[Manifest, Places]:
    from hover_async.manifest import load_manifest
    from hover_async.secrets.files import Places

    root = Path(project)
    return load_manifest(_manifest_path(root, stage)), Places(root, stage)


def _manifest_path(root: Path, stage: str) -> Path:
    if not stage or "/" in stage or stage.startswith("."):
        raise UsageError(f"'{stage}' is no stage name", hint="a stage is a file .hover/STAGE.yml")
    return root / ".hover" / f"{stage}.yml"
