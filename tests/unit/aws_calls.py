"""Every call that the adapters send to AWS, and what the retry contract says of it.

`CALLS` is the contract's table. A call is made through its adapter, over a client that answers
every operation as AWS does; what happens to the operation itself is the test's to say.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

import hover_async.aws
from hover_async.aws.change_sets import CloudFormationChangeSets
from hover_async.aws.facts import AwsFacts, Services
from hover_async.aws.functions import LambdaFunctions
from hover_async.aws.keys import KmsKeys
from hover_async.aws.logs import CloudWatchLogGroups
from hover_async.aws.queues import SqsQueues
from hover_async.aws.registry import EcrRegistry
from hover_async.aws.service import Service
from hover_async.aws.stacks import CloudFormationStacks
from hover_async.aws.storage import S3Assets, S3Documents, composite_sha256
from hover_async.ports import Alias, ObjectHeaders, Part, Repeatable, StackRequest
from hover_async.values import Architecture, FunctionName, Version
from tests.unit.scripted_aws import Answer, refused

SERVICES = ("acm", "cloudformation", "ecr", "iam", "kms", "lambda", "logs", "s3", "sqs", "sts")


class Lost(Enum):
    """What an answer that is lost leads to."""

    REPEATED = "sent again"
    LOOKED_UP = "read back, and sent again if nothing happened"
    UNKNOWN = "never sent again: the outcome is unknown"
    ONCE_MORE = "sent once more"


@dataclass(frozen=True)
class Call:
    """One row: `make` sends `operation`, perhaps after others.

    `answers` are AWS's. `after` are those it gives once the operation has taken effect.
    """

    operation: str
    lost: Lost
    make: Callable[[Service], Awaitable[object]]
    answers: Mapping[str, Answer] = field(default_factory=dict)
    after: Mapping[str, Answer] = field(default_factory=dict)
    name: str = ""
    may_be_denied: bool = False

    def __str__(self) -> str:
        return self.name or self.operation


class Aws:
    """A client of which one operation meets `troubles` first; with `acted`, after its effect."""

    def __init__(self, call: Call, troubles: Sequence[Exception], *, acted: bool = False) -> None:
        self._call = call
        self._troubles = list(troubles)
        self._acted = acted
        self.sent: list[Mapping[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Mapping[str, Any]]]:
        async def answer(**parameters: Any) -> Mapping[str, Any]:
            if name == xform_name(self._call.operation):
                self.sent.append(parameters)
                if self._troubles:
                    raise self._troubles.pop(0)
            told = self._answers().get(name, {})
            if isinstance(told, Exception):
                raise told
            return dict(told)

        return answer

    def _answers(self) -> Mapping[str, Answer]:
        after = self._call.after if self._acted and self.sent else {}
        return {xform_name(key): value for key, value in {**self._call.answers, **after}.items()}


@cache
def operations_of_the_adapters() -> frozenset[str]:
    """Every name of an AWS operation that stands in the adapters' source."""
    models = botocore.session.get_session()
    known = {name for of in SERVICES for name in models.get_service_model(of).operation_names}
    package = Path(next(iter(hover_async.aws.__path__)))
    return frozenset(
        node.value
        for module in package.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known
    )


F, V = FunctionName("shop-http"), Version("2")
OLD = Alias(F, Version("1"), "r1")
SHA = "a" * 64
CSS = ObjectHeaders("text/css", "immutable")
BODY_SHA = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
PARTS = [Part(1, '"e1"', BODY_SHA)]
REQUEST = StackRequest(
    "shop",
    "{}",
    template_is_url=False,
    role_arn=None,
    tags={},
    token="ours",  # noqa: S106 - a mark of the operation
)
STACK_ID = "arn:stack/shop/1"
OURS_BEGAN = {
    "StackEvents": [
        {
            "EventId": "1",
            "StackId": STACK_ID,
            "PhysicalResourceId": STACK_ID,
            "ResourceStatus": "UPDATE_IN_PROGRESS",
            "ResourceStatusReason": "User Initiated",
            "ClientRequestToken": "ours",
        }
    ]
}
TOKEN = base64.b64encode(b"AWS:password").decode()
KEY = {"KeyId": "arn:key", "Plaintext": b"k" * 32, "CiphertextBlob": b"c"}
LIMITS = {"AccountLimit": {"ConcurrentExecutions": 9, "UnreservedConcurrentExecutions": 9}}
REPOSITORY: dict[str, Any] = {"repositories": [{}]}


