"""From the file to the manifest, or to every problem in it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from stat import S_ISREG
from typing import Any

from pydantic import ValidationError

from hover_async.errors import ManifestError, Problem, ProjectError
from hover_async.manifest.checks import Found, cross_checks
from hover_async.manifest.document import MAX_BYTES, Document
from hover_async.manifest.document import Path as KeyPath
from hover_async.manifest.model import Manifest
from hover_async.manifest.wording import in_words

TEXT_SECTIONS = ("environment", "build-args", "tags")
"""Their values are text as it is written: `1.10` stays `1.10`, and nothing at all is empty."""
EMPTY: Mapping[str, Callable[[], object]] = {
    **dict.fromkeys(("auth", "deploy", "http", "cli", "queue", "assets", *TEXT_SECTIONS), dict),
    "deploy-commands": list,
}
"""A section whose every line is commented out says the same as one that is left out."""
STAND_INS: dict[str, Any] = {
    "name": "stage",
    "region": "us-east-1",
    "auth": dict.fromkeys(("stack-role", "lambda-role"), "arn:aws:iam::000000000000:role/r"),
}
"""For required keys that are wrong, so that the rest can be looked at as a whole."""
TOGETHER: Mapping[KeyPath, Sequence[KeyPath]] = {
    ("vpc", "security-groups"): [("vpc",)],
    ("vpc", "subnets"): [("vpc",)],
    ("alarms", "topic"): [("alarms",)],
    ("http", "domains"): [("http", "domains"), ("http", "certificate")],
    ("http", "certificate"): [("http", "domains"), ("http", "certificate")],
}
"""What goes with a key that is wrong, for it cannot stand without it."""
COMPARED_WITH: Mapping[str, Sequence[KeyPath]] = {"region": [("alarms",), ("auth", "secrets-key")]}
"""What must not be compared with a stand-in."""


def load_manifest(path: Path) -> Manifest:
    """The manifest in `path`.

    Raises `ProjectError` when there is no such file, and `ManifestError` with every problem found.
    """
    document = Document.read(path.name, _read(path))
    manifest = _validate(document) if document.is_readable else None
    if manifest is None or document.problems:
        raise ManifestError(
            sorted(document.problems, key=lambda problem: (problem.line, problem.column)),
            hint=f"correct {path}, then try again",
        )
    return manifest


def _read(path: Path) -> str:
    try:
        if not S_ISREG(path.stat().st_mode):
            raise ProjectError(f"{path} is not a file", hint="a stage is a file .hover/STAGE.yml")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise _no_such_stage(path) from error
    except OSError as error:
        raise ProjectError(
            f"{path} cannot be read: {error.strerror}", hint="look at who may read the file"
        ) from error
    if len(content) > MAX_BYTES:
        problem = Problem(path.name, 1, 1, "", f"larger than {MAX_BYTES:,} bytes")
        raise ManifestError([problem], hint="is this the right file?")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        problem = Problem(path.name, line, column, "", "not UTF-8 text")
        raise ManifestError([problem], hint=f"save {path} as UTF-8") from error


def _no_such_stage(path: Path) -> ProjectError:
    stages = sorted(file.stem for file in path.parent.glob("*.yml"))
    known = f"stages here: {', '.join(stages)}" if stages else "there is no stage here yet"
    if close := get_close_matches(path.stem, stages, n=1):
        known += f"; did you mean '{close[0]}'?"
    return ProjectError(
        f"there is no manifest {path.parent.name}/{path.name} ({known})",
        hint=f"in the project's root, 'hover-async stage new PROJECT {path.stem}' makes one",
    )


def _validate(document: Document) -> Manifest | None:
    data: Any = document.data
    if not isinstance(data, dict):
        found = "is empty" if data is None else "is not a mapping of keys to values"
        document.found((), f"the manifest {found}")
        return None
    _fill_empty(data)
    _take_as_text(document, data)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        findings = list(in_words(error.errors(include_url=False)))
        _tell(document, findings)
        _tell(document, _checks_of_the_rest(data, findings))
        return None
    _tell(document, cross_checks(manifest))
    return manifest.written_as(data)


def _fill_empty(data: dict[str, Any]) -> None:
    for key, empty in EMPTY.items():
        if key in data and data[key] is None:
            data[key] = empty()
    queues: Any = data.get("queue")
    for key, spec in queues.items() if isinstance(queues, dict) else ():
        queues[key] = {} if spec is None else spec


def _take_as_text(document: Document, data: dict[str, Any]) -> None:
    for section in TEXT_SECTIONS:
        values: Any = data.get(section)
        for key, value in values.items() if isinstance(values, dict) else ():
            if value is None:
                values[key] = ""
            elif isinstance(value, bool | int | float):
                values[key] = document.written[section, key]


def _tell(document: Document, findings: Iterable[Found]) -> None:
    """Note each finding, but for those about a value that could not even be read."""
    for path, message, suggestion in findings:
        if not any(path[:end] in document.unread for end in range(1, len(path) + 1)):
            document.found(path, message, suggestion)


def _checks_of_the_rest(data: dict[str, Any], findings: Iterable[Found]) -> Iterable[Found]:
    """The cross checks of what is left without the values that are wrong by themselves."""
    rest = deepcopy(data)
    for found in findings:
        _drop(rest, found.path)
    try:
        return list(cross_checks(Manifest.model_validate(rest)))
    except ValidationError:
        return ()


def _drop(data: dict[str, Any], path: KeyPath) -> None:
    first = str(path[0])
    if first in STAND_INS:
        data[first] = STAND_INS[first]
        for key in COMPARED_WITH.get(first, ()):
            _drop_key(data, key)
    else:
        for key in TOGETHER.get(path[:2], [path]):
            _drop_key(data, key)


def _drop_key(data: dict[str, Any], path: KeyPath) -> None:
    section: Any = data
    for step, following in zip(path, [*path[1:], 0], strict=True):
        if not isinstance(section, dict) or step not in section:
            return
        if isinstance(following, int):  # the end, or a list, whose other entries keep their index
            del section[step]
            return
        section = section[step]
