"""How uploads end, a few times each; `benchmarks/exits.py` does it by the hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.exits import ENDINGS, Ending, goals, is_right, make_files, row, run_many

RUNS = 2


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_every_upload_ends_as_it_should(tmp_path: Path, ending: Ending) -> None:
    """The right exit code, no traceback, by itself, and no multipart upload left open."""
    make_files(tmp_path, large=0 if ending.name == "server dies" else 1)
    ended = run_many(ending, tmp_path, RUNS, patience_s=0.5)
    assert row(ending, ended)["exit codes"] == f"{ending.exit_code}: {RUNS}"
    assert all(is_right(ending, each) for each in ended)
    assert [goal.figure for goal in goals([(ending, ended)], RUNS) if not goal.met] == []
    if ending.name in {"success", "SIGINT"}:
        assert all(each.begun == 1 for each in ended)