def assets(s3: Service) -> S3Assets:
    return S3Assets(s3, "b", owner="42", region="eu-west-1", base_url="https://s3/b", tags={})


def documents(s3: Service) -> S3Documents:
    return S3Documents(s3, "b", owner="42")


def functions(lambdas: Service) -> LambdaFunctions:
    return LambdaFunctions(lambdas, lambdas)


def holding(image_uri: str, revision: str) -> Mapping[str, Any]:
    """What GetFunction answers of a function with that image."""
    return {"Configuration": {"RevisionId": revision}, "Code": {"ImageUri": image_uri}}


def invoking(repeatable: Repeatable) -> Callable[[Service], Awaitable[object]]:
    return lambda lambdas: functions(lambdas).invoke(
        F, V, b"{}", timeout_s=60, repeatable=repeatable
    )


def registry(ecr: Service) -> EcrRegistry:
    return EcrRegistry(
        ecr, "shop", host="ecr", functions_arn="arn:f", architecture=Architecture.ARM64, tags={}
    )


def keys(kms: Service) -> KmsKeys:
    return KmsKeys(kms, tags={})


def queues(sqs: Service) -> SqsQueues:
    return SqsQueues(sqs, arn_prefix="arn:", url_prefix="https://sqs/")


def facts(one: Service) -> AwsFacts:
    async def opened(_name: str, _region: str | None) -> Service:
        return one

    services = Services(one, one, one, one, one)
    return AwsFacts(services, opened, account="42", bucket="b", repository="shop", expires_at=None)


async def head(s3: Service) -> None:
    """HeadObject is only asked where a completed upload is looked for."""
    await assets(s3).complete_multipart("k", "u", PARTS, size_bytes=1)


CREATING_KEY = {"CreateKey": {"KeyMetadata": {"Arn": "arn:key"}}}
BARE_BUCKET = {
    "GetBucketTagging": refused("NoSuchTagSet", 404),
    "GetBucketLifecycleConfiguration": refused("NoSuchLifecycleConfiguration", 404),
}
SETTLED_BUCKET = {"TagSet": [{"Key": "hover-async", "Value": "assets"}]}
NEW_BUCKET = {**BARE_BUCKET, "GetBucketTagging": refused("NoSuchBucket", 404)}
COMPLETED = {
    "CompleteMultipartUpload": refused("NoSuchUpload", 404),
    "HeadObject": {"ContentLength": 1, "ChecksumSHA256": composite_sha256(PARTS)},
}
READ, AGAIN = Lost.REPEATED, Lost.REPEATED


def call(
    operation: str,
    lost: Lost,
    make: Callable[[Service], Awaitable[object]],
    answers: Mapping[str, Answer] | Answer | None = None,
    after: Mapping[str, Answer] | None = None,
    **more: Any,
) -> Call:
    """A row; `answers` may be the answer of the operation alone."""
    given: Any = answers or {}
    many = given if set(given) & operations_of_the_adapters() else {operation: given}
    return Call(operation, lost, make, many, after or {}, **more)


