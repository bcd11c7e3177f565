"""The whole template, from its parts."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hover_async.errors import UsageError
from hover_async.manifest import Manifest
from hover_async.template.assets import assets
from hover_async.template.cdn import DISTRIBUTION, cdn
from hover_async.template.functions import functions
from hover_async.template.http import API, api_url, http
from hover_async.template.parts import attribute, ref
from hover_async.template.queues import queues
from hover_async.template.schedules import schedules
from hover_async.values import Edge, FunctionName, FunctionSpec

MAX_RESOURCES = 500
MAX_BYTES = 1_000_000
"""What CloudFormation takes of one template, through S3."""

ON_AWS = Edge()


@dataclass(frozen=True)
class Template:
    """A template as CloudFormation takes it: compact JSON, the same for the same input."""

    body: str
    functions: tuple[FunctionSpec, ...]
    size_bytes: int
    resource_count: int


def render(
    manifest: Manifest,
    *,
    image_uri: str,
    started: Collection[FunctionName],
    edge: Edge = ON_AWS,
) -> Template:
    """The stage's template.

    Functions in `started` were live before and get work: queue messages, schedules. `edge` is
    how visitors reach the distribution.
    Raises `UsageError` when the stage is too large for one stack.
    """
    resources = {
        **cdn(manifest, edge=edge),
        **assets(manifest),
        **functions(manifest, image_uri=image_uri, edge=edge),
        **http(manifest),
        **queues(manifest, started=started),
        **schedules(manifest, started=started),
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{manifest.name}: a Laravel application, deployed by hover-async",
        "Resources": resources,
        "Outputs": {
            "ApiId": _output(ref(API)),
            "ApiUrl": _output(api_url()),
            "DistributionDomain": _output(attribute(DISTRIBUTION, "DomainName")),
            "DistributionId": _output(ref(DISTRIBUTION)),
        },
    }
    # Not escaped: YAML parsers, cfn-lint's among them, stumble over JSON's pairs of surrogates.
    body = json.dumps(template, separators=(",", ":"), ensure_ascii=False)
    size_bytes = len(body.encode())
    if len(resources) > MAX_RESOURCES or size_bytes > MAX_BYTES:
        raise UsageError(
            f"stage '{manifest.name}' needs {len(resources)} resources in {size_bytes:,} bytes; "
            f"one stack takes {MAX_RESOURCES} in {MAX_BYTES:,}",
            hint="give some queues to one function together, or make two stages of it",
        )
    return Template(body, manifest.functions, size_bytes, len(resources))


def _output(value: Any) -> dict[str, Any]:
    return {"Value": value}
