"""The HTTP API in front of the http function: one route that takes everything."""

from __future__ import annotations

import json

from hover_async.manifest import Manifest
from hover_async.manifest.names import access_log_group
from hover_async.template.functions import alias_id
from hover_async.template.parts import Resources, arn, attribute, join, permission, ref, resource

API = "Api"
LOGGED = {
    "time": "requestTime",
    "id": "requestId",
    "ip": "identity.sourceIp",
    "method": "httpMethod",
    "path": "path",
    "status": "status",
    "bytes": "responseLength",
    "ms": "responseLatency",
    "function_ms": "integrationLatency",
    "function_status": "integrationStatus",
    "error": "integrationErrorMessage",
}
"""What a line of the access log has: also of requests that no function saw, as when throttled."""


def http(manifest: Manifest) -> Resources:
    alias = alias_id(manifest.functions[0])
    any_route = arn("execute-api", ref(API), "/*")
    return {
        API: resource("AWS::ApiGatewayV2::Api", {"Name": manifest.name, "ProtocolType": "HTTP"}),
        "ApiIntegration": resource(
            "AWS::ApiGatewayV2::Integration",
            {
                "ApiId": ref(API),
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": ref(alias),
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": 30_000,
            },
        ),
        "ApiRoute": resource(
            "AWS::ApiGatewayV2::Route",
            {
                "ApiId": ref(API),
                "RouteKey": "$default",
                "Target": join("integrations/", ref("ApiIntegration")),
            },
        ),
        "ApiStage": resource(
            "AWS::ApiGatewayV2::Stage",
            {
                "ApiId": ref(API),
                "StageName": "$default",
                "AutoDeploy": True,
                "AccessLogSettings": _access_log(manifest) if manifest.http.access_log else None,
            },
        ),
        "ApiPermission": permission(alias, "apigateway.amazonaws.com", any_route),
    }


def _access_log(manifest: Manifest) -> dict[str, object]:
    """Into a group made beside the stack. The query string stays out: links may be signed."""
    return {
        "DestinationArn": arn("logs", f"log-group:{access_log_group(manifest.name)}"),
        "Format": json.dumps({name: f"$context.{path}" for name, path in LOGGED.items()}),
    }


def api_url() -> object:
    return attribute(API, "ApiEndpoint")
