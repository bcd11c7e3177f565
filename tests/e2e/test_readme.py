"""What the README says, done as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hover_async.local import LocalAws
from tests.e2e.conftest import ROOT, HoverAsync, fetch
from tests.e2e.stage import Stage

PROGRAM = re.compile(r"<!-- program:.*?```python\n(.*?)```", re.DOTALL)


def test_the_program_in_the_readme_deploys(
    project: Path, hover_async: HoverAsync, local_aws: LocalAws
) -> None:
    """The README's program, as it stands there, takes a build live, and tells a warning."""
    found = PROGRAM.search((ROOT / "README.md").read_text())
    assert found
    program = found.group(1)
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    stage = Stage("readme", project, HoverAsync(project, hover_async.environment), local_aws)
    stage.manifest(r"hover-example(?!-base)", stage.name)
    build_id = stage.build("--skip-tests")
    stage.edit(".hover/dev.yml", lambda text: text + "# changed since it was built\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(project)],
        env=hover_async.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{build_id} is live at http://")
    assert build_id in fetch(last.split()[-1]).text
    assert "activate: " in done.stdout
    assert f"warning: '.hover/dev.yml' has changed since {build_id} was built" in done.stdout
