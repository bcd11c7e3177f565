"""The context of a build as a tar stream: never whole in memory, read on a worker thread."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from hover_async.docker.ignore import IgnoreRules, Matched, patterns_of
from hover_async.errors import ImageBuildFailed, ProjectError
from hover_async.ports import BuildRequest

BLOCK_BYTES = 256 * 1024
_RECORD_BYTES = 512


@dataclass(frozen=True)
class Entry:
    """A file, directory or link of the context: its name there, and where it is on disk."""

    name: str
    path: Path
    status: os.stat_result


def entries(request: BuildRequest) -> Iterator[Entry]:
    """What a build sees, in a fixed order: the tree less what is ignored, the grafts, the
    Dockerfile.

    `request.never_sent` comes after the project's own patterns, so that no `!` of theirs wins.
    """
    own = patterns_of(_ignore_file(request))
    rules = IgnoreRules([*own, *request.never_sent])
    yield from _walk(request.context, "", rules, rules.at_root, skipping=_dockerfile_name(request))
    everything = IgnoreRules([])
    for name, directory in sorted(request.grafts.items()):
        yield Entry(name, directory, directory.stat())
        yield from _walk(directory, f"{name}/", everything, everything.at_root)
    dockerfile = request.context / request.dockerfile
    yield Entry(_dockerfile_name(request), dockerfile, dockerfile.stat())


def _dockerfile_name(request: BuildRequest) -> str:
    return Path(request.dockerfile).as_posix()


def _ignore_file(request: BuildRequest) -> str:
    """`<Dockerfile>.dockerignore` where there is one, else `.dockerignore`, else nothing."""
    for name in (f"{request.dockerfile}.dockerignore", ".dockerignore"):
        path = request.context / name
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="surrogateescape")
    return ""


def _walk(
    directory: Path, prefix: str, rules: IgnoreRules, above: Matched, *, skipping: str = ""
) -> Iterator[Entry]:
    for child in sorted(_listing(directory), key=lambda found: found.name):
        name = prefix + child.name
        matched = rules.match(name, above)
        excluded = rules.excluded(matched)
        status = child.stat(follow_symlinks=False)
        if not excluded and name != skipping and _is_sent(status):
            yield Entry(name, Path(child.path), status)
        if stat.S_ISDIR(status.st_mode) and not (excluded and rules.nothing_below(name)):
            yield from _walk(Path(child.path), f"{name}/", rules, matched, skipping=skipping)


def _listing(directory: Path) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as found:
        return list(found)


def _is_sent(status: os.stat_result) -> bool:
    """Sockets, pipes and devices are nothing a build could use."""
    kind = status.st_mode
    return stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)


def tar_blocks(found: Iterator[Entry]) -> Iterator[bytes]:
    """The tar of `found` in blocks of about `BLOCK_BYTES`, small files gathered into one."""
    pending = bytearray()
    for entry in found:
        for piece in _records(entry):
            pending += piece
            if len(pending) >= BLOCK_BYTES:
                yield bytes(pending)
                pending.clear()
    yield bytes(pending) + bytes(2 * _RECORD_BYTES)


def _records(entry: Entry) -> Iterator[bytes]:
    if not stat.S_ISREG(entry.status.st_mode):
        yield _header(entry, size_bytes=0)
        return
    handle = os.open(entry.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - it opens a descriptor, no path
        left = os.fstat(handle).st_size
        yield _header(entry, size_bytes=left)
        padding = -left % _RECORD_BYTES
        while left:
            piece = file.read(min(left, BLOCK_BYTES))
            if not piece:
                raise ImageBuildFailed(
                    f"'{entry.name}' became shorter while it was sent to Docker",
                    hint="let nothing write into the project while it is built",
                )
            left -= len(piece)
            yield piece
        yield bytes(padding)


def _header(entry: Entry, *, size_bytes: int) -> bytes:
    """Owned by root, whoever builds: BuildKit's cache looks at the owner."""
    info = tarfile.TarInfo(entry.name)
    info.mode = stat.S_IMODE(entry.status.st_mode)
    info.mtime = int(entry.status.st_mtime)
    info.size = size_bytes
    if stat.S_ISDIR(entry.status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.status.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = str(entry.path.readlink())
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


class ContextStream:
    """A request body that remembers why it failed: the HTTP client tells only that it did."""

    def __init__(self, request: BuildRequest) -> None:
        self._blocks = tar_blocks(entries(request))
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while block := await to_thread.run_sync(next, self._blocks, b""):
                yield block
        except OSError as failure:
            self.failure = ProjectError(
                f"cannot read '{failure.filename}', a part of the build: {failure.strerror}",
                hint="make it readable, or name it in .dockerignore",
            )
            raise
        except Exception as failure:
            self.failure = failure
            raise
