"""Who opened and who read a file, as the kernel tells it (inotify, Linux)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_ACCESS, _OPEN = 0x1, 0x20
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Onlookers:
    """Watches files and directories, each by itself, whatever name leads to it."""

    paths: Iterable[Path]
    opened: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names = {self._watch(path): str(path) for path in self.paths}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.look()
        os.close(self._descriptor)

    def look(self) -> None:
        """Take note of what happened since."""
        try:
            while events := os.read(self._descriptor, 2**16):
                self._note(events)
        except BlockingIOError:
            return

    def _watch(self, path: Path) -> int:
        watch: int = _libc.inotify_add_watch(
            self._descriptor, os.fsencode(path), ctypes.c_uint32(_ACCESS | _OPEN)
        )
        if watch < 0:
            raise OSError(ctypes.get_errno(), "cannot be watched", str(path))
        return watch

    def _note(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            watch, mask, _, length = _HEAD.unpack_from(events, at)
            at += _HEAD.size + length
            if length:  # of a file in a directory that is watched: it is watched itself
                continue
            self.opened[self._names[watch]] += bool(mask & _OPEN)
            self.read[self._names[watch]] += bool(mask & _ACCESS)


def require_sight(root: Path) -> None:
    """Reading on purpose, by another name, must be seen; opening alone must not look like it."""
    file, other = root / "seen", root / "by another name"
    file.write_text("x")
    other.symlink_to(file)
    with Onlookers([file]) as eyes:
        os.close(os.open(other, os.O_RDONLY))
        eyes.look()
        assert (eyes.opened.total(), eyes.read.total()) == (1, 0)
        other.read_text()
    assert (eyes.opened.total(), eyes.read.total()) == (2, 1)
