"""Looking at what a deploy needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.project import manifest_path, only_stage
from hover_async.api.target import AWS, Target, open_stage

if TYPE_CHECKING:
    from hover_async.doctor.diagnosis import Diagnosis


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
    stage = stage or only_stage(root)
    manifest = load_manifest(manifest_path(root, stage))
    return await examine(
        Patient(root, stage, manifest, target.edge, is_local=target.endpoint_url is not None),
        open_engine,
        lambda: open_stage(manifest, profile=profile, target=target),
    )
