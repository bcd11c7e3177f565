"""How CloudFormation updates each kind of resource that a stage has, and what it keeps in it.

`replacing` are the properties whose change makes another resource of it: "Update requires:
Replacement" in CloudFormation's Template Reference, `createOnlyProperties` in the resource's schema
(a test compares the two). Everything else is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """`label` is what people call it; `named_by` the property that names it on AWS.

    `keeps` is the data that goes with the resource; `lost` what its end means, where that is more
    than the resource itself.
    """

    label: str
    replacing: frozenset[str] = frozenset()
    named_by: str = ""
    keeps: str = ""
    lost: str = ""


def _of(
    label: str, replacing: str = "", *, named_by: str = "", keeps: str = "", lost: str = ""
) -> Behaviour:
    return Behaviour(label, frozenset(replacing.split()), named_by, keeps, lost)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "AWS::ApiGatewayV2::Api": _of(
        "HTTP API", "ProtocolType", named_by="Name", lost="its own URL ends with it"
    ),
    "AWS::ApiGatewayV2::Integration": _of("API integration", "ApiId"),
    "AWS::ApiGatewayV2::Route": _of("API route", "ApiId"),
    "AWS::ApiGatewayV2::Stage": _of("API stage", "ApiId StageName"),
    "AWS::CloudFormation::Stack": _of("nested stack"),
    "AWS::CloudFront::Distribution": _of(
        "distribution", lost="its cloudfront.net domain ends with it, and whatever points there"
    ),
    "AWS::CloudFront::Function": _of("CloudFront function", "Name", named_by="Name"),
    "AWS::CloudFront::OriginAccessControl": _of("origin access"),
    "AWS::CloudWatch::Alarm": _of("alarm", "AlarmName", named_by="AlarmName"),
    "AWS::DynamoDB::Table": _of(
        "table", "TableName ImportSourceSpecification", named_by="TableName", keeps="items"
    ),
    "AWS::Events::Rule": _of("schedule", "Name", named_by="Name"),
    "AWS::Lambda::Alias": _of("alias", "FunctionName Name"),
    "AWS::Lambda::EventInvokeConfig": _of("retry setting", "FunctionName Qualifier"),
    "AWS::Lambda::EventSourceMapping": _of(
        "queue consumer",
        "EventSourceArn SelfManagedEventSource StartingPosition StartingPositionTimestamp",
    ),
    "AWS::Lambda::Function": _of(
        "function",
        "FunctionName PackageType TenancyConfig",
        named_by="FunctionName",
        lost="all its versions end with it",
    ),
    "AWS::Lambda::Permission": _of(
        "permission",
        "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
        "PrincipalOrgID SourceAccount SourceArn",
    ),
    "AWS::Logs::LogGroup": _of("log group", "LogGroupName", named_by="LogGroupName", keeps="logs"),
    "AWS::S3::Bucket": _of(
        "bucket",
        "BucketName BucketNamePrefix BucketNamespace",
        named_by="BucketName",
        keeps="objects",
    ),
    "AWS::S3::BucketPolicy": _of("bucket policy", "Bucket", named_by="Bucket"),
    "AWS::SQS::Queue": _of("queue", "FifoQueue QueueName", named_by="QueueName", keeps="messages"),
}
UNKNOWN = Behaviour("resource")


def behaviour(kind: str) -> Behaviour:
    """That of a resource type; one that is not in the table has a label and nothing else."""
    return BEHAVIOURS.get(kind) or Behaviour(kind.removeprefix("AWS::").replace("::", " "))
