"""Unpacking an archive that an image's author made: nothing of it may leave the destination."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import aiohttp

from hover_async.docker.blocking import BlockingReader
from hover_async.errors import DockerError, ImageUnsafe

_PIECE_BYTES = 1024 * 1024


def unpack(reader: BlockingReader, destination: Path) -> None:
    """Write the content of the archive's one top directory into `destination`.

    Files and directories only. A link that stays inside becomes a copy of what it leads to (a
    link to a directory is refused); one that leads outside, a device or a pipe raises
    `ImageUnsafe`.
    """
    destination.mkdir(parents=True, exist_ok=True)
    links: list[tuple[PurePosixPath, PurePosixPath]] = []
    try:
        # typeshed wants a seekable file even for the stream mode, which only reads
        with tarfile.open(fileobj=reader, mode="r|", bufsize=_PIECE_BYTES) as archive:  # type: ignore[call-overload]
            for name, member in _inside(archive):
                with _refusals(name, destination):
                    if member.isdir():
                        (destination / name).mkdir(parents=True, exist_ok=True)
                    elif member.isreg():
                        _write(archive, member, destination / name)
                    else:
                        links.append((name, _link_target(name, member)))
    except tarfile.TarError as failure:
        raise DockerError(
            f"the engine's archive cannot be read: {str(failure).strip()}",
            hint="see whether the engine still runs ('docker info'), then run it again",
        ) from failure
    for name, target in links:
        with _refusals(name, destination):
            _copy_linked(destination, name, target)


@contextmanager
def _refusals(name: PurePosixPath, destination: Path) -> Iterator[None]:
    """Raise what the disk says to a member as our errors."""
    try:
        yield
    except aiohttp.ClientError:  # of the archive's connection, some of which are OSErrors
        raise
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as failure:
        raise _unsafe(str(name), "is there twice, or lies below a file") from failure
    except OSError as failure:
        raise DockerError(
            f"'{name}' of the image cannot be written: {failure.strerror or failure}",
            hint=f"look at the disk that '{destination}' is on",
        ) from failure


def _inside(archive: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo]]:
    """Each member below the top directory, under its name there."""
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise _unsafe(member.name, "has a name that leads outside")
        if len(path.parts) > 1:
            yield PurePosixPath(*path.parts[1:]), member


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise _unsafe(member.name, "has no content")
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file, _PIECE_BYTES)
    os.utime(path, (member.mtime, member.mtime))


def _link_target(name: PurePosixPath, member: tarfile.TarInfo) -> PurePosixPath:
    """Where a link leads, from the top directory."""
    target = PurePosixPath(member.linkname)
    if member.islnk():  # a hard link names its target from the archive's root
        target = PurePosixPath(*target.parts[1:])
    elif member.issym() and not target.is_absolute():
        target = PurePosixPath(os.path.normpath(name.parent / target))
    else:
        target = PurePosixPath("/")
    if target.is_absolute() or ".." in target.parts:
        found = f"leads outside, to '{member.linkname}'" if member.issym() else "is no file"
        raise _unsafe(member.name, found)
    return target


def _copy_linked(destination: Path, name: PurePosixPath, target: PurePosixPath) -> None:
    source = destination / target
    if not source.is_file():
        raise _unsafe(str(name), f"is a link to '{target}', which is no file")
    (destination / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, destination / name)


def _unsafe(name: str, found: str) -> ImageUnsafe:
    return ImageUnsafe(
        f"'{name}' in the image {found}",
        hint=f"keep it out of the image: name '{name}' in .dockerignore",
    )
