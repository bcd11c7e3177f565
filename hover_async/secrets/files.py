"""Where a stage's secrets are. A file is written whole beside its place, then renamed into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from hover_async.build_record import HOVER
from hover_async.errors import ProjectError, SecretsMissing

MAX_BYTES = 8 * 1024 * 1024
"""Of a file that is read at all: as many secrets as there may be end below, however escaped."""
FOR_EVERYBODY = 0o644
"""The encrypted file lies in the repository, and in an image whose user Lambda chooses."""
FOR_ME = 0o600


@dataclass(frozen=True)
class Places:
    """The files of `stage` in the project's `.hover`."""

    project: Path
    stage: str

    @property
    def plain(self) -> Path:
        return self.project / HOVER / f"{self.stage}-secrets.plain.env"

    @property
    def sealed(self) -> Path:
        return self.project / HOVER / f"{self.stage}-secrets.json"

    def read_plain(self) -> bytes:
        """Raises `SecretsMissing`, or `ProjectError` when it cannot be read."""
        if self.plain.is_symlink():
            raise ProjectError(
                f"'{self.plain}' is a link: removing it would leave the secrets where it leads to",
                hint="put the file itself there",
            )
        return read(
            self.plain,
            "there is nothing to encrypt",
            f"write NAME=value lines into it, or get them with 'hover-async secrets decrypt "
            f"{self.stage}'",
        )

    def read_sealed(self) -> bytes:
        """Raises `SecretsMissing`, or `ProjectError` when it cannot be read."""
        return read(
            self.sealed,
            f"stage '{self.stage}' has no encrypted secrets",
            f"write {self.plain}, then run 'hover-async secrets encrypt {self.stage}'",
        )

    def require_no_plain(self) -> None:
        """Raises `ProjectError` when there is a plain file already."""
        if os.path.lexists(self.plain):
            raise ProjectError(
                f"'{self.plain}' exists already",
                hint="encrypt it, or let it be replaced with --overwrite",
            )

    def remove_plain(self, content: bytes) -> None:
        """Remove the plain file, which must still be `content`; else raises `ProjectError`."""
        if self.read_plain() != content:
            raise ProjectError(
                f"'{self.plain}' was changed while it was encrypted, so it is still there",
                hint=f"run 'hover-async secrets encrypt {self.stage}' again",
            )
        try:
            self.plain.unlink()
            _flush_directory(self.plain.parent)
        except OSError as error:
            raise ProjectError(
                f"'{self.plain}' cannot be removed: {error.strerror}",
                hint="its secrets are encrypted: remove it yourself",
            ) from error


def read(path: Path, missing: str = "it is gone", hint: str | None = None) -> bytes:
    """Raises `SecretsMissing`, or `ProjectError` when it cannot be read."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise ProjectError(f"'{path}' is not a file", hint="put one there")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise SecretsMissing(f"{missing}: there is no '{path}'", hint=hint) from None
    except OSError as error:
        raise ProjectError(
            f"'{path}' cannot be read: {error.strerror}", hint="look at who may read the file"
        ) from error
    if len(content) > MAX_BYTES:
        raise ProjectError(
            f"'{path}' is larger than {MAX_BYTES:,} bytes", hint="is this the right file?"
        )
    return content


@contextmanager
def written(path: Path, content: bytes, *, mode: int) -> Iterator[Path]:
    """A whole, flushed file of `content` beside `path`, which it replaces at the block's end.

    When the block raises it is removed, and what stood at `path` is as it was. Its name ends as
    `path`'s does, so that whatever ignores the one ignores the other. Raises `ProjectError`.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=f"-{path.name}", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    beside = Path(name)
    try:
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it opens a descriptor, no path
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(path, error) from error
        yield beside
        try:
            beside.replace(path)
            _flush_directory(path.parent)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> ProjectError:
    return ProjectError(
        f"'{path}' cannot be written: {error.strerror}", hint="look at who may write there"
    )
