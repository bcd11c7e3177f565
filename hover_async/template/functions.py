"""Every function, its log group and its `live` alias."""

from __future__ import annotations

from typing import Any

from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.model import Cli, Http
from hover_async.template.cdn import DISTRIBUTION
from hover_async.template.parts import Resources, attribute, join, ref, resource
from hover_async.values import LATEST, LIVE, FunctionSpec, Role


def function_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Function"


def alias_id(function: FunctionSpec) -> str:
    return f"{function.logical_id}Live"


def functions(manifest: Manifest, *, image_uri: str, edge_url: str) -> Resources:
    resources: Resources = {}
    for function in manifest.functions:
        logs = f"{function.logical_id}Logs"
        resources[logs] = resource(
            "AWS::Logs::LogGroup",
            {
                "LogGroupName": f"/aws/lambda/{function.name}",
                "RetentionInDays": manifest.log_retention,
            },
        )
        resources[function_id(function)] = resource(
            "AWS::Lambda::Function",
            _function(manifest, function, image_uri=image_uri, edge_url=edge_url),
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
    manifest: Manifest, function: FunctionSpec, *, image_uri: str, edge_url: str
) -> dict[str, Any]:
    size = _size(manifest, function)
    vpc = manifest.vpc
    return {
        "FunctionName": function.name,
        "Role": manifest.auth.lambda_role,
        "PackageType": "Image",
        "Code": {"ImageUri": image_uri},
        "Architectures": [manifest.architecture.value],
        "MemorySize": size.memory,
        "Timeout": size.timeout,
        "ReservedConcurrentExecutions": size.concurrency,
        "EphemeralStorage": {"Size": manifest.ephemeral_storage},
        "Environment": {"Variables": _variables(manifest, function, edge_url)},
        "VpcConfig": None
        if vpc is None
        else {"SecurityGroupIds": list(vpc.security_groups), "SubnetIds": list(vpc.subnets)},
    }


def _size(manifest: Manifest, function: FunctionSpec) -> Http | Cli | QueueSpec:
    match function.role:
        case Role.HTTP:
            return manifest.http
        case Role.CLI:
            return manifest.cli
        case Role.QUEUE:
            return manifest.queue[_queue(manifest, function)]


def _queue(manifest: Manifest, function: FunctionSpec) -> str:
    return next(
        queue for queue in manifest.queue if manifest.queue_function(queue) == function.name
    )


def _variables(manifest: Manifest, function: FunctionSpec, edge_url: str) -> dict[str, object]:
    """Constant over deploys, so that a deploy of the same manifest changes nothing but the image.

    The manifest's own environment is read by the runtime from `manifest.json` in the image.
    """
    variables: dict[str, object] = {
        "HOVER_ROLE": function.role.value,
        "HOVER_ASSET_DOMAIN": edge(edge_url),
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
    if function.role is Role.QUEUE:
        variables["HOVER_QUEUE"] = _queue(manifest, function)
    return variables


def edge(edge_url: str) -> dict[str, Any]:
    """`https://{domain}` with the distribution's own domain (or its first label) put in."""
    domain = attribute(DISTRIBUTION, "DomainName")
    label = {"Fn::Select": [0, {"Fn::Split": [".", domain]}]}
    before, slot, after = edge_url.partition("{domain}")
    if slot:
        return join(before, domain, after)
    before, _, after = edge_url.partition("{label}")
    return join(before, label, after)
