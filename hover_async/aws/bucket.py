"""The stage's bucket itself: made when missing, private, ours, and free of abandoned uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hover_async.aws.retry import CREATE, READ, SETTLE
from hover_async.aws.service import Service
from hover_async.concurrency import task_group
from hover_async.errors import AccessDenied, Conflict, NotFound

SETTLED = {"hover-async": "assets"}
"""The tag that is written last: a bucket that carries it has everything below."""

PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ABANDONED_UPLOADS = {
    "ID": "hover-async-abandoned-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
HOME_REGION = "us-east-1"
"""The one region that must not be named as a LocationConstraint."""


async def ensure_bucket(
    s3: Service, bucket: str, *, region: str, owner: str, tags: Mapping[str, str]
) -> None:
    """One reading call when all is as it should be; else whatever is missing.

    Raises `Conflict` when the name belongs to another AWS account.
    """
    wanted = {**tags, **SETTLED}
    found = await _tags(s3, bucket, owner)
    if found is None:
        await _create(s3, bucket, region)
        found = {}
    if wanted.items() <= found.items():
        return
    await _settle(s3, bucket, owner)
    await s3.call(
        SETTLE,
        "PutBucketTagging",
        _named(bucket),
        Bucket=bucket,
        ExpectedBucketOwner=owner,
        Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in {**found, **wanted}.items()]},
    )


async def _tags(s3: Service, bucket: str, owner: str) -> Mapping[str, str] | None:
    """The bucket's tags; None when there is no bucket."""
    try:
        answer = await s3.call(
            READ, "GetBucketTagging", _named(bucket), Bucket=bucket, ExpectedBucketOwner=owner
        )
    except NotFound as error:
        return {} if error.aws_code == "NoSuchTagSet" else None
    except AccessDenied as error:
        error.hint = (
            f"either '{bucket}' belongs to another AWS account than {owner} (then choose another "
            "stage 'name'), or this identity may not call s3:GetBucketTagging"
        )
        raise
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


async def _create(s3: Service, bucket: str, region: str) -> None:
    place: dict[str, Any] = (
        {}
        if region == HOME_REGION
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    try:
        await s3.call(
            CREATE,
            "CreateBucket",
            _named(bucket),
            Bucket=bucket,
            ObjectOwnership="BucketOwnerEnforced",
            **place,
        )
    except Conflict as error:
        if error.aws_code != "BucketAlreadyOwnedByYou":
            raise


async def _settle(s3: Service, bucket: str, owner: str) -> None:
    """Public access blocked, ownership enforced (no ACLs), abandoned uploads removed after a day.

    Encryption at rest is S3's own default. Rules of the user's own stay.
    """
    ours: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": owner}

    async def put(operation: str, **what: Any) -> None:
        await s3.call(SETTLE, operation, _named(bucket), **ours, **what)

    async def put_lifecycle() -> None:
        rules = [rule for rule in await _rules(s3, ours) if rule["ID"] != ABANDONED_UPLOADS["ID"]]
        await put(
            "PutBucketLifecycleConfiguration",
            LifecycleConfiguration={"Rules": [*rules, ABANDONED_UPLOADS]},
        )

    async def put_ownership() -> None:
        await put(
            "PutBucketOwnershipControls",
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        )

    async def put_private() -> None:
        await put("PutPublicAccessBlock", PublicAccessBlockConfiguration=PRIVATE)

    async with task_group() as settings:
        settings.start_soon(put_private)
        settings.start_soon(put_ownership)
        settings.start_soon(put_lifecycle)


async def _rules(s3: Service, ours: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        answer = await s3.call(
            READ, "GetBucketLifecycleConfiguration", _named(str(ours["Bucket"])), **ours
        )
    except NotFound:
        return []
    rules: list[dict[str, Any]] = answer["Rules"]
    return rules


def _named(bucket: str) -> str:
    return f"bucket '{bucket}'"
