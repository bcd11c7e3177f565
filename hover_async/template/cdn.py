"""CloudFront: the application behind everything, a build's assets straight from the bucket.

Pages are never cached and see all that the visitor sent (but for `Host`, which API Gateway needs
to be its own: a viewer function passes the visitor's on as `X-Forwarded-Host`). Assets lie under
`/<build_id>/`, never change, and are cached for as long as browsers like.
"""

from __future__ import annotations

from typing import Any

from hover_async.manifest import Manifest
from hover_async.template.parts import Resources, attribute, join, ref, resource
from hover_async.values import Edge

DISTRIBUTION = "Distribution"
BUILD_PATHS = "/b????????T??????Z-????????/*"
"""Every build id has this form (`values.BuildId`), and no route of an application does."""

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
SIMPLE_CORS = "60669652-455b-4ae9-85a4-c4c02393f86c"
"""CloudFront's managed policies, the same ids in every account (CloudFront developer guide)."""

ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
FORWARD_HOST = (
    "function handler(event){"
    "var request=event.request;"
    "request.headers['x-forwarded-host']={value:request.headers.host.value};"
    "return request}"
)


def cdn(manifest: Manifest, *, edge: Edge) -> Resources:
    return {
        "ForwardHost": resource(
            "AWS::CloudFront::Function",
            {
                "Name": f"{manifest.name}-host",
                "AutoPublish": True,
                "FunctionCode": FORWARD_HOST,
                "FunctionConfig": {
                    "Comment": "passes the visitor's Host on",
                    "Runtime": "cloudfront-js-2.0",
                },
            },
        ),
        "AssetsAccess": resource(
            "AWS::CloudFront::OriginAccessControl",
            {
                "OriginAccessControlConfig": {
                    "Name": f"{manifest.name}-assets",
                    "OriginAccessControlOriginType": "s3",
                    "SigningBehavior": "always",
                    "SigningProtocol": "sigv4",
                }
            },
        ),
        DISTRIBUTION: resource(
            "AWS::CloudFront::Distribution",
            {"DistributionConfig": _distribution(manifest, edge)},
        ),
    }


def _distribution(manifest: Manifest, edge: Edge) -> dict[str, Any]:
    viewers = "redirect-to-https" if edge.url.startswith("https:") else "allow-all"
    config: dict[str, Any] = {
        "Comment": manifest.name,
        "Enabled": True,
        "HttpVersion": "http2and3",
        "IPV6Enabled": True,
        "Origins": [_pages_origin(edge), _assets_origin(manifest)],
        "DefaultCacheBehavior": {
            "TargetOriginId": "pages",
            "ViewerProtocolPolicy": viewers,
            "AllowedMethods": ALL_METHODS,
            "CachePolicyId": CACHING_DISABLED,
            "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST,
            "Compress": True,
            "FunctionAssociations": [
                {
                    "EventType": "viewer-request",
                    "FunctionARN": attribute("ForwardHost", "FunctionARN"),
                }
            ],
        },
        "CacheBehaviors": [
            {
                "PathPattern": BUILD_PATHS,
                "TargetOriginId": "assets",
                "ViewerProtocolPolicy": viewers,
                "AllowedMethods": ["GET", "HEAD"],
                "CachePolicyId": CACHING_OPTIMIZED,
                # A page under a domain of its own loads fonts and modules across origins.
                "ResponseHeadersPolicyId": SIMPLE_CORS,
                "Compress": True,
            }
        ],
    }
    if manifest.http.certificate:
        config["Aliases"] = list(manifest.http.domains)
        config["ViewerCertificate"] = {
            "AcmCertificateArn": manifest.http.certificate,
            "MinimumProtocolVersion": "TLSv1.2_2021",
            "SslSupportMethod": "sni-only",
        }
    return config


def _pages_origin(edge: Edge) -> dict[str, Any]:
    if edge.api_host:
        return _local_pages_origin(edge.api_host)
    return {
        "Id": "pages",
        "DomainName": join(
            ref("Api"), ".execute-api.", ref("AWS::Region"), ".", ref("AWS::URLSuffix")
        ),
        "CustomOriginConfig": {
            "OriginProtocolPolicy": "https-only",
            "OriginSSLProtocols": ["TLSv1.2"],
            "OriginReadTimeout": 30,
        },
    }


def _local_pages_origin(api_host: str) -> dict[str, Any]:
    """API Gateway by path: a local AWS sends nothing to AWS's own host names."""
    host, _, port = api_host.partition(":")
    return {
        "Id": "pages",
        "DomainName": host,
        "OriginPath": join("/_aws/execute-api/", ref("Api"), "/$default"),
        "CustomOriginConfig": {
            "OriginProtocolPolicy": "http-only",
            "HTTPPort": int(port or 80),
            "OriginReadTimeout": 30,
        },
    }


def _assets_origin(manifest: Manifest) -> dict[str, Any]:
    return {
        "Id": "assets",
        "DomainName": join(
            f"{manifest.bucket}.s3.", ref("AWS::Region"), ".", ref("AWS::URLSuffix")
        ),
        "OriginAccessControlId": attribute("AssetsAccess", "Id"),
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
