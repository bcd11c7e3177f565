"""The build, whole.

    runtime files ── PHP, encrypted secrets, manifest.json
      ├─ image ── scan of every layer ───────────────┐
      ├─ tests: build their image ── run it ─────────┤ (join) ── record ── .hover/out
      └─ assets: build their image ── copy public/ ──┘

Everything is made beside the last build, in `.hover/out.new`, and takes its place in one rename
when the record stands: a build that fails or is interrupted leaves the last one deployable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread

from hover_async.build.dockerfile import targets
from hover_async.build.images import (
    ImagePlan,
    build_image,
    compile_assets,
    run_tests,
    scan_image,
)
from hover_async.build.project import git_revision, require_buildable
from hover_async.build.workspace import (
    NEW,
    BuildDetails,
    Workspace,
    workspace,
    write_runtime_files,
)
from hover_async.build_record import BuildRecord, write_record
from hover_async.concurrency import task_group
from hover_async.events import Reporter, Step, Warned
from hover_async.manifest import Manifest, advice
from hover_async.ports import ImageBuilder, ImageInfo
from hover_async.steps import step
from hover_async.values import BuildId


async def build_stage(
    project: Path,
    stage: str,
    manifest: Manifest,
    engine: ImageBuilder,
    report: Reporter,
    *,
    skip_tests: bool,
    build_args: Mapping[str, str],
) -> BuildRecord:
    """Build `stage` into `.hover/out` and one local image, `<stage>:<build id>`.

    `build_args` win over the manifest's. Raises `ProjectError` before anything is done,
    `ImageBuildFailed`, `TestsFailed` or `ImageUnsafe` after; then the last build still stands.
    """
    dockerfile = require_buildable(project, stage, manifest.dockerfile)
    await _warn_of_emulation(manifest, engine, report)
    for sentence in advice(manifest):
        report(Warned(sentence))
    revision, now = await git_revision(project), datetime.now(UTC)
    details = BuildDetails(BuildId.new(now), now.isoformat(), manifest.as_written)
    with workspace(project) as fresh:
        plan = ImagePlan(
            project=project,
            stage=stage,
            build_id=details.build_id,
            dockerfile=manifest.dockerfile,
            architecture=manifest.architecture,
            build_args={**manifest.build_args, **build_args},
            application=fresh.application,
        )
        with step(report, Step.RUNTIME) as sum_up:
            count = await to_thread.run_sync(write_runtime_files, fresh, stage, details)
            sum_up(f"{count} files")
        image = await _images(
            plan, targets(dockerfile), engine, report, fresh, skip_tests=skip_tests
        )
        record = BuildRecord(
            stage=stage,
            build_id=details.build_id,
            image=plan.name,
            image_id=image.id,
            architecture=image.architecture,
            manifest_hash=details.manifest_hash,
            created_at=now,
            git_revision=revision,
        )
        write_record(project, record, out=NEW)
        fresh.publish()
    return record


async def _images(
    plan: ImagePlan,
    named: Sequence[str],
    engine: ImageBuilder,
    report: Reporter,
    fresh: Workspace,
    *,
    skip_tests: bool,
) -> ImageInfo:
    """All images at once: the engine runs a stage that they share one time only."""

    async def image() -> ImageInfo:
        built = await build_image(plan, engine, report)
        await scan_image(plan, built, engine, report)
        return built

    assets_target = "assets" if "assets" in named else None
    async with task_group() as images:
        building = images.start_soon(image)
        images.start_soon(compile_assets, plan, assets_target, engine, report, fresh.assets)
        if "tests" in named and not skip_tests:
            images.start_soon(run_tests, plan, engine, report)
    return building.return_value


async def _warn_of_emulation(manifest: Manifest, engine: ImageBuilder, report: Reporter) -> None:
    own = await engine.architecture()
    if own is not manifest.architecture:
        report(
            Warned(
                f"this engine is {own}, the image is for {manifest.architecture}: it is emulated",
                hint="where that fails, install QEMU's binfmt handlers on the engine's machine",
            )
        )
