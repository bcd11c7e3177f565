"""The library's entry points, awaited from any asyncio program: `build`, `deploy`, `plan`, ...

They gather what the core needs (project, manifest, AWS, Docker) and hand it to `build/process.py`
and `deploy/process.py`. Heavy modules are imported where they are first needed, so that importing
`hover_async` and `hover-async --help` stay quick.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hover_async.build
import hover_async.deploy
import hover_async.doctor  # noqa: F401 - all now: a later first import would hide the functions
from hover_async.concurrency import finish_or_cancel, shielded_leaving
from hover_async.errors import BuildMissing, LocalError, StageMismatch, UsageError
from hover_async.events import Reporter, silent, steadfast
from hover_async.values import AWS_EDGE, Edge

if TYPE_CHECKING:
    from hover_async.build_record import BuildRecord
    from hover_async.deploy.deployment import Deployment, Order
    from hover_async.deploy.planned import Plan
    from hover_async.doctor.diagnosis import Diagnosis
    from hover_async.manifest import Manifest
    from hover_async.ports import Cloud


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
    from hover_async.deploy.process import deploy_build
    from hover_async.docker.engine import open_engine

    order = _order(Path(project), stage, target)

    async def work() -> Deployment:
        with shielded_leaving() as leave:
            async with (
                open_engine() as engine,
                open_stage(order.manifest, profile=profile, target=target) as cloud,
            ):
                try:
                    return await deploy_build(order, cloud, engine, report)
                finally:
                    leave()

    return await finish_or_cancel(work)


async def plan(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    report: Reporter = silent,
) -> Plan:
    """What `deploy` would do with the project's build, found by reading alone.

    The one thing made on AWS is a change set, which is deleted again whatever happens, also when
    the awaiting task is cancelled. Raises `HoverError` when there is no build or AWS cannot be
    read.
    """
    from hover_async.deploy.plan import plan_build

    order = _order(Path(project), stage, target)

    async def work() -> Plan:
        with shielded_leaving() as leave:
            async with open_stage(order.manifest, profile=profile, target=target) as cloud:
                try:
                    return await plan_build(order, cloud, steadfast(report))
                finally:
                    leave()

    return await finish_or_cancel(work)


async def doctor(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
) -> Diagnosis:
    """Look at everything that a deploy of `stage` needs; nothing is changed.

    `stage` may be left out where there is a build, or only one stage. What is wrong is in the
    diagnosis; `UsageError` is raised only for a stage or manifest that cannot be looked at.
    """
    from hover_async.docker.engine import open_engine
    from hover_async.doctor.examine import examine
    from hover_async.doctor.machine import Patient
    from hover_async.manifest import load_manifest

    root = Path(project)
    stage = stage or _only_stage(root)
    manifest = load_manifest(_manifest_path(root, stage))
    return await examine(
        Patient(root, stage, manifest, target.edge, is_local=target.endpoint_url is not None),
        open_engine,
        lambda: open_stage(manifest, profile=profile, target=target),
    )


def policy(
    name: str,
    stage: str | None = None,
    *,
    project: str | Path = ".",
    account: str | None = None,
    trust: bool = False,
) -> Mapping[str, Any]:
    """The least IAM policy of `name` for a stage, as a policy document.

    `name` is `deployer`, `stack-role` or `lambda-role`; with `trust` it is the policy of who may
    act as it. The account is that of the manifest's roles; `account` is written in its place,
    which may be a placeholder. Raises `UsageError` for another name or a wrong manifest.
    """
    from hover_async import iam
    from hover_async.manifest import load_manifest

    if name not in list(iam.PolicyName):
        raise UsageError(
            f"there is no policy '{name}'", hint=f"it is one of {', '.join(iam.PolicyName)}"
        )
    root = Path(project)
    stage = stage or _only_stage(root)
    manifest = load_manifest(_manifest_path(root, stage))
    wanted = iam.PolicyName(name)
    if trust:
        return iam.trust(wanted, manifest, account=account)
    key = _secrets_key(root / ".hover" / f"{stage}-secrets.json", manifest)
    return iam.policy(wanted, manifest, stage=stage, account=account, secrets_key=key).as_json()


def _only_stage(root: Path) -> str:
    """The stage that is meant where none is named: the build's, or the only one there is."""
    from hover_async.build_record import read_record

    with suppress(BuildMissing):
        return read_record(root).stage
    stages = sorted(file.stem for file in (root / ".hover").glob("*.yml"))
    if len(stages) == 1:
        return stages[0]
    found = f"stages here: {', '.join(stages)}" if stages else "there is no stage here yet"
    raise UsageError(f"no STAGE is given, and there is no build ({found})", hint="name a stage")


def _secrets_key(encrypted: Path, manifest: Manifest) -> str | None:
    """The KMS key of the stage's secrets; None when it has none."""
    try:
        key = json.loads(encrypted.read_text(encoding="utf-8"))["key_id"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        key = None
    return key if isinstance(key, str) else f"alias/{manifest.name}-secrets"


def _order(root: Path, stage: str | None, target: Target) -> Order:
    """The project's build to be deployed. Raises `UsageError` when it is not `stage`'s."""
    from hover_async.assets import plan_assets
    from hover_async.build_record import ASSETS, MANIFEST, read_record
    from hover_async.deploy.deployment import Order
    from hover_async.deploy.lock import Holder
    from hover_async.manifest import load_manifest

    record = read_record(root)
    if stage is not None and stage != record.stage:
        raise StageMismatch(
            f"the build {record.build_id} is of stage '{record.stage}', not '{stage}'",
            hint=f"run 'hover-async build {stage}' first, or deploy '{record.stage}'",
        )
    manifest = load_manifest(root / MANIFEST)
    assets = plan_assets(root / ASSETS, manifest.assets.cache_control_for)
    return Order(record, manifest, assets, Holder.me(record.build_id), target.edge)


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


def _manifest_path(root: Path, stage: str) -> Path:
    if not stage or "/" in stage or stage.startswith("."):
        raise UsageError(f"'{stage}' is no stage name", hint="a stage is a file .hover/STAGE.yml")
    return root / ".hover" / f"{stage}.yml"
