"""What the benchmarks say, and where `make bench` puts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bench
from benchmarks.report import Goal, Report, Row, markdown, plain, shown, tell

ROWS: list[Row] = [
    {"command": "a|b", "CPU s": 0.0612, "runs": 1200},
    {"command": "c", "CPU s": None},
]
MET, MISSED = Goal("start", "<= 1 s", "0.5 s", met=True), Goal("size", "<= 1", "2", met=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0612, "0.061"), (1.234, "1.23"), (45.67, "45.7"), (1234.5, "1,234"), (1200, "1,200")],
)
def test_numbers_have_the_digits_they_deserve(value: float, text: str) -> None:
    """Three behind the point where it is small, none where it is large."""
    assert shown(value) == text


def test_a_table_holds_what_is_in_its_rows() -> None:
    """A bar is no border of a cell; a figure that is not there is an empty cell."""
    assert markdown(ROWS).splitlines() == [
        "| command | CPU s | runs |",
        "| --- | --- | --- |",
        "| a\\|b | 0.061 | 1,200 |",
        "| c |  |  |",
    ]
    assert "a|b" in plain(ROWS)
    assert markdown([]) == plain([]) == ""


@pytest.mark.parametrize(("goals", "exit_code"), [([MET], 0), ([MET, MISSED], 1), ([], 0)])
def test_a_report_is_read_back_as_it_was_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], goals: list[Goal], exit_code: int
) -> None:
    """The file has all of it; a missed goal is an exit code of 1, and said in words."""
    file = tmp_path / "figures.json"
    report = Report("Start", ROWS, goals, ["Python 3."])
    assert tell(report, file) == exit_code
    assert Report.read(file) == report
    assert ("NOT met" in capsys.readouterr().out) == bool(exit_code)
    assert ("NOT met" in report.as_markdown()) == bool(exit_code)


def test_notes_may_be_left_out(tmp_path: Path) -> None:
    """The least that a script may say is a title, rows and goals."""
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"title": "t", "rows": [], "goals": []}))
    assert Report.read(file).notes == ()


def test_every_benchmark_has_its_place_in_the_docs() -> None:
    """`make bench` finds a place for each script's figures, and for the goals."""
    text = bench.DOCS.read_text()
    for name in [*bench.SCRIPTS, "goals"]:
        assert text.count(f"<!-- figures: {name} -->") == 1
        assert text.count(f"<!-- end of figures: {name} -->") == 1


def test_a_script_that_fails_leaves_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No figures are no table: the page keeps those of before, and the failure is told."""
    page = tmp_path / "performance.md"
    places = [f"<!-- figures: {n} -->\nold\n<!-- end of figures: {n} -->\n" for n in ("a", "goals")]
    page.write_text("".join(places))
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "a.py").write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(bench, "DOCS", page)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "SCRIPTS", {"a": ()})
    monkeypatch.setattr("sys.argv", ["bench.py"])
    assert bench.main() == 1
    assert page.read_text() == "".join(places)
    assert "without figures: a" in capsys.readouterr().out
