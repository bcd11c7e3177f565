"""The first manifest of a stage."""

from __future__ import annotations

import re
from importlib.resources import files

import yaml


def new_manifest(
    *, name: str, region: str, profile: str | None, stack_role: str, lambda_role: str
) -> str:
    """A commented manifest with these values, quoted so that each is read back as it is here.

    Nothing is checked: `load_manifest` tells whether the values are legal.
    """
    text = files("hover_async.stubs").joinpath("manifest.yml").read_text(encoding="utf-8")
    values = {
        "NAME": _quoted(name),
        "REGION": _quoted(region),
        "PROFILE": f"aws-profile: {_quoted(profile)}" if profile else "# aws-profile: default",
        "STACK_ROLE": _quoted(stack_role),
        "LAMBDA_ROLE": _quoted(lambda_role),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: values[slot[1]], text)


def _quoted(value: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_/:][A-Za-z0-9]+|::[A-Za-z0-9]+)*", value)
    if plain and yaml.safe_load(value) == value:
        return value
    return yaml.safe_dump(value, default_style='"', width=float("inf")).strip()
