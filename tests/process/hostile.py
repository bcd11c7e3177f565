"""Hostile assets, archives, manifests and surroundings: what becomes of each. Promises I16, I17.

    python -m tests.process.hostile             every case; prints the tables
    python -m tests.process.hostile --write     and writes them into docs/reliability.md
    python -m tests.process.hostile --only link only the cases whose name contains this

Each is met by the real command. The kernel says what was opened and read outside the assets' own
directory (inotify); that it would say so is tried first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.figures import ROOT, write_section
from tests.process import hostile_archives, hostile_assets, hostile_manifests
from tests.process.hostile_case import Ended, table
from tests.process.onlookers import require_sight

PAGE = ROOT / "docs/reliability.md"
COMMAND = "make prove-hostile"


def told_of_assets(ended: Sequence[Ended]) -> str:
    opened, read = (sum(getattr(one, what) for one in ended) for what in ("opened", "read"))
    return (
        f"**{len(ended)} cases, {_broken(ended)} not as promised; of files outside the assets' "
        f"directory {read} were read.** *Opened*: by a name that was a planned file's, found to be "
        f"another one, and closed unread ({opened}). The kernel counts both (inotify), and a read "
        "on purpose is seen; besides, what was sent is searched for what stands in them. Exit "
        "codes are the command's; no case gave a traceback. *archive*: what a build takes out of "
        "an image.\n\n"
        f"{table(ended, with_outside=True)}"
    )


def told_of_manifests(ended: Sequence[Ended]) -> str:
    refused = sum(one.exit_code == hostile_manifests.USAGE for one in ended)
    return (
        f"**{sum(one.count for one in ended):,} cases, {_broken(ended)} not as promised.** What "
        "is refused gets an error with a code and a hint, with line and column where it is about a "
        "file, no traceback, and no control character on the terminal; the slowest took "
        f"{max(one.seconds for one in ended):.1f} s. {refused} of {len(ended)} rows are refused as "
        "wrong use, the others for their surroundings. What is taken is text and nothing else: its "
        "template has the resources that its sections ask for, intrinsic functions that refer to "
        "them, and no other.\n\n"
        f"{table(ended, with_outside=False)}"
    )


def _broken(ended: Iterable[Ended]) -> int:
    return sum(bool(one.broken) for one in ended)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hover-async-hostile-") as directory:
        root = Path(directory)
        require_sight(root)
        assets = hostile_assets.run_all(root / "assets", asked.only)
        assets += hostile_archives.run_all(root / "archives", asked.only)
        manifests = hostile_manifests.run_all(root / "manifests", asked.only)
    texts = {
        "hostile-assets": told_of_assets(assets),
        "hostile-input": told_of_manifests(manifests),
    }
    for name, text in texts.items():
        sys.stdout.write(f"{text}\n\n")
        if asked.write:
            write_section(PAGE, name, text, command=COMMAND)
    broken = [one for one in (*assets, *manifests) if one.broken]
    for one in broken:
        sys.stdout.write(f"broken: {one.name}: {'; '.join(one.broken)}\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
