"""Figures in the documentation: replaced in their place, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import NoSuchPlace, write_section

PAGE = """# Page

<!-- figures: a -->
old
<!-- end of figures: a -->

between

<!-- figures: b -->
<!-- end of figures: b -->
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    return file


def test_a_section_is_replaced_and_says_where_it_comes_from(page: Path) -> None:
    """What stood in the place is gone, the rest of the page is as it was."""
    write_section(page, "a", "| new |\n", command="make prove")
    write_section(page, "a", "| newer |\n", command="make prove")
    text = page.read_text()
    assert "old" not in text
    assert "| new |" not in text
    assert text.count("| newer |") == 1
    assert "`make prove`, 20" in text
    assert "between\n\n<!-- figures: b -->\n<!-- end of figures: b -->\n" in text


def test_no_figures_are_said_to_be_none(page: Path) -> None:
    """An empty table would look like a broken page."""
    write_section(page, "a", "\n", command="make bench")
    place = page.read_text().partition("<!-- figures: a -->")[2].partition("<!--")[0]
    assert place.strip() == "*Not measured yet: `make bench` does.*"


@pytest.mark.parametrize("name", ["c", "a -->"])
def test_a_place_that_is_not_there_is_told(page: Path, name: str) -> None:
    """A page without the place stays as it was."""
    with pytest.raises(NoSuchPlace, match="needs one place"):
        write_section(page, name, "x", command="make")
    assert page.read_text() == PAGE


def test_two_places_of_one_name_are_told(page: Path) -> None:
    """Which of the two would be meant is not guessed."""
    page.write_text(PAGE + PAGE)
    with pytest.raises(NoSuchPlace):
        write_section(page, "a", "x", command="make")
    assert page.read_text() == PAGE + PAGE
