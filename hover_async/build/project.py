"""What must be true of a project before it is built."""

from __future__ import annotations

import re
from pathlib import Path

from anyio import move_on_after, run_process

from hover_async.build_record import HOVER
from hover_async.errors import ProjectError
from hover_async.secrets.envelope import parse_envelope
from hover_async.secrets.files import Places

_IMAGE_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
DIRTY = "-dirty"
"""As `git describe --dirty` says it."""
GIT_DEADLINE_S = 10
_GIT_STATUS = (
    *("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"),
    *("--", ".", f":(exclude){HOVER}/out*"),
)
_COMMIT = b"# branch.oid "
_GIT_REVISION = re.compile(rb"[0-9a-f]{40,64}")


def require_buildable(project: Path, stage: str, dockerfile: str) -> str:
    """The text of the Dockerfile. Raises `ProjectError` for what cannot or must not be built, and
    `SecretsDamaged` for encrypted secrets that are none, or another stage's."""
    if not (project / HOVER).is_dir():
        raise ProjectError(
            f"'{project}' has no .hover directory",
            hint=f"run 'hover-async stage new PROJECT {stage}' in the project's root",
        )
    if not _IMAGE_NAME.fullmatch(stage):
        raise ProjectError(
            f"stage '{stage}' cannot name an image",
            hint="use lower-case letters and digits, separated by '-', '_' or '.'",
        )
    secrets = Places(project, stage)
    if secrets.plain.exists():
        raise ProjectError(
            f"'{secrets.plain}' holds secrets in plain text",
            hint=f"run 'hover-async secrets encrypt {stage}': it removes the file",
        )
    if secrets.sealed.exists():
        parse_envelope(secrets.sealed.name, secrets.read_sealed(), stage)
    path = project / HOVER / dockerfile
    if not path.resolve().is_relative_to(project.resolve()):
        raise ProjectError(
            f"the Dockerfile '{dockerfile}' is outside of the project",
            hint="name a file in .hover as 'dockerfile' in the manifest",
        )
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ProjectError(
            f"there is no Dockerfile at '{path}'",
            hint="restore it, or correct 'dockerfile' in the manifest",
        ) from None
    except OSError as failure:
        raise ProjectError(
            f"the Dockerfile '{path}' cannot be read: {failure.strerror}",
            hint="make it a readable file",
        ) from failure


async def git_revision(project: Path, *, deadline_s: float = GIT_DEADLINE_S) -> str | None:
    """The commit the project is at, with `-dirty` behind it where files of the project differ.

    Ignored files do not count, nor what builds leave. None outside of git, before the first commit,
    where git is not installed, and where it has not told in time.
    """
    try:
        with move_on_after(deadline_s):
            answer = await run_process(_GIT_STATUS, check=False, cwd=project)
            return _revision(answer.stdout)
    except OSError:
        pass
    return None


def _revision(status: bytes) -> str | None:
    """Of what `git status --porcelain=v2 --branch` prints: headers, then a line for each change."""
    lines = status.splitlines()
    commits = [line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)]
    if len(commits) != 1 or not _GIT_REVISION.fullmatch(commits[0]):
        return None
    is_dirty = any(not line.startswith(b"#") for line in lines)
    return f"{commits[0].decode()}{DIRTY if is_dirty else ''}"
