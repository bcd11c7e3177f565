"""The real adapters over the clients in memory."""

from __future__ import annotations

from typing import Any

from hover_async.aws.functions import LambdaFunctions
from hover_async.aws.logs import CloudWatchLogGroups
from hover_async.aws.pacing import Pacers
from hover_async.aws.queues import SqsQueues
from hover_async.aws.registry import EcrRegistry
from hover_async.aws.service import Service
from hover_async.aws.stacks import CloudFormationStacks
from hover_async.aws.storage import S3Assets, S3Documents
from hover_async.ports import Cloud
from hover_async.testing.clients.cloudformation import CloudFormationClient
from hover_async.testing.clients.ecr import EcrClient
from hover_async.testing.clients.lambdas import LambdaClient
from hover_async.testing.clients.logs import LogsClient
from hover_async.testing.clients.refusals import failure
from hover_async.testing.clients.s3 import S3Client
from hover_async.testing.clients.sqs import SqsClient
from hover_async.testing.clients.wire import Wire
from hover_async.testing.cloud import FakeCloud
from hover_async.testing.processes import Process
from hover_async.values import Architecture

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "bucket"
REGISTRY, REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", "fake"


def ports_over(
    cloud: FakeCloud, wire: Wire | None = None, *, process: Process | None = None
) -> Cloud:
    """What `open_cloud` gives, with a client in memory in the place of each of botocore's.

    Change sets and facts, which a deploy has no use for, are the fake's own. With a `process` each
    request passes through it, as `service.Operation`.
    """
    wire = wire or Wire(cloud.world)

    def through(service: str, client: object) -> Any:
        if process is None:
            return client
        return process.line(service, client, failure=failure, named=operation)

    lambdas = through("lambda", LambdaClient(cloud.lambdas, wire))
    s3 = Service(through("s3", S3Client(cloud.assets, cloud.documents, wire)))
    return Cloud(
        assets=S3Assets(
            s3,
            BUCKET,
            owner=ACCOUNT,
            region=REGION,
            base_url=cloud.assets.url("").rstrip("/"),
            tags={},
        ),
        documents=S3Documents(s3, BUCKET, owner=ACCOUNT),
        registry=EcrRegistry(
            Service(through("ecr", EcrClient(cloud.registry, wire))),
            REPOSITORY,
            host=REGISTRY,
            functions_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:*",
            architecture=Architecture.X86_64,
            tags={},
        ),
        stacks=CloudFormationStacks(
            Service(through("cloudformation", CloudFormationClient(cloud.stacks, wire)))
        ),
        change_sets=cloud.change_sets,
        functions=LambdaFunctions(Service(lambdas, pacers=Pacers()), Service(lambdas)),
        queues=SqsQueues(
            Service(through("sqs", SqsClient(cloud.queues, wire))),
            arn_prefix=cloud.queues.arn(""),
            url_prefix=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/",
        ),
        logs=CloudWatchLogGroups(Service(through("logs", LogsClient(cloud.logs, wire)))),
        facts=cloud.facts,
    )


def operation(method: str) -> str:
    """AWS's name of an operation, of botocore's method."""
    return "".join(part.capitalize() for part in method.split("_"))
