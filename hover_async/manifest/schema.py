"""The manifest as a JSON Schema: what editors complete and check while somebody writes one.

It says what each single key may be, as the loader takes it. What several keys mean together, what
a command is, and what YAML itself makes wrong, only the loader knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hover_async.manifest.checks import RETENTION_DAYS
from hover_async.manifest.loader import EMPTY, TEXT_SECTIONS
from hover_async.manifest.model import Manifest

FILE = "manifest.schema.json"
"""Beside the manifests in `.hover`: the first line of each names it."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALARS = ("string", "number", "boolean", "null")


def json_schema() -> Mapping[str, Any]:
    """The schema, JSON-ready; the same for the same version of hover-async."""
    schema = Manifest.model_json_schema()
    _walk(schema)
    keys = schema["properties"]
    keys["log-retention"]["enum"] = list(RETENTION_DAYS)
    _each_value(keys["queue"], _or_nothing)
    for section in TEXT_SECTIONS:
        _each_value(keys[section], lambda value: {**value, "type": list(SCALARS)})
    for section in EMPTY.keys() - set(schema["required"]):
        keys[section] = _or_nothing(keys[section])
    return {"$schema": DIALECT, "title": "A stage of hover-async", **schema}


def _each_value(section: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the schema says of the values of a section whose keys are the user's own."""
    patterns = section["patternProperties"]
    section["patternProperties"] = {key: change(value) for key, value in patterns.items()}


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """A section whose every line is commented out says the same as one that is left out."""
    about: dict[str, Any] = {
        key: schema.pop(key) for key in ("description", "default") if key in schema
    }
    return {**about, "anyOf": [schema, {"type": "null"}]}


def _walk(schema: object) -> None:
    """Drop the titles that pydantic makes of names: an editor would show them before descriptions.

    Where keys have a pattern, no others are taken.
    """
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        if "patternProperties" in schema:
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            _walk(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _walk(inner)
