"""The files of a build as S3 objects: which they are, and opening the very file that was planned.

What is refused and why: a link that leads out of the directory, a device or a FIFO would send what
was never built; a name that is not UTF-8 or makes a key above 1,024 bytes has no S3 key.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from hover_async.errors import ProjectError
from hover_async.ports import ObjectHeaders
from hover_async.values import BuildId

PART_BYTES = 8 * 1024 * 1024
"""Files above this go in parts of this size. S3 takes parts of 5 MiB to 5 GiB."""
MAX_PARTS = 10_000
MAX_KEY_BYTES = 1_024

_WEB_TYPES = {
    ".avif": "image/avif",
    ".cjs": "text/javascript",
    ".eot": "application/vnd.ms-fontobject",
    ".gz": "application/gzip",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp4": "video/mp4",
    ".otf": "font/otf",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
"""What browsers need and Python's own table lacks or has otherwise (IANA media types)."""

_TEXT_TYPES = {
    "application/json",
    "application/manifest+json",
    "application/xml",
    "application/yaml",
    "image/svg+xml",
}
_PYTHONS_TABLE = mimetypes.MimeTypes(filenames=())


@dataclass(frozen=True)
class Asset:
    """A file to be served: where it lies, its path below the build's directory, its headers.

    `file` is no link, or was none when it was planned; `inode` is its device and number.
    """

    file: Path
    path: str
    size_bytes: int
    modified_ns: int
    headers: ObjectHeaders
    inode: tuple[int, int]

    def key(self, build_id: BuildId) -> str:
        return f"{build_id}/{self.path}"


def plan_assets(root: Path, cache_control_for: Callable[[str], str]) -> tuple[Asset, ...]:
    """Every file below `root`, ordered by path.

    Raises `ProjectError` for whatever must not or cannot be an object.
    """
    inside = root.resolve()
    return tuple(_asset(file, root, inside, cache_control_for) for file in sorted(_files(root)))


def opened(asset: Asset) -> RawIOBase:
    """The planned file, open to be read: never one that took its name or its directory's since.

    Raises `OSError` when it is another one now, before a byte of that is read. A link is not
    followed, and a FIFO is not waited for.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(asset.file, flags)
    status = os.fstat(handle)
    found = (status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns
    if found != (asset.inode, asset.size_bytes, asset.modified_ns):
        os.close(handle)
        raise OSError(errno.ESTALE, "another file, size or time of change")
    return os.fdopen(handle, "rb", buffering=0)


def content_type(path: str) -> str:
    """The media type by the name's ending, with a charset where the type is text."""
    suffix = Path(path).suffix.lower()
    kind = _WEB_TYPES.get(suffix) or _PYTHONS_TABLE.types_map[True].get(suffix)
    if kind is None:
        return "application/octet-stream"
    is_text = kind.startswith("text/") or kind in _TEXT_TYPES
    return f"{kind}; charset=utf-8" if is_text else kind


def part_sizes(size_bytes: int, part_bytes: int = PART_BYTES) -> Sequence[int]:
    """The sizes of the parts a file is sent in, in order: all equal but the last."""
    part_bytes = max(part_bytes, -(-size_bytes // MAX_PARTS))
    full, rest = divmod(size_bytes, part_bytes)
    return [part_bytes] * full + ([rest] if rest else [])


def _files(directory: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(directory))
    except OSError as error:
        raise _refused(directory, error.strerror or "unreadable") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            if path.is_dir():
                raise _refused(path, "a link to a directory")
            yield path
        elif entry.is_dir(follow_symlinks=False):
            yield from _files(path)
        else:
            yield path


def _asset(file: Path, root: Path, inside: Path, cache_control_for: Callable[[str], str]) -> Asset:
    try:
        real = file.resolve(strict=True) if file.is_symlink() else file
        if real is not file and not real.is_relative_to(inside):
            raise _refused(file, f"a link that leads out of {root.name}/")
        status = real.lstat()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before 3.13
        raise _refused(file, getattr(error, "strerror", None) or str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise _refused(file, "neither a file nor a directory")
    path = _key_path(file, root)
    headers = ObjectHeaders(content_type(path), cache_control_for(path))
    inode = (status.st_dev, status.st_ino)
    return Asset(real, path, status.st_size, status.st_mtime_ns, headers, inode)


def _key_path(file: Path, root: Path) -> str:
    path = file.relative_to(root).as_posix()
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise _refused(file, "a name that is not UTF-8") from error
    longest = MAX_KEY_BYTES - len("b00000000T000000Z-00000000/")
    if len(encoded) > longest:
        raise _refused(file, f"a path of {len(encoded)} bytes; S3 takes {longest}")
    return path


def _refused(file: Path, found: str) -> ProjectError:
    shown = str(file).encode(errors="backslashreplace").decode()
    return ProjectError(
        f"asset '{shown}' cannot be served: {found}",
        hint="only plain files below public/ become assets; remove it or leave it out of the image",
    )
