"""The directory that a build fills beside the last one, and that takes its place when whole."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path

from hover_async.build_record import APPLICATION, ASSETS, HOVER, MANIFEST, OUT, RUNTIME
from hover_async.errors import ProjectError
from hover_async.secrets.files import FOR_EVERYBODY, Places
from hover_async.values import BuildId

NEW = HOVER / "out.new"
_OLD = HOVER / "out.old"


@dataclass(frozen=True)
class Workspace:
    """`.hover/out` as it will be. Nothing of it counts before `publish`."""

    project: Path

    @property
    def directory(self) -> Path:
        return self.project / NEW

    @property
    def application(self) -> Path:
        return self.directory / APPLICATION.relative_to(OUT)

    @property
    def assets(self) -> Path:
        return self.directory / ASSETS.relative_to(OUT)

    @property
    def manifest(self) -> Path:
        return self.directory / MANIFEST.relative_to(OUT)

    def publish(self) -> None:
        """Take the place of the last build. Interrupted halfway there is none, never half a one."""
        out, old = self.project / OUT, self.project / _OLD
        if out.exists():
            out.rename(old)
        self.directory.rename(out)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def workspace(project: Path) -> Iterator[Workspace]:
    """An empty one, for this build alone; removed again unless it was published."""
    with _only_build(project):
        fresh = Workspace(project)
        for leftover in (NEW, _OLD):
            shutil.rmtree(project / leftover, ignore_errors=True)
        fresh.application.mkdir(parents=True)
        fresh.assets.mkdir()
        try:
            yield fresh
        finally:
            shutil.rmtree(fresh.directory, ignore_errors=True)


@contextmanager
def _only_build(project: Path) -> Iterator[None]:
    """A lock on `.hover` itself: it leaves no file, and ends with the process that held it."""
    descriptor = os.open(project / HOVER, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        os.close(descriptor)
        raise ProjectError(
            f"another build is running in '{project}'",
            hint="wait until it has ended, then build again",
        ) from failure
    try:
        yield
    finally:
        os.close(descriptor)


def write_runtime_files(fresh: Workspace, stage: str, details: BuildDetails) -> int:
    """Put hover-async's PHP, the encrypted secrets and manifest.json where the image takes them.

    Returns how many files there are.
    """
    runtime = fresh.application / RUNTIME
    with as_file(files("hover_async") / "runtime") as packaged:
        shutil.copytree(packaged, runtime, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    secrets = Places(fresh.project, stage).sealed
    if secrets.is_file():
        carried = runtime / "secrets.json"
        shutil.copyfile(secrets, carried)
        carried.chmod(FOR_EVERYBODY)  # Lambda runs the image as a user of its own choice
    content = json.dumps(details.manifest_with_build(), indent=2, ensure_ascii=False, default=str)
    (runtime / "manifest.json").write_text(content + "\n", encoding="utf-8")
    shutil.copyfile(fresh.project / HOVER / f"{stage}.yml", fresh.manifest)
    return sum(path.is_file() for path in fresh.application.rglob("*"))


@dataclass(frozen=True)
class BuildDetails:
    """What the image knows of its build. `time` is ISO 8601, in UTC."""

    build_id: BuildId
    time: str
    manifest: Mapping[str, object]

    @property
    def manifest_hash(self) -> str:
        """Of what the manifest says, not of how it is laid out: the same for the same keys."""
        canonical = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), default=str)
        return sha256(canonical.encode()).hexdigest()

    def manifest_with_build(self) -> Mapping[str, object]:
        details = {"id": self.build_id, "hash": self.manifest_hash, "time": self.time}
        return {**self.manifest, "build_details": details}
