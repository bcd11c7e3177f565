"""What the functions may do when they run."""

from __future__ import annotations

from collections.abc import Iterator

from hover_async.iam.names import Names
from hover_async.iam.policy import Grant, Policy
from hover_async.iam.secrets import for_stage
from hover_async.manifest.names import DEAD, sqs_name

ENI = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
"""As AWS's own AWSLambdaVPCAccessExecutionRole, which has them on every resource as well."""


def lambda_role(names: Names, *, sealed_with: str | None, stage: str) -> Policy:
    """`sealed_with` is the KMS key of the stage's secrets, if it has any: an ARN, id or alias."""
    grants = [_logs(names), *_warming(names), *_queues(names)]
    if sealed_with:
        grants.append(_secrets(names, sealed_with, stage))
    if names.manifest.vpc:
        grants.append(
            Grant("Network", ENI, ["*"], "Lambda puts its functions into the VPC in their name")
        )
    return Policy(grants)


def _logs(names: Names) -> Grant:
    groups = [
        names.arn("logs", f"log-group:/aws/lambda/{function.name}:*")
        for function in names.manifest.functions
    ]
    return Grant(
        "Logs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        groups,
        "what the functions print; the groups themselves are the deployer's",
    )


def _warming(names: Names) -> Iterator[Grant]:
    if names.manifest.http.warm > 1:
        http = names.function(names.manifest.functions[0].name)
        yield Grant(
            "Warming",
            ["lambda:InvokeFunction"],
            [f"{http}:*"],
            "one warm container of the http function pings the others of its version",
        )


def _queues(names: Names) -> Iterator[Grant]:
    stage, specs = names.manifest.name, names.manifest.queues.values()
    queues = [sqs_name(stage, queue) for spec in specs for queue in spec.queues]
    if not queues:
        return
    dead = [
        sqs_name(stage, queue, suffix=DEAD)
        for spec in specs
        if spec.dead_letter
        for queue in spec.queues
    ]
    yield Grant(
        "Queues",
        [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
        [names.queue(queue) for queue in queues],
        "Laravel sends jobs and asks how many wait; Lambda fetches and deletes them in the "
        "function's name; a job that is released is hidden for its backoff",
    )
    if dead:
        yield Grant(
            "DeadLetters",
            ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"],
            [names.queue(queue) for queue in dead],
            "the queue worker buries there what failed for good; Laravel asks how many there are",
        )


def _secrets(names: Names, key: str, stage: str) -> Grant:
    """By the key's ARN, or by its alias where only that is known; for this stage's alone."""
    resource, of_key = names.key(key)
    return Grant(
        "Secrets",
        ["kms:Decrypt"],
        [resource],
        "a container opens the stage's secrets when it starts",
        {**of_key, **for_stage(stage)},
    )