S3_CALLS = (
    call("GetBucketTagging", READ, lambda s: assets(s).ensure_bucket(), SETTLED_BUCKET),
    call(
        "CreateBucket",
        AGAIN,
        lambda s: assets(s).ensure_bucket(),
        NEW_BUCKET,
        {"CreateBucket": refused("BucketAlreadyOwnedByYou", 409)},
    ),
    *(
        call(name, AGAIN, lambda s: assets(s).ensure_bucket(), BARE_BUCKET)
        for name in (
            "PutPublicAccessBlock",
            "PutBucketOwnershipControls",
            "PutBucketLifecycleConfiguration",
            "PutBucketTagging",
            "GetBucketLifecycleConfiguration",
        )
    ),
    call("ListObjectsV2", READ, lambda s: assets(s).keys("b1/")),
    call("PutObject", AGAIN, lambda s: assets(s).put("k", b"x", CSS, sha256=BODY_SHA)),
    call("CopyObject", AGAIN, lambda s: assets(s).copy("j", "k", CSS)),
    call(
        "CreateMultipartUpload",
        AGAIN,
        lambda s: assets(s).begin_multipart("k", CSS),
        {"UploadId": "u"},
    ),
    call(
        "UploadPart",
        AGAIN,
        lambda s: assets(s).put_part("k", "u", 1, b"x", sha256=BODY_SHA),
        {"ETag": '"e1"'},
    ),
    call(
        "CompleteMultipartUpload",
        AGAIN,
        lambda s: assets(s).complete_multipart("k", "u", PARTS, size_bytes=1),
        after=COMPLETED,
    ),
    call("HeadObject", READ, head, COMPLETED),
    call(
        "AbortMultipartUpload",
        AGAIN,
        lambda s: assets(s).abort_multipart("k", "u"),
        after={"AbortMultipartUpload": refused("NoSuchUpload", 404)},
    ),
    call("DeleteObjects", AGAIN, lambda s: assets(s).delete(["a", "b"])),
    call("GetObject", READ, lambda s: documents(s).read("k"), {"Body": b"x", "ETag": '"e"'}),
    call(
        "PutObject",
        AGAIN,
        lambda s: documents(s).create("k", b"x"),
        {"ETag": '"e"'},
        {
            "PutObject": refused("PreconditionFailed", 412),
            "GetObject": {"Body": b"x", "ETag": '"e"'},
        },
        name="PutObject(If-None-Match)",
    ),
    call(
        "PutObject",
        AGAIN,
        lambda s: documents(s).replace("k", b"x", '"d"'),
        {"ETag": '"e"'},
        {
            "PutObject": refused("PreconditionFailed", 412),
            "GetObject": {"Body": b"x", "ETag": '"e"'},
        },
        name="PutObject(If-Match)",
    ),
    call(
        "DeleteObject",
        AGAIN,
        lambda s: documents(s).delete("k", '"e"'),
        after={
            "DeleteObject": refused("PreconditionFailed", 412),
            "GetObject": refused("NoSuchKey", 404),
        },
    ),
)

