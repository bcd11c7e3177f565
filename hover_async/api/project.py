"""The project's stages and its build, as they are on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.target import Target
from hover_async.errors import BuildMissing, ProjectError, StageMismatch, UsageError
from hover_async.events import Reporter, Warned

if TYPE_CHECKING:
    from hover_async.deploy.deployment import Order
    from hover_async.values import Lane


def require_project(root: Path) -> None:
    """Raises `ProjectError` unless `root` is a directory that has stages, or had."""
    where = root
    with suppress(OSError):  # of a working directory that is gone
        where = root.absolute()
    if not root.is_dir():
        raise ProjectError(f"'{where}' is not a directory", hint="-C names the Laravel project")
    if not (root / ".hover").is_dir():
        raise ProjectError(
            f"'{where}' has no .hover directory: no stage was ever made there",
            hint="go to the Laravel project's root, or name it with -C; its first stage is made by "
            "'hover-async stage new PROJECT STAGE'",
        )


def manifest_path(root: Path, stage: str) -> Path:
    """Where the manifest of `stage` is, or would be. Raises `UsageError` for what is no project."""
    require_project(root)
    if not stage or "/" in stage or stage.startswith("."):
        raise UsageError(f"'{stage}' is no stage name", hint="a stage is a file .hover/STAGE.yml")
    return root / ".hover" / f"{stage}.yml"


def only_stage(root: Path) -> str:
    """The stage that is meant where none is named: the build's, or the only one there is."""
    from hover_async.build_record import read_record

    require_project(root)
    with suppress(BuildMissing):
        return read_record(root).stage
    stages = sorted(file.stem for file in (root / ".hover").glob("*.yml"))
    if len(stages) == 1:
        return stages[0]
    if not stages:
        raise UsageError(
            f"there is no stage in '{root / '.hover'}'",
            hint="'hover-async stage new PROJECT STAGE' makes one",
        )
    raise UsageError(
        f"no STAGE is given, and there is no build (stages here: {', '.join(stages)})",
        hint="name a stage",
    )


def order_of(root: Path, stage: str | None, target: Target, *, lane: Lane | None = None) -> Order:
    """The project's build to be deployed. Raises `UsageError` when it is not `stage`'s.

    `lane` wins over the manifest's `deploy.code`.
    """
    from hover_async.assets import plan_assets
    from hover_async.build_record import ASSETS, MANIFEST, read_record
    from hover_async.deploy.deployment import Order
    from hover_async.deploy.lock import Holder
    from hover_async.manifest import load_manifest

    require_project(root)
    record = read_record(root)
    if stage is not None and stage != record.stage:
        raise StageMismatch(
            f"the build {record.build_id} is of stage '{record.stage}', not '{stage}'",
            hint=f"run 'hover-async build {stage}' first, or deploy '{record.stage}'",
        )
    manifest = load_manifest(root / MANIFEST)
    assets = plan_assets(root / ASSETS, manifest.assets.cache_control_for)
    holder = Holder.me(record.build_id)
    return Order(record, manifest, assets, holder, target.edge, lane or manifest.deploy.code)


def tell_of_changes(root: Path, order: Order, report: Reporter) -> None:
    """A build has what stood there when it was built; whoever has changed it since may not know."""
    from hover_async.build_record import changed_since

    stage, build_id = order.build.stage, order.build.build_id
    for path in changed_since(root, stage):
        report(
            Warned(
                f"'{path}' has changed since {build_id} was built, and has no effect on it",
                hint=f"run 'hover-async build {stage}' first to take the change along",
            )
        )
