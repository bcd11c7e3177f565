"""The HTTP API in front of the http function: one route that takes everything."""

from __future__ import annotations

from hover_async.manifest import Manifest
from hover_async.template.functions import alias_id
from hover_async.template.parts import Resources, attribute, join, permission, ref, resource

API = "Api"


def http(manifest: Manifest) -> Resources:
    alias = alias_id(manifest.functions[0])
    any_route = join(
        "arn:",
        ref("AWS::Partition"),
        ":execute-api:",
        ref("AWS::Region"),
        ":",
        ref("AWS::AccountId"),
        ":",
        ref(API),
        "/*",
    )
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
            {"ApiId": ref(API), "StageName": "$default", "AutoDeploy": True},
        ),
        "ApiPermission": permission(alias, "apigateway.amazonaws.com", any_route),
    }


def api_url() -> object:
    return attribute(API, "ApiEndpoint")
