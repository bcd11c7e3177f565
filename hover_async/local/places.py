"""Where the local AWS keeps its things, and the versions it is made of."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hover_async.errors import LocalError, UsageError

MINISTACK = "1.5.33"
SAM_CLI = "1.170.0"
"""The wheel of this version carries AWS's runtime interface emulator."""

DEFAULT_INSTANCE = "default"
INSTANCE_VARIABLE = "HOVER_LOCAL_INSTANCE"
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def cache() -> Path:
    """The directory that everything below is kept in."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    if ":" in str(root):
        raise LocalError(
            f"the cache directory '{root}' has a colon in its name, which Docker cannot mount",
            hint="set XDG_CACHE_HOME to a directory without one",
        )
    return root / "hover-async"


def environment() -> Path:
    """MiniStack's own virtual environment, for this Python."""
    return cache() / f"ministack-{MINISTACK}-py{sys.version_info.major}.{sys.version_info.minor}"


def emulators() -> Path:
    """AWS's runtime interface emulators, one for each architecture."""
    return cache() / f"aws-lambda-rie-{SAM_CLI}"


@dataclass(frozen=True)
class Instance:
    """One local AWS of this user; another name is another one, with state of its own."""

    name: str

    @classmethod
    def named(cls, name: str | None) -> Self:
        """The one of this name, else of HOVER_LOCAL_INSTANCE's, else the default one."""
        return cls(name or os.environ.get(INSTANCE_VARIABLE) or DEFAULT_INSTANCE)

    def __post_init__(self) -> None:
        if not _INSTANCE.fullmatch(self.name):
            raise UsageError(
                f"'{self.name}' is no name for a local AWS",
                hint="use up to 32 lower-case letters, digits and hyphens",
            )

    @property
    def directory(self) -> Path:
        return cache() / "local" / self.name

    @property
    def record(self) -> Path:
        return self.directory / "running.json"

    @property
    def log(self) -> Path:
        return self.directory / "ministack.log"

    @property
    def temporary(self) -> Path:
        return self.directory / "tmp"

    @property
    def label(self) -> str:
        """What its containers are labelled with: no other user's or cache's instance has it."""
        place = hashlib.sha256(str(cache()).encode()).hexdigest()[:8]
        return f"hover-async-{self.name}-{place}"


def instances() -> list[Instance]:
    """Every instance that has ever been started from this cache."""
    found = sorted((cache() / "local").glob("*/running.json"))
    return [Instance(path.parent.name) for path in found]
