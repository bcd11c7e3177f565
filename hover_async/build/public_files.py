"""From an image's `public` directory to what visitors' browsers may ask for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hover_async.build.stylesheets import prefix_root_urls
from hover_async.errors import ImageBuildFailed

_SERVER_FILES = frozenset({"index.php", ".htaccess", "web.config", "hot"})
_DOTTED_BUT_PUBLIC = frozenset({".well-known", ".vite"})


def is_public(name: str) -> bool:
    """Whether a file or directory of this name may be served: no code, no hidden files."""
    if name.startswith("."):
        return name in _DOTTED_BUT_PUBLIC
    return name not in _SERVER_FILES and not name.lower().endswith((".php", ".phar", ".phtml"))


def prepare_public_files(directory: Path, prefix: str) -> int:
    """Remove what must not be served, move stylesheets' addresses to `prefix`; files left."""
    count = 0
    for folder, folders, files in os.walk(directory):
        here = Path(folder)
        for name in [name for name in folders if not is_public(name)]:
            shutil.rmtree(here / name)
            folders.remove(name)
        for name in files:
            if not is_public(name):
                (here / name).unlink()
                continue
            count += 1
            if name.lower().endswith(".css"):
                _rewrite(here / name, prefix)
    return count


def _rewrite(path: Path, prefix: str) -> None:
    """In place, byte for byte but for the addresses, whatever the file's encoding."""
    try:
        before = path.read_bytes().decode("utf-8", "surrogateescape")
        after = prefix_root_urls(before, prefix)
        if after != before:
            path.write_bytes(after.encode("utf-8", "surrogateescape"))
    except OSError as failure:
        raise ImageBuildFailed(f"the compiled stylesheet '{path}' cannot be rewritten") from failure
