"""Building a stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.project import manifest_path
from hover_async.events import Reporter, silent, steadfast

if TYPE_CHECKING:
    from hover_async.build_record import BuildRecord


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
    manifest = load_manifest(manifest_path(root, stage))
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