LAMBDA_CALLS = (
    call(
        "GetFunction",
        READ,
        lambda s: functions(s).state(F, V),
        {"Configuration": {"Version": "2", "CodeSha256": SHA}},
    ),
    call(
        "PublishVersion",
        AGAIN,
        lambda s: functions(s).publish(F, code_sha256=SHA, description="b"),
        {"PublishVersion": {"Version": "2"}, "GetFunction": {"Configuration": {"CodeSha256": SHA}}},
    ),
    call(
        "GetAlias",
        READ,
        lambda s: functions(s).alias(F, "live"),
        {"FunctionVersion": "1", "RevisionId": "r1"},
    ),
    call(
        "UpdateAlias",
        Lost.LOOKED_UP,
        lambda s: functions(s).move_alias(OLD, "live", to=V),
        {
            "UpdateAlias": {"FunctionVersion": "2", "RevisionId": "r2"},
            "GetAlias": {"FunctionVersion": "1", "RevisionId": "r1"},
        },
        {"GetAlias": {"FunctionVersion": "2", "RevisionId": "r2"}},
    ),
    call(
        "UpdateFunctionCode",
        Lost.LOOKED_UP,
        lambda s: functions(s).update_code(F, "repo@sha256:new", revision="r1"),
        {"UpdateFunctionCode": {}, "GetFunction": holding("repo@sha256:old", "r1")},
        {"GetFunction": holding("repo@sha256:new", "r2")},
    ),
    call(
        "DeleteFunction",
        AGAIN,
        lambda s: functions(s).delete_version(F, V),
        after={"DeleteFunction": refused("ResourceNotFoundException", 404)},
    ),
    call(
        "Invoke",
        Lost.UNKNOWN,
        invoking(Repeatable.NEVER),
        {"Payload": b"{}"},
        name="Invoke(command)",
    ),
    call(
        "Invoke",
        Lost.ONCE_MORE,
        invoking(Repeatable.ONCE),
        {"Payload": b"{}"},
        name="Invoke(warm)",
    ),
    call("GetAccountSettings", READ, lambda s: functions(s).unreserved_concurrency(), dict(LIMITS)),
    call("GetFunctionConcurrency", READ, lambda s: facts(s).reserved(F)),
)

STACK_CALLS = (
    call(
        "DescribeStacks",
        READ,
        lambda s: CloudFormationStacks(s).describe("shop"),
        {"Stacks": [{"StackId": "i", "StackName": "shop", "StackStatus": "CREATE_COMPLETE"}]},
    ),
    call(
        "CreateStack",
        AGAIN,
        lambda s: CloudFormationStacks(s).create(REQUEST),
        {"CreateStack": {}, "DescribeStackEvents": {"StackEvents": []}},
        {"CreateStack": refused("AlreadyExistsException"), "DescribeStackEvents": OURS_BEGAN},
    ),
    call(
        "UpdateStack",
        AGAIN,
        lambda s: CloudFormationStacks(s).update(REQUEST),
        {"UpdateStack": {}, "DescribeStackEvents": {"StackEvents": []}},
        {
            "UpdateStack": refused("ValidationError", message="is in UPDATE_IN_PROGRESS state"),
            "DescribeStackEvents": OURS_BEGAN,
        },
    ),
    call(
        "DeleteStack",
        AGAIN,
        lambda s: CloudFormationStacks(s).delete("shop", token="ours"),  # noqa: S106 - a mark
        after={"DeleteStack": refused("TokenAlreadyExistsException")},
    ),
    call(
        "DescribeStackEvents",
        READ,
        lambda s: CloudFormationStacks(s).events("shop", token=None),
        {"StackEvents": []},
    ),
    call(
        "ListStackResources",
        READ,
        lambda s: CloudFormationStacks(s).functions("shop"),
        {"StackResourceSummaries": []},
    ),
    call(
        "GetTemplate",
        READ,
        lambda s: CloudFormationStacks(s).templates("shop"),
        {"TemplateBody": "{}"},
    ),
    call(
        "CreateChangeSet",
        AGAIN,
        lambda s: CloudFormationChangeSets(s).create(REQUEST, "set", creates=False),
        after={
            "CreateChangeSet": refused("AlreadyExistsException"),
            "ListChangeSets": {"Summaries": [{"ChangeSetName": "set"}]},
        },
    ),
    call(
        "DescribeChangeSet",
        READ,
        lambda s: CloudFormationChangeSets(s).describe("shop", "set"),
        {"Status": "CREATE_COMPLETE", "ChangeSetId": "i"},
    ),
    call("ListChangeSets", READ, lambda s: CloudFormationChangeSets(s).names("shop")),
    call(
        "DeleteChangeSet",
        AGAIN,
        lambda s: CloudFormationChangeSets(s).delete("shop", "set"),
        after={"DeleteChangeSet": refused("ChangeSetNotFound", 404)},
    ),
    call("ValidateTemplate", READ, lambda s: facts(s).validate("{}")),
)

