"""Secrets that are looked for everywhere they must not be: promise I15.

    python -m tests.process.canaries            every run; prints the table
    python -m tests.process.canaries --write    and writes it into docs/reliability.md

All that anybody could see of deploys that end in every way (`canary_runs.py`), and of the real
program and the SDK's own clients before servers that quote what they are sent
(`canary_programs.py`), is searched for every secret, in each form that it may take. A control word,
put where it is meant to be seen, must be found in every surface: else the search sees nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import ROOT, write_section
from tests.process import canary_programs, canary_runs, listening
from tests.process.canary_search import Search
from tests.process.echoes import WAYS


def measured(
    root: Path,
    *,
    ways: Mapping[str, canary_runs.Arrange] = canary_runs.WAYS,
    echoes: Collection[str] = WAYS,
    commands: Sequence[str] = canary_programs.COMMANDS,
) -> Search:
    """Search everything; `root` is a directory of our own, for projects and temporary files.

    `ways` are those in which deploys end, `echoes` those in which AWS quotes a request, `commands`
    those of the real program.
    """
    search = Search()
    with listening.to_everything(search, root / "tmp"):
        canary_runs.deploys(search, root, ways)
        canary_runs.foretells(search, root)
        canary_runs.builds(search, root)
        canary_runs.keeps_secrets(search, root)
        canary_programs.asks_aws(search, echoes)
        canary_programs.pushes(search, root)
        canary_programs.runs_commands(search, root, commands)
        canary_programs.reads_credentials(search, root)
    return search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hover-async-canaries-") as directory:
        search = measured(Path(directory))
    sys.stdout.write(search.told() + "\n")
    for secret, surface, run in sorted(search.found):
        sys.stdout.write(f"found: {secret.what} in {surface}: {run}\n")
    blind = search.blind()
    for reason in blind:
        sys.stdout.write(f"blind: {reason}\n")
    if asked.write and not blind:
        page = ROOT / "docs/reliability.md"
        write_section(page, "canaries", search.told(), command="make prove-hostile")
    sys.exit(bool(search.found or blind))


if __name__ == "__main__":
    main()
