"""Which files an ignore file keeps out of a build: Docker's rules for `.dockerignore`, pure.

They are not git's. A pattern stands for a path from the root of the context (`*.md` does not match
`docs/a.md`), `**` matches any number of directories, a match of a directory covers all below it,
and the last pattern that matches decides, `!` taking a path back in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

Matched = tuple[bool, ...]
"""For each pattern, whether it matches a directory or one above it."""

_WILDCARD = re.compile(r"[*?\[\\]")
_GROUPS = re.compile(
    r"(?P<any>\*\*/?)|(?P<star>\*)|(?P<one>\?)|(?P<class>\[\^?[^\]]+\])|\\(?P<escaped>.)|(?P<char>.)",
    re.DOTALL,
)


def patterns_of(text: str) -> list[str]:
    """The patterns of an ignore file's text: no comments or blank lines, cleaned as Docker does."""
    lines = text.removeprefix("\ufeff").splitlines()
    stripped = [line.strip() for line in lines if not line.startswith("#")]
    return [_cleaned(line) for line in stripped if line not in {"", "!"}]


def _cleaned(pattern: str) -> str:
    sign = "!" if pattern.startswith("!") else ""
    path = posixpath.normpath(pattern[len(sign) :].strip() or ".").lstrip("/")
    return sign + (path or ".")


@dataclass(frozen=True)
class Pattern:
    """One pattern without its `!`; `takes_back` says whether it had one."""

    path: str
    takes_back: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(text.removeprefix("!"), takes_back=text.startswith("!"))

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile("".join(map(_as_regex, _GROUPS.finditer(self.path))), re.DOTALL)

    @cached_property
    def fixed_prefix(self) -> str:
        """The directories before the first wildcard: where a match can only be."""
        wildcard = _WILDCARD.search(self.path)
        if wildcard is None:
            return self.path
        return self.path[: wildcard.start()].rpartition("/")[0]

    def may_match_below(self, directory: str) -> bool:
        prefix = self.fixed_prefix
        return not prefix or f"{prefix}/".startswith(f"{directory}/") or _is_in(directory, prefix)


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _as_regex(token: re.Match[str]) -> str:
    if token["any"]:
        return ".*" if token.end() == len(token.string) else "(?:.*/)?"
    if token["star"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    return token["class"] or re.escape(token["escaped"] or token["char"])


class IgnoreRules:
    """Patterns in the order of the file. Paths are relative to the context, with `/`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns: Sequence[Pattern] = [Pattern.parse(text) for text in patterns]
        self.at_root: Matched = (False,) * len(self._patterns)

    def match(self, path: str, parent: Matched) -> Matched:
        """What matches `path` or a directory above it, given the same of its parent."""
        return tuple(
            above or pattern.regex.fullmatch(path) is not None
            for pattern, above in zip(self._patterns, parent, strict=True)
        )

    def excluded(self, matched: Matched) -> bool:
        """Whether what matched so keeps the path out."""
        verdict = False
        for pattern, matches in zip(self._patterns, matched, strict=True):
            if matches:
                verdict = not pattern.takes_back
        return verdict

    def nothing_below(self, directory: str) -> bool:
        """Whether no pattern can take back anything below an excluded directory."""
        taking_back = [pattern for pattern in self._patterns if pattern.takes_back]
        return not any(pattern.may_match_below(directory) for pattern in taking_back)

    def excludes(self, path: str) -> bool:
        """Whether `path` alone is kept out, looking at every directory above it."""
        matched = self.at_root
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            matched = self.match("/".join(parts[:depth]), matched)
        return self.excluded(matched)
