"""Figures in the documentation, written there by the command that measured them.

A page has a marked place for each kind of figure:

    <!-- figures: kills -->
    <!-- end of figures: kills -->

`write_section(Path("docs/reliability.md"), "kills", table, command="make prove-kills")` replaces
what stands between the two, and adds when, from which commit, on what machine and how it was
measured. Where there is nothing to write it says that, and which command measures it.
"""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


class NoSuchPlace(Exception):
    """The page has no place of this name, or two."""


def write_section(page: Path, name: str, markdown: str, *, command: str) -> None:
    """Replace the page's figures called `name`; `command` is what a reader types to measure anew.

    Raises `NoSuchPlace` where the page has not exactly one such place; it is then as it was.
    """
    begin, end = f"<!-- figures: {name} -->", f"<!-- end of figures: {name} -->"
    text = page.read_text()
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended) or begin in rest:
        raise NoSuchPlace(f"{page} needs one place between '{begin}' and '{end}'")
    told = f"{markdown.strip()}\n\n{_origin(command)}" if markdown.strip() else _not_yet(command)
    body = f"{begin}\n\n{told}\n\n{end}"
    page.write_text(before + body + after)


def _not_yet(command: str) -> str:
    return f"*Not measured yet: `{command}` does.*"


def _origin(command: str) -> str:
    """When, from what, and on what: no name of a host, and no path."""
    at = datetime.now(UTC).date().isoformat()
    python = platform.python_version()
    return f"*`{command}`, {at}, commit {_commit()}, {os.cpu_count()} cores, Python {python}.*"


def _commit() -> str:
    """The commit that was measured, with a plus where files were changed since."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [
            *git,
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            "hover_async",
            "tests",
            "benchmarks",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")
