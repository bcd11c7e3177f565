"""The files of a build as S3 objects: which they are, and opening the very file that was planned.

What is refused and why: a link that leads out of the directory, a device or a FIFO would send what
was never built; a name that is not UTF-8 or makes a key above 1,024 bytes has no S3 key, and XML,
in which S3 lists and deletes keys, has no control characters but tabs and line ends.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import re
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
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""Not in XML 1.0, or there against its advice; and a terminal acts upon them."""

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
    return tuple(
        _asset(entry, path, inside, cache_control_for) for entry, path in _files(str(root))
    )


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
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - for thousands, so no Path of each
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


def _files(directory: str, below: str = "") -> Iterator[tuple[os.DirEntry[str], str]]:
    """Files and links to files with their paths below the root, ordered by the parts of those."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        raise _refused(directory, error.strerror or "unreadable") from error
    for entry in entries:
        path = below + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{path}/")
        elif entry.is_symlink() and Path(entry.path).is_dir():
            raise _refused(entry.path, "a link to a directory")
        else:
            yield entry, path


def _asset(
    entry: os.DirEntry[str], path: str, inside: Path, cache_control_for: Callable[[str], str]
) -> Asset:
    file = Path(entry.path)
    try:
        if entry.is_symlink():
            file = file.resolve(strict=True)
            if not file.is_relative_to(inside):
                raise _refused(entry.path, f"a link that leads out of {inside.name}/")
            status = file.lstat()
        else:
            status = entry.stat(follow_symlinks=False)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before 3.13
        raise _refused(entry.path, getattr(error, "strerror", None) or str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise _refused(entry.path, "neither a file nor a directory")
    _check_key(entry.path, path)
    headers = ObjectHeaders(content_type(path), cache_control_for(path))
    inode = (status.st_dev, status.st_ino)
    return Asset(file, path, status.st_size, status.st_mtime_ns, headers, inode)


def _check_key(file: str, path: str) -> None:
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise _refused(file, "a name that is not UTF-8") from error
    if control := CONTROL.search(path):
        raise _refused(file, f"a name with the control character U+{ord(control[0]):04X}")
    longest = MAX_KEY_BYTES - len("b00000000T000000Z-00000000/")
    if len(encoded) > longest:
        raise _refused(file, f"a path of {len(encoded)} bytes; S3 takes {longest}")


def _refused(file: str, found: str) -> ProjectError:
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in file
    )
    return ProjectError(
        f"asset '{shown}' cannot be served: {found}",
        hint="only plain files below public/ become assets; remove it or leave it out of the image",
    )
