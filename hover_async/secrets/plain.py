"""The plain file, in the dialect of Laravel's own reader, phpdotenv 5, and stricter.

What is accepted here means the same to phpdotenv. What it would replace (`${OTHER}`), cut off
(`secret#1` without quotes) or let win (a name given twice) is a problem, for a secret that came out
a little different would be found by nobody. https://github.com/vlucas/phpdotenv
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hover_async.errors import Problem, SecretsInvalid
from hover_async.secrets.names import problem_of_name, problem_of_value
from hover_async.values import Secret

MAX_PROBLEMS = 50
"""Then it is another kind of file."""
_SPACE = r"[ \t\v\f]"
_NEWLINE = re.compile(r"\r\n|\r")
_NOTHING = re.compile(rf"{_SPACE}*(#.*)?(\n|\Z)")
_NAME = re.compile(rf"{_SPACE}*(?:export{_SPACE}+)?([A-Za-z_][A-Za-z0-9_]*){_SPACE}*=({_SPACE}*)")
_SINGLE = re.compile(r"'([^'\n]*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_UNQUOTED = re.compile(r"[^\s#]*", re.ASCII)
_END = re.compile(rf"({_SPACE}+#.*|{_SPACE}*)(\n|\Z)")
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_.]+\}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "$": "$"} | dict(zip("nrtfv", "\n\r\t\f\v", strict=True))

_INTERPOLATED = (
    "${...} would be replaced in a .env, and is not here: put the value in single quotes, or write "
    r"\$ in double ones"
)


class _Wrong(Exception):
    """What is wrong with an entry. `ends_reading`: where it ends cannot be told."""

    def __init__(self, message: str, *, ends_reading: bool = False) -> None:
        super().__init__(message)
        self.ends_reading = ends_reading


def read_plain(file: str, content: bytes) -> Mapping[str, Secret]:
    """The secrets in `content`, in their order. `file` names it in problems.

    Raises `SecretsInvalid` with every problem found (the first 50); nothing that stands in the file
    is in them but the names of variables.
    """
    return _Reading(file).read(content)


@dataclass
class _Reading:
    file: str
    values: dict[str, Secret] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self, content: bytes) -> Mapping[str, Secret]:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._found(content.count(b"\n", 0, error.start) + 1, "", "not UTF-8 text")
        else:
            self._entries(_NEWLINE.sub("\n", text))
            if not self.values and not self.problems:
                self._found(1, "", "there is no secret in it")
        if self.problems:
            raise SecretsInvalid(self.problems, hint=f"correct {self.file}, then try again")
        return self.values

    def _entries(self, text: str) -> None:
        position, line, counted = 0, 1, 0
        while position < len(text) and len(self.problems) < MAX_PROBLEMS:
            if nothing := _NOTHING.match(text, position):
                position = nothing.end()
                continue
            line, counted = line + text.count("\n", counted, position), position
            after_line = text.find("\n", position) + 1 or len(text)
            name = _NAME.match(text, position)
            if not name:
                # What stands here may be the second line of a secret: it is not shown.
                self._found(line, "", "expected NAME=value")
                position = after_line
                continue
            try:
                value, position = _value(text, name)
            except _Wrong as wrong:
                self._found(line, name[1], str(wrong))
                position = len(text) if wrong.ends_reading else after_line
            else:
                self._take(line, name[1], value)

    def _take(self, line: int, name: str, value: str) -> None:
        first = self.lines.setdefault(name, line)
        for message in _problems(name, value):
            self._found(line, name, message)
        if first != line:
            self._found(line, name, f"given twice (first in line {first})")
        self.values[name] = Secret(value)

    def _found(self, line: int, name: str, message: str) -> None:
        self.problems.append(Problem(self.file, line, 1, name, message))


def _problems(name: str, value: str) -> Iterator[str]:
    for problem in (problem_of_name(name), problem_of_value(name, value)):
        if problem:
            yield problem


def _value(text: str, name: re.Match[str]) -> tuple[str, int]:
    """The value that begins behind `name`, and where the next entry begins."""
    start = name.end()
    if text.startswith('"', start):
        return _double_quoted(text, start)
    if text.startswith("'", start):
        quoted = _SINGLE.match(text, start)
        if not quoted:
            raise _Wrong("' is not closed in its line; several lines stand in double quotes")
        return quoted[1], _end(text, quoted.end())
    unquoted = _UNQUOTED.match(text, start)
    assert unquoted  # noqa: S101 - it matches nothing at all, too
    if _VARIABLE.search(unquoted[0]):
        raise _Wrong(_INTERPOLATED)
    if not unquoted[0] and name[2] and (comment := _NOTHING.match(text, start)):
        return "", comment.end()
    if text.startswith("#", unquoted.end()):
        raise _Wrong("a # without a space before it: put the value in quotes")
    return unquoted[0], _end(text, unquoted.end())


def _double_quoted(text: str, start: int) -> tuple[str, int]:
    quoted = _DOUBLE.match(text, start)
    if not quoted:
        raise _Wrong('" is not closed', ends_reading=True)
    inner = quoted[1]
    if any(escape[1] not in _ESCAPED for escape in _ESCAPE.finditer(inner)):
        raise _Wrong(r"in double quotes a \ stands before one of \ " + '" $ n r t f v only')
    if _VARIABLE.search(_ESCAPE.sub("", inner)):
        raise _Wrong(_INTERPOLATED)
    value = _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], inner)
    return value, _end(text, quoted.end())


def _end(text: str, position: int) -> int:
    rest = _END.match(text, position)
    if not rest:
        raise _Wrong("more after the value: put a value with spaces or quotes in quotes")
    return rest.end()


def write_plain(values: Mapping[str, Secret]) -> str:
    """A plain file that `read_plain` and phpdotenv read as exactly `values`."""
    return "".join(f"{name}={_written(value.reveal())}\n" for name, value in values.items())


def _written(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,=~-]*", value):
        return value
    # phpdotenv looks for a double quote even where single ones are around it.
    if not re.search(r"['\"\r\n]", value):
        return f"'{value}'"
    escaped = re.sub(r'[\\"$]', r"\\\g<0>", value)
    return '"' + escaped.replace("\n", r"\n").replace("\r", r"\r") + '"'