OTHER_CALLS = (
    call("BatchDeleteImage", AGAIN, lambda s: registry(s).untag(["b1"])),
    call("DescribeRepositories", READ, lambda s: registry(s).ensure_repository(), REPOSITORY),
    call(
        "CreateRepository",
        AGAIN,
        lambda s: registry(s).ensure_repository(),
        {"DescribeRepositories": refused("RepositoryNotFoundException"), "CreateRepository": {}},
        {"CreateRepository": refused("RepositoryAlreadyExistsException")},
    ),
    call(
        "GetRepositoryPolicy", READ, lambda s: registry(s).ensure_repository(), may_be_denied=True
    ),
    call(
        "SetRepositoryPolicy",
        AGAIN,
        lambda s: registry(s).ensure_repository(),
        {"GetRepositoryPolicy": refused("RepositoryPolicyNotFoundException")},
        may_be_denied=True,
    ),
    call(
        "GetAuthorizationToken",
        READ,
        lambda s: registry(s).login(),
        {"authorizationData": [{"authorizationToken": TOKEN}]},
    ),
    call("BatchGetImage", READ, lambda s: registry(s).find("t"), {"images": []}),
    call("GenerateDataKey", AGAIN, lambda s: keys(s).generate("k", {}), dict(KEY)),
    call("Decrypt", READ, lambda s: keys(s).unwrap("k", b"c", {}), {"Plaintext": b"k"}),
    call("CreateKey", Lost.UNKNOWN, lambda s: keys(s).create("alias/k"), CREATING_KEY),
    call("EnableKeyRotation", AGAIN, lambda s: keys(s).create("alias/k"), CREATING_KEY),
    call("CreateAlias", Lost.UNKNOWN, lambda s: keys(s).create("alias/k"), CREATING_KEY),
    call(
        "DescribeKey", READ, lambda s: facts(s).key_state("k"), {"KeyMetadata": {"KeyState": "E"}}
    ),
    call("GetQueueAttributes", READ, lambda s: queues(s).find("q"), {"Attributes": {}}),
    call("CreateQueue", AGAIN, lambda s: queues(s).create("q", {}, {})),
    call("SetQueueAttributes", AGAIN, lambda s: queues(s).change("q", {})),
    call("ListQueueTags", READ, lambda s: queues(s).tags("q")),
    call("TagQueue", AGAIN, lambda s: queues(s).tag("q", {})),
    call("DescribeLogGroups", READ, lambda s: CloudWatchLogGroups(s).find("/x"), {"logGroups": []}),
    call(
        "CreateLogGroup",
        AGAIN,
        lambda s: CloudWatchLogGroups(s).create("/x", {}),
        after={"CreateLogGroup": refused("ResourceAlreadyExistsException")},
    ),
    call("PutRetentionPolicy", AGAIN, lambda s: CloudWatchLogGroups(s).keep("/x", days=7)),
    call(
        "GetCallerIdentity", READ, lambda s: facts(s).identity(), {"Arn": "arn:a", "Account": "42"}
    ),
    call(
        "GetRole",
        READ,
        lambda s: facts(s).trusted_services("arn:role/r"),
        {"Role": {"AssumeRolePolicyDocument": json.dumps({})}},
    ),
    call("HeadBucket", READ, lambda s: facts(s).bucket(), may_be_denied=True),
    call(
        "DescribeCertificate",
        READ,
        lambda s: facts(s).certificate("arn:aws:acm:us-east-1:42:certificate/c"),
        {"Certificate": {"Status": "ISSUED", "DomainName": "a.example"}},
    ),
)

CALLS = (*S3_CALLS, *LAMBDA_CALLS, *STACK_CALLS, *OTHER_CALLS)

NOT_CALLED_FOR_ITSELF = frozenset({"ScheduleKeyDeletion"})
"""Clean-up that is sent only when something else has failed, and whose own failure is swallowed."""
