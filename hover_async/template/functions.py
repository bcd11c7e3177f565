"""A function and its `live` alias."""

from __future__ import annotations

import re
from typing import Any

from hover_async.manifest import Manifest, QueueSpec
from hover_async.template.cdn import DISTRIBUTION
from hover_async.template.crew import Section
from hover_async.template.parts import Resources, attribute, join, ref, resource
from hover_async.values import LATEST, LIVE, Edge, FunctionSpec


def function_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Function"


def alias_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Live"


def function(
    manifest: Manifest, section: Section, *, image_uri: object, asset_origin: object
) -> Resources:
    """The function and its `live` alias.

    Its log group is older than it and made beside the stack (`deploy/logs.py`): one that exists
    already would make the stack fail.
    """
    spec = section.function
    return {
        function_id(spec): resource(
            "AWS::Lambda::Function",
            _properties(manifest, section, image_uri=image_uri, asset_origin=asset_origin),
        ),
        # Never to change once it was created: an update or a rollback would move traffic.
        alias_id(spec): resource(
            "AWS::Lambda::Alias",
            {
                "FunctionName": ref(function_id(spec)),
                "FunctionVersion": LATEST,
                "Name": LIVE,
            },
        ),
    }


def _properties(
    manifest: Manifest, section: Section, *, image_uri: object, asset_origin: object
) -> dict[str, Any]:
    spec, vpc = section.spec, manifest.vpc
    return {
        "FunctionName": section.function.name,
        "Role": manifest.auth.lambda_role,
        "PackageType": "Image",
        "Code": {"ImageUri": image_uri},
        "Architectures": [manifest.architecture.value],
        "MemorySize": spec.memory,
        "Timeout": spec.batch_timeout if isinstance(spec, QueueSpec) else spec.timeout,
        "ReservedConcurrentExecutions": spec.concurrency,
        "EphemeralStorage": {"Size": manifest.ephemeral_storage},
        "Environment": {"Variables": _variables(manifest, section, asset_origin)},
        "VpcConfig": None
        if vpc is None
        else {"SecurityGroupIds": list(vpc.security_groups), "SubnetIds": list(vpc.subnets)},
        "Tags": [{"Key": key, "Value": value} for key, value in manifest.tags.items()] or None,
    }


def _variables(manifest: Manifest, section: Section, asset_origin: object) -> dict[str, object]:
    """Constant over deploys, so that a deploy of the same manifest changes nothing but the image.

    The manifest's own environment is read by the runtime from `manifest.json` in the image, and
    wins over these.
    """
    variables: dict[str, object] = {
        "APP_ENV": "production",
        "CACHE_PREFIX": manifest.name,
        "HOVER_ROLE": section.function.role.value,
        "HOVER_ASSET_DOMAIN": asset_origin,
        "SQS_PREFIX": join(
            "https://sqs.",
            ref("AWS::Region"),
            ".",
            ref("AWS::URLSuffix"),
            "/",
            ref("AWS::AccountId"),
        ),
        "SQS_SUFFIX": f"-{manifest.name}",
    }
    if section.key is not None:
        variables["HOVER_QUEUE"] = section.key
    return variables


def edge_origin(edge: Edge) -> dict[str, Any]:
    """`https://{domain}` with the distribution's own domain (or its first `{label}`) put in."""
    domain = attribute(DISTRIBUTION, "DomainName")
    slots = {
        "{domain}": domain,
        "{label}": {"Fn::Select": ["0", {"Fn::Split": [".", domain]}]},
    }
    pieces = re.split(r"(\{domain\}|\{label\})", edge.url)
    return join(*(slots.get(piece, piece) for piece in pieces if piece))
