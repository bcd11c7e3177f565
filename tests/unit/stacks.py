"""A stage's template as tests look at it: resources by logical id, and their properties."""

from __future__ import annotations

import json
from typing import Any

from hover_async.manifest import Manifest
from hover_async.template import render
from hover_async.values import Edge

IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop@sha256:{'a' * 64}"
ON_AWS = Edge()
LOCAL = Edge("http://{label}.cloudfront.localhost:4566", "localhost:4566")
INTEGRATION = "AWS::ApiGatewayV2::Integration"
CONSUMER = "AWS::Lambda::EventSourceMapping"
ALARM = "AWS::CloudWatch::Alarm"
RULE = "AWS::Events::Rule"


def resources(
    stage: Manifest, *, started: bool = False, image_uri: str = IMAGE, edge: Edge = ON_AWS
) -> dict[str, Any]:
    names = [spec.name for spec in stage.functions] if started else []
    body = render(stage, image_uri=image_uri, started=names, edge=edge).body
    found: dict[str, Any] = json.loads(body)["Resources"]
    return found


def properties(found: dict[str, Any], logical_id: str) -> dict[str, Any]:
    given: dict[str, Any] = found[logical_id]["Properties"]
    return given


def of_type(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return {key: value["Properties"] for key, value in found.items() if value["Type"] == kind}
