"""The releases of a stage, and going back to one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.project import manifest_path, only_stage
from hover_async.api.target import AWS, Target, open_stage
from hover_async.errors import UsageError
from hover_async.events import Reporter, silent
from hover_async.values import BuildId

if TYPE_CHECKING:
    from hover_async.deploy.history import History
    from hover_async.deploy.rollback import Rollback


async def releases(
    stage: str | None = None,
    *,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
) -> History:
    """Every release of the stage, the latest first. A stage that was never deployed has none."""
    from hover_async.deploy.history import read_history
    from hover_async.manifest import load_manifest

    root = Path(project)
    stage = stage or only_stage(root)
    manifest = load_manifest(manifest_path(root, stage))
    async with open_stage(manifest, profile=profile, target=target) as cloud:
        return await read_history(stage, cloud.documents)


async def rollback(
    stage: str | None = None,
    *,
    to: str | None = None,
    project: str | Path = ".",
    profile: str | None = None,
    target: Target = AWS,
    wait_s: float = 0.0,
    report: Reporter = silent,
) -> Rollback:
    """Take an earlier release live again, or change nothing live.

    `to` is its build id; None is the release that was live before. Needs no build, only the
    stage's manifest. Deploy commands are not run, and migrations are not undone. Raises
    `HoverError` with the exit codes of a deploy; `RollbackRefused` where the release cannot be gone
    back to as a whole. Cancelling before activation moves no alias; during it, the flip is finished
    or undone first.
    """
    from hover_async.concurrency import finish_or_cancel, shielded_leaving
    from hover_async.deploy.lock import Holder
    from hover_async.deploy.rollback import roll_back
    from hover_async.manifest import load_manifest

    root = Path(project)
    name = stage or only_stage(root)
    manifest = load_manifest(manifest_path(root, name))
    build_id = _build_id(to)
    holder = Holder.me(build_id or "", doing="rolling back to" if build_id else "rolling back")

    async def work() -> Rollback:
        with shielded_leaving() as leave:
            async with open_stage(manifest, profile=profile, target=target) as cloud:
                try:
                    return await roll_back(
                        name, manifest, build_id, holder, cloud, report, wait_s=wait_s
                    )
                finally:
                    leave()

    return await finish_or_cancel(work)


def _build_id(text: str | None) -> BuildId | None:
    try:
        return BuildId(text) if text is not None else None
    except ValueError as error:
        raise UsageError(
            f"'{text}' is no build id",
            hint="one looks like b20261123T063100Z-7f3a9c1d; 'hover-async releases' lists them",
        ) from error
