"""The first manifest of a stage."""

from __future__ import annotations

import json
from importlib.resources import files


def new_manifest(
    *, name: str, region: str, profile: str | None, stack_role: str, lambda_role: str
) -> str:
    """A commented manifest with these values; a JSON string is a YAML string, whatever is in it."""
    text = files("hover_async.stubs").joinpath("manifest.yml").read_text(encoding="utf-8")
    values = {
        "NAME": json.dumps(name),
        "REGION": json.dumps(region),
        "PROFILE": f"aws-profile: {json.dumps(profile)}" if profile else "# aws-profile: default",
        "STACK_ROLE": json.dumps(stack_role),
        "LAMBDA_ROLE": json.dumps(lambda_role),
    }
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text
