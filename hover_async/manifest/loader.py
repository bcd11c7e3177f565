"""From the file to the manifest, or to every problem in it at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hover_async.errors import ManifestError, Problem, ProjectError
from hover_async.manifest.checks import cross_checks
from hover_async.manifest.document import MAX_BYTES, Document
from hover_async.manifest.model import Manifest

MISSING_HINTS = {
    ("auth",): "two roles: 'stack-role' for CloudFormation, 'lambda-role' for the functions",
    ("auth", "stack-role"): "the ARN of the role that CloudFormation acts as",
    ("auth", "lambda-role"): "the ARN of the role that the functions act as",
    ("name",): "the stage's name on AWS, as 'shop-production'",
    ("region",): "the AWS region to deploy to, as 'eu-central-1'",
}
KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
"""What pydantic calls a wrong type, in the words of a manifest."""


def load_manifest(path: Path) -> Manifest:
    """The manifest in `path`.

    Raises `ProjectError` when there is no such file, and `ManifestError` with every problem found.
    """
    text = _read(path)
    document = Document.read(path.name, text)
    if not document.problems and not isinstance(document.data, Mapping):
        found = "is empty" if document.data is None else "is not a mapping of keys to values"
        document.found((), f"the manifest {found}")
    manifest = None if document.problems else _validate(document)
    if manifest is None or document.problems:
        raise ManifestError(
            sorted(document.problems, key=lambda problem: (problem.line, problem.column)),
            hint=f"mend {path}; the keys are explained in docs/manifest.md",
        )
    return manifest


def _read(path: Path) -> str:
    stages = sorted(file.stem for file in path.parent.glob("*.yml"))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ManifestError([Problem(path.name, 1, 1, "", f"larger than {MAX_BYTES} bytes")])
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        known = f"stages here: {', '.join(stages)}" if stages else "there is no stage here yet"
        raise ProjectError(
            f"there is no manifest {path.parent.name}/{path.name} ({known})",
            hint=f"in the project's root, 'hover-async stage new PROJECT {path.stem}' makes one",
        ) from error
    except UnicodeDecodeError as error:
        raise ManifestError([Problem(path.name, 1, 1, "", "not UTF-8 text")]) from error
    except OSError as error:
        raise ProjectError(f"{path} cannot be read: {error.strerror}") from error


def _validate(document: Document) -> Manifest | None:
    try:
        manifest = Manifest.model_validate(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _tell(document, detail)
        return None
    manifest = manifest.written_as(document.data)
    for path, message in cross_checks(manifest):
        document.found(path, message)
    return manifest


def _tell(document: Document, detail: Any) -> None:
    loc = tuple(step for step in detail["loc"] if step not in {"[key]", "function-after"})
    kind, found = detail["type"], detail["input"]
    shown = repr(found) if not isinstance(found, Mapping | list) else "a nested value"
    if kind == "extra_forbidden":
        known = _known_keys(Manifest, loc[:-1])
        close = get_close_matches(str(loc[-1]), known, n=1)
        document.found(loc, "unknown key", close[0] if close else None)
    elif kind == "missing":
        wanted = MISSING_HINTS.get(loc)
        document.found(loc, f"missing: {wanted}" if wanted else "missing")
    elif kind == "value_error":
        document.found(loc, str(detail["ctx"]["error"]))
    elif kind == "enum":
        close = get_close_matches(str(found), ["x86_64", "arm64"], n=1, cutoff=0.3)
        message = f"expected {detail['ctx']['expected']}, found {shown}"
        document.found(loc, message, close[0] if close else None)
    elif kind in KINDS:
        document.found(loc, f"expected {KINDS[kind]}, found {shown}")
    else:
        document.found(loc, f"{detail['msg'][0].lower()}{detail['msg'][1:]}, found {shown}")


def _known_keys(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys of the section at `path`."""
    section: Any = model
    for step in path:
        if isinstance(section, type) and issubclass(section, BaseModel):
            fields = {field.alias: field.annotation for field in section.model_fields.values()}
            section = fields.get(str(step))
            section = next((arm for arm in get_args(section) if _is_section(arm)), section)
    if not _is_section(section):
        return []
    return [str(field.alias) for field in section.model_fields.values()]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
