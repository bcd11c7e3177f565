"""What a command prints, and where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hover_async.build_record import APPLICATION, HOVER, MANIFEST, RUNTIME, changed_since

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "laravel"


@pytest.mark.parametrize(
    "command", [["schema"], ["iam", "deployer", "dev", "-C", str(EXAMPLE)]], ids=lambda c: c[0]
)
def test_output_that_is_lost_is_an_error(command: list[str]) -> None:
    """A full disk behind stdout: no traceback, and not the exit code of success."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hover_async", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error[output-lost]: the result cannot be written to stdout")
    assert "Traceback" not in done.stderr


def test_what_was_written_by_hand_is_compared_with_the_build(tmp_path: Path) -> None:
    """The manifest's text and the encrypted secrets: changed, added or taken away."""
    secrets, built = HOVER / "dev-secrets.json", APPLICATION / RUNTIME / "secrets.json"
    for path in (HOVER / "dev.yml", MANIFEST, secrets, built):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("as it was")
    assert changed_since(tmp_path, "dev") == []
    (tmp_path / secrets).write_text("changed")
    assert changed_since(tmp_path, "dev") == [secrets]
    (tmp_path / built).unlink()
    (tmp_path / HOVER / "dev.yml").write_text("changed")
    assert changed_since(tmp_path, "dev") == [HOVER / "dev.yml", secrets]
    (tmp_path / secrets).unlink()
    assert changed_since(tmp_path, "dev") == [HOVER / "dev.yml"]
