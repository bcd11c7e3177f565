"""What a process lets others see besides what it prints: logging, child processes, files."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.canary_search import CONTROL, Search, Surface

_STARTED: list[str] = []
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn"})
_is_listening = [False, False]
"""Whether the hook is there, which Python never takes away, and whether it is to keep anything."""


@contextmanager
def to_everything(search: Search, temporary: Path) -> Iterator[None]:
    """Search logging at DEBUG, the arguments of children, and the temporary files that are left."""
    with _logged(search), _started(search), _left_behind(search, temporary):
        logging.getLogger("aiohttp.client").debug("the control word: %s", CONTROL)
        subprocess.run(["true", CONTROL], check=True)
        (temporary / "left").write_text(CONTROL)
        yield


@contextmanager
def _logged(search: Search) -> Iterator[None]:
    class Searching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            search.look(f"logger {record.name}", Surface.LOGGING, self.format(record))

    root, handler = logging.getLogger(), Searching(logging.DEBUG)
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@contextmanager
def _started(search: Search) -> Iterator[None]:
    def hook(event: str, args: tuple[object, ...]) -> None:
        if _is_listening[1] and event in _STARTS:
            _STARTED.append(repr(args[:2]))  # the environment, which comes behind, is the child's

    if not _is_listening[0]:
        sys.addaudithook(hook)
    _is_listening[:] = True, True
    try:
        yield
    finally:
        _is_listening[1] = False
        search.look("child processes", Surface.ARGV, *_STARTED)
        _STARTED.clear()


@contextmanager
def _left_behind(search: Search, temporary: Path) -> Iterator[None]:
    temporary.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        yield
    finally:
        tempfile.tempdir = before
        left = [path for path in temporary.rglob("*") if path.is_file()]
        search.look("temporary files", Surface.TEMPORARY, *(path.read_bytes() for path in left))
