"""YAML as data that remembers where each of its values stood in the file.

Safer than YAML is: no tags, no duplicate or merged keys, no bombs of anchors, no numbers that JSON
has not. What a scalar means is decided by YAML 1.1 as PyYAML has it (`on` is true); `written` keeps
how it was spelled, for `1.10` is a version to an application and not a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from hover_async.errors import Problem

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 16
_PREFIX = "tag:yaml.org,2002:"
_PLAIN = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null")}
_AS_TEXT = {f"{_PREFIX}{name}" for name in ("timestamp", "value", "merge")}
_SHOWN = 60
"""How much of a value a message repeats."""

Path = tuple[str | int, ...]
Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]


@dataclass
class Document:
    """A file's data; the (1-based) line and column of each path in it; each scalar's spelling."""

    file: str
    data: Data = None
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    """Where `data` has None instead of what is in the file, for which there is a problem."""
    is_readable: bool = True
    """False: it is no YAML, or too much of it; there is nothing to look at in `data`."""
    _nodes: int = 0
    _constructor: yaml.constructor.SafeConstructor = field(
        default_factory=yaml.constructor.SafeConstructor, repr=False
    )
    """Of this file alone: it keeps every node that it has ever made a value of."""

    @classmethod
    def read(cls, file: str, text: str) -> Document:
        """Parse `text`; what is wrong with it is in `problems`, with nothing thrown."""
        document = cls(file)
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            document._not_yaml(error)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
            document.places[()] = (line, column)
            document._give_up((), f"not YAML: the character U+{_code(error):04X} may not be in it")
        except RecursionError:
            document._give_up((), "nested too deeply")
        else:
            if root is not None:
                document.data = document._value(root, ())
        return document

    def found(self, path: Path, message: str, suggestion: str | None = None) -> None:
        """Note a problem at `path`, or at the nearest place above it that is in the file."""
        where = path
        while where and where not in self.places:
            where = where[:-1]
        line, column = self.places.get(where, (1, 1))
        self.problems.append(Problem(self.file, line, column, dotted(path), message, suggestion))

    def _not_yaml(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        self.places[()] = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        self._give_up((), f"not YAML: {said}")

    def _give_up(self, path: Path, message: str) -> None:
        self.is_readable = False
        self.found(path, message)

    def _value(self, node: yaml.Node, path: Path) -> Data:
        self._nodes += 1
        self.places.setdefault(path, _place(node))
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self._give_up(path[:1], f"more than {MAX_NODES} values: do anchors repeat others?")
            return None
        if len(path) > MAX_DEPTH:
            self._give_up(path[:1], f"nested more than {MAX_DEPTH} deep")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        expected = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != f"{_PREFIX}{expected}":
            return self._refuse(path, _no_tag(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Data]:
        values: dict[str, Data] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.places[*path, "?"] = _place(key_node)
                self.found((*path, "?"), "a key must be a word")
                continue
            key = str(key_node.value)
            key_path = (*path, key)
            first, self.places[key_path] = self.places.get(key_path), _place(key_node)
            if _has_surrogates(key):
                self.places[*path, "?"] = _place(key_node)
                self._refuse((*path, "?"), "half a character (a surrogate) is no text")
            elif key_node.tag == f"{_PREFIX}merge":
                self.found(key_path, "keys cannot be merged here: write them out")
            elif key_node.tag not in _PLAIN | _AS_TEXT:
                self._refuse(key_path, _no_tag(key_node))
            elif key in values and first:
                self.found(key_path, f"given twice (first in line {first[0]})")
            else:
                values[key] = self._value(value_node, key_path)
        return values

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Data:
        text = str(node.value)
        if _has_surrogates(text):
            return self._refuse(path, "half a character (a surrogate) is no text")
        self.written[path] = text
        if node.tag in _AS_TEXT:
            return text
        if node.tag not in _PLAIN:
            return self._refuse(path, _no_tag(node))
        try:
            value: Data = self._constructor.construct_object(node)
        except (ValueError, OverflowError, yaml.constructor.ConstructorError):
            return self._refuse(path, f"{shown(text)} is no number that can be read")
        if isinstance(value, float) and not math.isfinite(value):
            return self._refuse(path, f"{shown(text)} is no finite number; quote it if it is text")
        return value

    def _refuse(self, path: Path, message: str) -> Data:
        self.found(path, message)
        self.unread.add(path)
        return None


def dotted(path: Path) -> str:
    """`('queue', 'jobs', 'queues', 0)` as `queue.jobs.queues[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def shown(value: object) -> str:
    """What was found, in a message: never more than a line's worth of it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}..."
    return str(value)


def _has_surrogates(text: str) -> bool:
    r"""`"\ud83d"` in YAML makes one: a string that no file and no request can carry."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _no_tag(node: yaml.Node) -> str:
    return f"the tag {shown(str(node.tag).replace(_PREFIX, '!!'))} means nothing here"


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _code(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return character if isinstance(character, int) else ord(character)
