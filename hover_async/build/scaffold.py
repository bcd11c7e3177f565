"""The files of a new stage: manifest and its schema, Dockerfile, ignore files.

Nothing that exists is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from hover_async.errors import ManifestError, ProjectError
from hover_async.manifest import json_schema, load_manifest, new_manifest
from hover_async.manifest.schema import FILE as SCHEMA

HOVER_IGNORE = "out*/\n*-secrets.plain.env\n"
"""`.hover/.gitignore`: builds, and secrets that are not encrypted."""


def new_stage(
    root: Path,
    *,
    project: str,
    stage: str,
    region: str,
    profile: str | None,
    stack_role: str,
    lambda_role: str,
) -> Sequence[Path]:
    """Write what is missing of a stage's files; the paths written, the manifest first.

    Raises `ProjectError` when the stage exists, `ManifestError` when a value is not legal; then
    nothing was written.
    """
    require_new(root, stage)
    manifest = root / ".hover" / f"{stage}.yml"
    text = new_manifest(
        name=f"{project}-{stage}",
        region=region,
        profile=profile,
        stack_role=stack_role,
        lambda_role=lambda_role,
    )
    _check(stage, text)
    stubs = files("hover_async.stubs")
    contents = {
        manifest: text,
        root / ".hover" / SCHEMA: json.dumps(json_schema(), indent=2) + "\n",
        root / ".hover" / "Dockerfile": stubs.joinpath("Dockerfile").read_text(),
        root / ".hover" / ".gitignore": HOVER_IGNORE,
        root / ".dockerignore": stubs.joinpath("dockerignore").read_text(),
    }
    missing = {path: content for path, content in contents.items() if not path.exists()}
    for path, content in missing.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tuple(missing)


def require_new(root: Path, stage: str) -> None:
    """Raises `ProjectError` when the project cannot get a stage of this name."""
    if not root.is_dir():
        raise ProjectError(f"'{root}' is not a directory", hint="-C names the Laravel project")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", stage):
        raise ProjectError(
            f"'{stage}' is no stage name", hint="use lower-case letters, digits, - and _"
        )
    manifest = root / ".hover" / f"{stage}.yml"
    if manifest.exists():
        raise ProjectError(
            f"stage '{stage}' exists already: {manifest}", hint="edit it, or choose another name"
        )


def _check(stage: str, text: str) -> None:
    """Refuse values that the manifest itself would refuse, before anything is written."""
    with TemporaryDirectory() as directory:
        trial = Path(directory) / f"{stage}.yml"
        trial.write_text(text, encoding="utf-8")
        try:
            load_manifest(trial)
        except ManifestError as error:
            raise ManifestError(
                error.problems, hint="nothing was written; give other values, and try again"
            ) from error
