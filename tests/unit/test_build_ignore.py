"""Docker's rules for ignore files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.docker.ignore import IgnoreRules, patterns_of


@pytest.mark.parametrize(
    ("ignore_file", "path", "excluded"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "docs/a.txt", False),  # from the root, unlike git's
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/deep/README.md", True),
        ("docs", "docs/deep/a", True),
        ("docs/", "docs/a", True),
        ("/docs", "docs/a", True),
        ("./docs/../docs", "docs/a", True),
        ("docs", "docs2/a", False),
        ("docs/**", "docs", False),
        ("docs/**", "docs/a/b", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("**/z/**", "a/z/b", True),
        ("*/temp*", "one/temporary.txt", True),
        ("*/temp*", "one/two/temporary.txt", False),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("file[0-9]", "file5", True),
        ("file[^0-9]", "file5", False),
        ("file[^0-9]", "filex", True),
        (r"\*star", "*star", True),
        (r"\*star", "xstar", False),
        ("a.b+c(d)|e{1}$", "a.b+c(d)|e{1}$", True),
        ("a.b", "axb", False),
        ("# a comment\n\n  spaced  ", "spaced", True),
        ("#x", "#x", False),
        ("\ufefffirst", "first", True),
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),  # the last one that matches decides
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("docs\n!docs/keep", "docs/keep/a", False),
        ("docs\n!docs/keep", "docs/other", True),
        ("*\n!app", "app/a.php", False),
        ("**\n!app/**", "app/a/b.php", False),
        (".", "anything", False),
        ("node_modules\n!**/keep", "node_modules/deep/keep", False),
        ("! spaced", "spaced", False),
        ("*\n!", "a", True),
    ],
)
def test_a_path_is_excluded_as_docker_does(ignore_file: str, path: str, excluded: bool) -> None:  # noqa: FBT001 - a column of the table
    """Each line of the table is what `docker build` does with BuildKit."""
    assert IgnoreRules(patterns_of(ignore_file)).excludes(path) is excluded


@pytest.mark.parametrize(
    ("ignore_file", "directory", "prunable"),
    [
        ("vendor", "vendor", True),
        ("vendor\n!vendor/keep", "vendor", False),
        ("vendor\n!vendor/keep", "vendor/other", True),
        ("vendor\n!vendor/keep", "vendor/keep/deep", False),
        ("vendor\n!**/keep", "vendor", False),
        ("vendor\n!app/*.php", "vendor", True),
        ("vendor\n!vend*", "vendor", False),
        ("vendor\n!vendor/a/*.php", "vendor/a", False),
        ("vendor\n!vendor2/x", "vendor", True),
    ],
)
def test_a_directory_is_skipped_only_when_nothing_in_it_comes_back(
    ignore_file: str,
    directory: str,
    prunable: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A tree is not walked where no `!` can take a file of it back, and is walked elsewhere."""
    assert IgnoreRules(patterns_of(ignore_file)).nothing_below(directory) is prunable


segments = st.text("ab.", min_size=1, max_size=2).filter(lambda text: text.strip("."))
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)
pattern_segments = st.one_of(segments, st.sampled_from(["*", "**", "?", "a*"]))
pattern_lines = st.builds(
    lambda sign, parts: sign + "/".join(parts),
    st.sampled_from(["", "!"]),
    st.lists(pattern_segments, min_size=1, max_size=3),
)


@given(st.lists(pattern_lines, max_size=5), paths, segments)
def test_skipping_a_directory_never_loses_a_file(
    lines: list[str], directory: str, name: str
) -> None:
    """Whatever the patterns, a file below a directory that would be skipped is itself excluded."""
    rules = IgnoreRules(patterns_of("\n".join(lines)))
    if rules.excludes(directory) and rules.nothing_below(directory):
        assert rules.excludes(f"{directory}/{name}")
