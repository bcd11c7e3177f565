"""Every function, its log group and its `live` alias."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.model import Cli, Http
from hover_async.template.cdn import DISTRIBUTION
from hover_async.template.parts import Resources, attribute, join, ref, resource
from hover_async.values import LATEST, LIVE, Edge, FunctionSpec


def function_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Function"


def alias_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Live"


class Section(NamedTuple):
    """A function of the stage with its section of the manifest; `key` is its `queue.<key>`."""

    function: FunctionSpec
    spec: Http | Cli | QueueSpec
    key: str | None = None


def sections(manifest: Manifest) -> Iterator[Section]:
    http, cli, *workers = manifest.functions
    yield Section(http, manifest.http)
    yield Section(cli, manifest.cli)
    for worker, (key, spec) in zip(workers, manifest.queues.items(), strict=True):
        yield Section(worker, spec, key)


def functions(manifest: Manifest, *, image_uri: str, edge: Edge) -> Resources:
    resources: Resources = {}
    for section in sections(manifest):
        function, logs = section.function, f"{section.function.logical_id}Logs"
        # Older than the function, or Lambda makes one of its own that is kept for ever.
        resources[logs] = resource(
            "AWS::Logs::LogGroup",
            {
                "LogGroupName": f"/aws/lambda/{function.name}",
                "RetentionInDays": manifest.log_retention,
            },
        )
        resources[function_id(function)] = resource(
            "AWS::Lambda::Function",
            _function(manifest, section, image_uri=image_uri, edge=edge),
            DependsOn=[logs],
        )
        # Never to change once it was created: an update or a rollback would move traffic.
        resources[alias_id(function)] = resource(
            "AWS::Lambda::Alias",
            {
                "FunctionName": ref(function_id(function)),
                "FunctionVersion": LATEST,
                "Name": LIVE,
            },
        )
    return resources


def _function(
    manifest: Manifest, section: Section, *, image_uri: str, edge: Edge
) -> dict[str, Any]:
    vpc = manifest.vpc
    return {
        "FunctionName": section.function.name,
        "Role": manifest.auth.lambda_role,
        "PackageType": "Image",
        "Code": {"ImageUri": image_uri},
        "Architectures": [manifest.architecture.value],
        "MemorySize": section.spec.memory,
        "Timeout": section.spec.timeout,
        "ReservedConcurrentExecutions": section.spec.concurrency,
        "EphemeralStorage": {"Size": manifest.ephemeral_storage},
        "Environment": {"Variables": _variables(manifest, section, edge)},
        "VpcConfig": None
        if vpc is None
        else {"SecurityGroupIds": list(vpc.security_groups), "SubnetIds": list(vpc.subnets)},
        "Tags": [{"Key": key, "Value": value} for key, value in manifest.tags.items()] or None,
    }


def _variables(manifest: Manifest, section: Section, edge: Edge) -> dict[str, object]:
    """Constant over deploys, so that a deploy of the same manifest changes nothing but the image.

    The manifest's own environment is read by the runtime from `manifest.json` in the image, and
    wins over these.
    """
    variables: dict[str, object] = {
        "APP_ENV": "production",
        "CACHE_PREFIX": manifest.name,
        "HOVER_ROLE": section.function.role.value,
        "HOVER_ASSET_DOMAIN": edge_origin(edge),
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
