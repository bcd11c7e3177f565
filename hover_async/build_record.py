"""What a build leaves in `.hover/out` for a deploy, and the record that all of it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hover_async.errors import BuildMissing
from hover_async.values import Architecture, BuildId

HOVER = Path(".hover")
OUT = HOVER / "out"
ASSETS = OUT / "assets"
"""The files that visitors' browsers ask for, as they are uploaded."""
APPLICATION = OUT / "application"
"""What the image gets besides the project."""
MANIFEST = OUT / "manifest.yml"
"""The stage's manifest as it was when it was built, letter for letter: what a deploy loads."""
RECORD = OUT / "build.json"
RUNTIME = "hover_runtime"
"""hover-async's own directory in the application's."""

_FORMAT = 1


@dataclass(frozen=True)
class BuildRecord:
    """A whole build. `image` is its local name, `image_id` the engine's id behind that name.

    `manifest_hash` covers the manifest alone: two builds of an unchanged manifest share it.
    `git_revision` ends with `-dirty` where files differed from that commit.
    """

    stage: str
    build_id: BuildId
    image: str
    image_id: str
    architecture: Architecture
    manifest_hash: str
    created_at: datetime
    git_revision: str | None


def changed_since(project: Path, stage: str) -> list[Path]:
    """What was written by hand for the stage and is another file now than the build has of it.

    Relative to the project: its manifest, its encrypted secrets.
    """
    built = {
        HOVER / f"{stage}.yml": MANIFEST,
        HOVER / f"{stage}-secrets.json": APPLICATION / RUNTIME / "secrets.json",
    }
    return [now for now, then in built.items() if _bytes(project / now) != _bytes(project / then)]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def write_record(project: Path, record: BuildRecord, *, out: Path = OUT) -> None:
    """Write the record of the build in `out`: the last thing a build does there."""
    content = {
        "format": _FORMAT,
        **asdict(record),
        "created_at": record.created_at.astimezone(UTC).isoformat(),
    }
    path = project / out / RECORD.relative_to(OUT)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_record(project: Path) -> BuildRecord:
    """The record of the project's build. Raises `BuildMissing` when there is no whole build."""
    path = project / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(f"there is no build in '{project / OUT}'") from None
    except (OSError, ValueError) as failure:
        raise _missing(f"the build record '{path}' cannot be read: {failure}") from failure
    try:
        record = _record(content)
    except (KeyError, TypeError, ValueError) as failure:
        raise _missing(f"'{path}' is no build record of this hover-async") from failure
    for part in (ASSETS, MANIFEST):
        if not (project / part).exists():
            raise _missing(f"the build {record.build_id} is incomplete: '{part}' is gone")
    return record


def _record(content: Mapping[str, Any]) -> BuildRecord:
    if content["format"] != _FORMAT:
        raise ValueError(content["format"])
    revision = content["git_revision"]
    created_at = datetime.fromisoformat(content["created_at"])
    if created_at.tzinfo is None:
        raise ValueError(created_at)
    return BuildRecord(
        stage=_text(content["stage"]),
        build_id=BuildId(_text(content["build_id"])),
        image=_text(content["image"]),
        image_id=_text(content["image_id"]),
        architecture=Architecture(content["architecture"]),
        manifest_hash=_text(content["manifest_hash"]),
        created_at=created_at,
        git_revision=None if revision is None else _text(revision),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _missing(message: str) -> BuildMissing:
    return BuildMissing(message, hint="run 'hover-async build STAGE' first")
