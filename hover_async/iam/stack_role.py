"""What CloudFormation may do as the stack role: a table by resource type.

The actions are those that CloudFormation's resource schemas list for each type's handlers (create,
read, update, delete), less those for what a stage never has (`LEFT_OUT`, with the reason of each).
`lambda:UpdateAlias` is left out on purpose: whatever happens to a stack, CloudFormation cannot move
a `live` alias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hover_async.iam.names import Names
from hover_async.iam.policy import Condition, Grant, Policy


@dataclass(frozen=True)
class Place:
    """Where actions are allowed: one statement of the policy."""

    on: Callable[[Names], Sequence[str]]
    why: str
    condition: Callable[[Names], Condition] = lambda _: {}


def _any(_: Names) -> Sequence[str]:
    return ["*"]


def _of_our_aliases(names: Names) -> Condition:
    return {"ArnLike": {"lambda:FunctionArn": names.versions}}


PLACES: Mapping[str, Place] = {
    "Functions": Place(
        lambda names: [*names.functions, *names.versions],
        "the stage's functions and their `live` aliases, which only the deployer may move",
    ),
    "LambdaRole": Place(
        lambda names: [names.lambda_role],
        "the functions act as the lambda role, and this hands it over to nobody else",
        lambda _: {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    ),
    "Image": Place(
        lambda names: [names.repository],
        "Lambda reads the image, and looks whether the repository lets it; the deployer has let it",
    ),
    "ConsumerCreation": Place(
        _any,
        "AWS knows no narrower resource; the condition allows the stage's aliases alone",
        _of_our_aliases,
    ),
    "Consumers": Place(
        lambda names: [names.consumers],
        "Lambda makes up their ids; the condition allows those of the stage's aliases alone",
        _of_our_aliases,
    ),
    "ConsumerTags": Place(
        lambda names: [names.consumers], "a stack's tags are its resources' as well"
    ),
    "NestedStacks": Place(
        lambda names: [names.nested_stacks],
        "a stage of many queues has nested stacks, which CloudFormation makes in the role's name "
        "and calls after the stack",
    ),
    "NestedTemplates": Place(
        lambda names: [names.templates], "their templates are read in the role's name as well"
    ),
    "Alarms": Place(
        lambda names: [names.alarms], "CloudFormation names them after the stack they are in"
    ),
    "AlarmReading": Place(_any, "CloudFormation looks an alarm up among all"),
    "AccessLog": Place(
        _any,
        "API Gateway sends its access log in the role's name; AWS knows no narrower resource",
    ),
    "Schedules": Place(
        lambda names: [names.rules],
        "the scheduler and the warmer; CloudFormation names them after the stack, shortened",
    ),
    "Apis": Place(
        lambda names: names.apis,
        "API Gateway makes up the id of an API, so no narrower name is known; /tags, for a stack's "
        "tags are its resources' as well",
    ),
    "AssetsPolicy": Place(lambda names: [names.bucket], "lets the distribution read the assets"),
    "Distribution": Place(
        lambda names: [names.distributions, names.origin_accesses],
        "CloudFront makes up the ids of distributions and origin accesses: no narrower name is "
        "known",
    ),
    "HostFunction": Place(
        lambda names: [names.host_function], "passes the visitor's Host on to the application"
    ),
    "OriginAccessCreation": Place(
        _any, "AWS knows no narrower resource for creating an origin access"
    ),
    "Network": Place(
        _any, "the functions' subnets and security groups are looked up; AWS knows no narrower one"
    ),
}

HANDLERS: Mapping[str, Mapping[str, str]] = {
    "AWS::ApiGatewayV2::Api": {
        "Apis": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT"
    },
    "AWS::ApiGatewayV2::Integration": {
        "Apis": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT"
    },
    "AWS::ApiGatewayV2::Route": {
        "Apis": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT"
    },
    "AWS::ApiGatewayV2::Stage": {
        "Apis": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST",
        "AccessLog": "logs:CreateLogDelivery logs:DeleteLogDelivery logs:DescribeLogGroups "
        "logs:DescribeResourcePolicies logs:GetLogDelivery logs:ListLogDeliveries "
        "logs:PutResourcePolicy logs:UpdateLogDelivery",
    },
    "AWS::CloudFormation::Stack": {
        "NestedStacks": "cloudformation:CreateStack cloudformation:DeleteStack "
        "cloudformation:DescribeStacks cloudformation:GetStackPolicy cloudformation:GetTemplate "
        "cloudformation:TagResource cloudformation:UpdateStack",
        "NestedTemplates": "s3:GetObject",
    },
    "AWS::CloudFront::Distribution": {
        "Distribution": "cloudfront:CreateDistribution cloudfront:DeleteDistribution "
        "cloudfront:GetDistribution cloudfront:GetDistributionConfig "
        "cloudfront:ListTagsForResource cloudfront:TagResource cloudfront:UntagResource "
        "cloudfront:UpdateDistribution"
    },
    "AWS::CloudFront::Function": {
        "HostFunction": "cloudfront:CreateFunction cloudfront:DeleteFunction "
        "cloudfront:DescribeFunction cloudfront:GetFunction cloudfront:ListTagsForResource "
        "cloudfront:PublishFunction cloudfront:TagResource cloudfront:UntagResource "
        "cloudfront:UpdateFunction"
    },
    "AWS::CloudFront::OriginAccessControl": {
        "OriginAccessCreation": "cloudfront:CreateOriginAccessControl",
        "Distribution": "cloudfront:DeleteOriginAccessControl cloudfront:GetOriginAccessControl "
        "cloudfront:UpdateOriginAccessControl",
    },
    "AWS::CloudWatch::Alarm": {
        "Alarms": "cloudwatch:DeleteAlarms cloudwatch:ListTagsForResource "
        "cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:UntagResource",
        "AlarmReading": "cloudwatch:DescribeAlarms",
    },
    "AWS::Events::Rule": {
        "Schedules": "events:DeleteRule events:DescribeRule events:ListTagsForResource "
        "events:ListTargetsByRule events:PutRule events:PutTargets events:RemoveTargets "
        "events:TagResource events:UntagResource"
    },
    "AWS::Lambda::Alias": {
        "Functions": "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias "
        "lambda:GetProvisionedConcurrencyConfig"
    },
    "AWS::Lambda::EventInvokeConfig": {
        "Functions": "lambda:DeleteFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
        "lambda:PutFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig"
    },
    "AWS::Lambda::EventSourceMapping": {
        "ConsumerCreation": "lambda:CreateEventSourceMapping",
        "Consumers": "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping "
        "lambda:UpdateEventSourceMapping",
        "ConsumerTags": "lambda:ListTags lambda:TagResource lambda:UntagResource",
    },
    "AWS::Lambda::Function": {
        "Functions": "lambda:CreateFunction lambda:DeleteFunction "
        "lambda:DeleteFunctionConcurrency lambda:GetFunction lambda:GetFunctionCodeSigningConfig "
        "lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig "
        "lambda:GetRuntimeManagementConfig lambda:PutFunctionConcurrency lambda:TagResource "
        "lambda:UntagResource lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration",
        "LambdaRole": "iam:PassRole",
        "Image": "ecr:BatchGetImage ecr:GetDownloadUrlForLayer ecr:GetRepositoryPolicy",
        "Network": "ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets "
        "ec2:DescribeVpcs",
    },
    "AWS::Lambda::Permission": {
        "Functions": "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission"
    },
    "AWS::S3::BucketPolicy": {
        "AssetsPolicy": "s3:DeleteBucketPolicy s3:GetBucketPolicy s3:PutBucketPolicy"
    },
}
"""By resource type the actions it needs, by place; spaces between."""

BEYOND: Mapping[str, str] = {
    "ecr:BatchGetImage": "Lambda asks for the image in the name of who creates the function",
    "ecr:GetDownloadUrlForLayer": "the same",
    "ecr:GetRepositoryPolicy": "the same",
    "apigateway:GET": "CloudFormation reads a stage before it deletes it",
    "cloudformation:TagResource": "a stack's tags are its nested stacks' as well",
    "logs:CreateLogDelivery": "API Gateway's documentation of access logs asks for it",
    "logs:DeleteLogDelivery": "the same",
    "logs:DescribeLogGroups": "the same",
    "logs:DescribeResourcePolicies": "the same",
    "logs:GetLogDelivery": "the same",
    "logs:ListLogDeliveries": "the same",
    "logs:PutResourcePolicy": "the same",
    "logs:UpdateLogDelivery": "the same",
    "s3:GetObject": "CloudFormation reads nested templates in the name of who makes the stack",
}
"""Granted though no resource schema lists it."""

LEFT_OUT: Mapping[str, str] = {
    "apigateway:TagResource": "no action of IAM: tags are POST and PUT on /tags",
    "apigateway:UntagResource": "the same: DELETE on /tags",
    "cloudfront:*ConnectionGroup": "for distributions of tenants",
    "cloudfront:CreateDistributionWithTags": "no action of IAM: CreateDistribution and TagResource",
    "cloudfront:GetVpcOrigin": "no origin is inside a VPC",
    "cloudfront:UpdateDistributionWithStagingConfig": "no distribution is staged",
    "codedeploy:*": "CodeDeploy does not move `live`: the deployer does",
    "elasticfilesystem:*": "no function mounts a file system",
    "cloudformation:SetStackPolicy": "no nested stack has a policy",
    "cloudformation:UpdateTerminationProtection": "a nested stack has none of its own",
    "iam:PassRole": "of these types no resource has a role of its own; nested stacks use this one",
    "kms:*": "functions use AWS's own keys",
    "lambda:*CodeSigningConfig": "an image is not signed by Lambda's code signing",
    "lambda:*ProvisionedConcurrencyConfig": "no alias has provisioned concurrency",
    "lambda:AssociateRuntimeAlias": "an image brings its own runtime",
    "lambda:GetLayerVersion": "an image has no layers of Lambda's",
    "lambda:PassCapacityProvider": "functions run on Lambda's own capacity",
    "lambda:PublishVersion": "the deployer publishes versions",
    "lambda:PutFunctionRecursionConfig": "recursion is left as it is by default",
    "lambda:PutFunctionScalingConfig": "as for capacity providers",
    "lambda:PutRuntimeManagementConfig": "an image brings its own runtime",
    "lambda:UpdateAlias": "the deployer alone moves `live`",
    "s3:GetObject": "code is an image, an API has no definition in S3",
    "s3:GetObjectVersion": "the same",
    "s3:getObject": "the same",
    "s3files:*": "no function mounts a file system",
}
"""What the schemas list besides (`*` as in a policy), and why a stage never needs it."""


def stack_role(names: Names) -> Policy:
    actions: dict[str, set[str]] = {}
    for places in HANDLERS.values():
        for place, listed in places.items():
            actions.setdefault(place, set()).update(listed.split())
    if names.manifest.vpc is None:
        del actions["Network"]
    if not names.manifest.http.access_log:
        del actions["AccessLog"]
    if not names.manifest.tags:
        actions["NestedStacks"].discard("cloudformation:TagResource")
    return Policy(
        [
            Grant(sid, sorted(actions[sid]), place.on(names), place.why, place.condition(names))
            for sid, place in PLACES.items()
            if sid in actions
        ]
    )
