"""YAML as data that remembers where each of its values stood in the file.

Safer than YAML is: no tags, no duplicate keys, no bombs of anchors, no dates or numbers that JSON
has not. What a scalar means is decided by YAML 1.1 as PyYAML has it (`on` is true).
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
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_AS_TEXT = {"tag:yaml.org,2002:timestamp"}

Path = tuple[str | int, ...]
Data = None | bool | int | float | str | Sequence["Data"] | Mapping[str, "Data"]


@dataclass
class Document:
    """A file's data, and the (1-based) line and column of each path in it."""

    file: str
    data: Data = None
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _nodes: int = 0

    @classmethod
    def read(cls, file: str, text: str) -> Document:
        """Parse `text`; what is wrong with it is in `problems`, with nothing thrown."""
        document = cls(file)
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            document.places[()] = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            document.found((), f"not YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            document.found((), f"not YAML: {error}")
        except RecursionError:
            document.found((), "nested too deeply")
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

    def _value(self, node: yaml.Node, path: Path) -> Data:
        self._nodes += 1
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self.found(path, f"more than {MAX_NODES} values (do anchors repeat each other?)")
            return None
        if len(path) > MAX_DEPTH:
            self.found(path[:1], f"nested more than {MAX_DEPTH} deep")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Mapping[str, Data]:
        values: dict[str, Data] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            key_path = (*path, key)
            if key in values:
                first = self.places[key_path][0]
                self.places[key_path] = (
                    key_node.start_mark.line + 1,
                    key_node.start_mark.column + 1,
                )
                self.found(key_path, f"given twice (first in line {first})")
                continue
            self.places[key_path] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            values[key] = self._value(value_node, key_path)
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Data:
        if node.tag in _AS_TEXT:
            return str(node.value)
        if node.tag not in _PLAIN_TAGS:
            self.found(path, f"the tag '{node.tag}' means nothing here")
            return None
        try:
            value: Data = yaml.SafeLoader("").construct_object(node)
        except (ValueError, OverflowError):
            self.found(path, f"'{node.value}' is no number that can be read")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.found(path, f"'{node.value}' is no finite number")
            return None
        return value


def dotted(path: Path) -> str:
    """`('queue', 'jobs', 'queues', 0)` as `queue.jobs.queues[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
