"""S3: the stage's assets and, beside them, its small records.

Every call names the account that must own the bucket, so that nothing of ours is ever written into
somebody else's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hover_async.aws.bucket import ensure_bucket
from hover_async.aws.errors import Changed
from hover_async.aws.objects import Elsewhere, Objects
from hover_async.aws.retry import (
    COMPARE_AND_SET,
    COMPLETE,
    FORGET,
    NEW_UPLOAD,
    READ,
    SAME_BYTES,
    Policy,
)
from hover_async.aws.service import Answer, Service
from hover_async.errors import AccessDenied, AwsError, Conflict, NotFound
from hover_async.ports import Document, ObjectHeaders, Part

DELETED_AT_ONCE = 1_000
"""S3's most."""


@dataclass(frozen=True)
class _Bucket:
    """One bucket of one account, and calls on its objects."""

    s3: Service
    name: str
    owner: str

    async def call(self, policy: Policy, operation: str, key: str, /, **parameters: Any) -> Answer:
        return await self.s3.call(
            policy,
            operation,
            f"'{self.name}/{key}'",
            Bucket=self.name,
            Key=key,
            ExpectedBucketOwner=self.owner,
            **parameters,
        )

    async def keys(self, prefix: str) -> Mapping[str, int]:
        listing = self.s3.pages(
            "ListObjectsV2",
            f"'{self.name}/{prefix}'",
            token="ContinuationToken",  # noqa: S106 - the name of a parameter
            next_token="NextContinuationToken",  # noqa: S106 - the same
            Bucket=self.name,
            Prefix=prefix,
            ExpectedBucketOwner=self.owner,
        )
        async with listing as pages:
            return {
                entry["Key"]: entry["Size"]
                async for page in pages
                for entry in page.get("Contents", ())
            }


class S3Assets:
    """`AssetStore` over a bucket.

    `objects` carries what comes by the thousand; without it (a proxy is to be used), and where S3
    redirects, the SDK does.
    """

    def __init__(
        self,
        s3: Service,
        bucket: str,
        *,
        owner: str,
        region: str,
        base_url: str,
        tags: Mapping[str, str],
        objects: Objects | None = None,
    ) -> None:
        self._bucket = _Bucket(s3, bucket, owner)
        self._objects = objects
        self._region = region
        self._base_url = base_url
        self._tags = tags

    async def ensure_bucket(self) -> None:
        bucket = self._bucket
        await ensure_bucket(
            bucket.s3, bucket.name, region=self._region, owner=bucket.owner, tags=self._tags
        )

    def url(self, key: str) -> str:
        return f"{self._base_url}/{quote(key, safe='/~')}"

    async def keys(self, prefix: str) -> Mapping[str, int]:
        return await self._bucket.keys(prefix)

    async def put(self, key: str, body: bytes, headers: ObjectHeaders, *, sha256: str) -> None:
        await self._call_often(
            "PutObject", key, Body=body, ChecksumSHA256=sha256, **_fields(headers)
        )

    async def copy(self, source: str, key: str, headers: ObjectHeaders) -> None:
        await self._call_often(
            "CopyObject",
            key,
            CopySource={"Bucket": self._bucket.name, "Key": source},
            ExpectedSourceBucketOwner=self._bucket.owner,
            MetadataDirective="REPLACE",  # else the headers given are ignored
            ChecksumAlgorithm="SHA256",
            **_fields(headers),
        )

    async def delete(self, keys: Sequence[str]) -> None:
        for batch in (
            keys[at : at + DELETED_AT_ONCE] for at in range(0, len(keys), DELETED_AT_ONCE)
        ):
            answer = await self._bucket.s3.call(
                FORGET,
                "DeleteObjects",
                f"'{self._bucket.name}/{batch[0]}' and others",
                Bucket=self._bucket.name,
                Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
                ExpectedBucketOwner=self._bucket.owner,
            )
            _require_deleted(answer, self._bucket.name)

    async def begin_multipart(self, key: str, headers: ObjectHeaders) -> str:
        answer = await self._bucket.call(
            NEW_UPLOAD, "CreateMultipartUpload", key, ChecksumAlgorithm="SHA256", **_fields(headers)
        )
        return str(answer["UploadId"])

    async def put_part(
        self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str
    ) -> Part:
        answer = await self._call_often(
            "UploadPart",
            key,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            ChecksumSHA256=sha256,
        )
        return Part(number, answer["ETag"], sha256)

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, size_bytes: int
    ) -> None:
        listed = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumSHA256": part.sha256}
            for part in _in_order(parts)
        ]
        try:
            await self._bucket.call(
                COMPLETE,
                "CompleteMultipartUpload",
                key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},
                MpuObjectSize=size_bytes,
            )
        except NotFound:  # completed before, its answer lost; or aborted
            if not await self._is_complete(key, parts, size_bytes):
                raise

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        try:
            await self._bucket.call(SAME_BYTES, "AbortMultipartUpload", key, UploadId=upload_id)
        except NotFound:
            return

    async def _call_often(self, operation: str, key: str, /, **parameters: Any) -> Answer:
        """A call that writes the same bytes again when it is repeated."""
        if self._objects:
            with suppress(Elsewhere):
                return await self._objects.call(
                    SAME_BYTES,
                    operation,
                    key,
                    Bucket=self._bucket.name,
                    ExpectedBucketOwner=self._bucket.owner,
                    **parameters,
                )
        return await self._bucket.call(SAME_BYTES, operation, key, **parameters)

    async def _is_complete(self, key: str, parts: Sequence[Part], size_bytes: int) -> bool:
        try:
            head = await self._bucket.call(READ, "HeadObject", key, ChecksumMode="ENABLED")
        except NotFound:
            return False
        checksum = head.get("ChecksumSHA256", composite_sha256(parts))
        return bool(head["ContentLength"] == size_bytes and checksum == composite_sha256(parts))


class S3Documents:
    """`Documents` over the same bucket.

    A refusal may follow from our own first try whose answer was lost, so it is read back: the same
    bytes there are a success.
    """

    def __init__(self, s3: Service, bucket: str, *, owner: str) -> None:
        self._bucket = _Bucket(s3, bucket, owner)

    async def read(self, key: str) -> Document | None:
        try:
            answer = await self._bucket.call(READ, "GetObject", key)
        except NotFound:
            return None
        return Document(answer["Body"], answer["ETag"])

    async def keys(self, prefix: str) -> Sequence[str]:
        return list(await self._bucket.keys(prefix))

    async def create(self, key: str, body: bytes) -> str:
        return await self._write(key, body, IfNoneMatch="*")

    async def replace(self, key: str, body: bytes, etag: str) -> str:
        return await self._write(key, body, IfMatch=etag)

    async def delete(self, key: str, etag: str) -> None:
        try:
            await self._bucket.call(COMPARE_AND_SET, "DeleteObject", key, IfMatch=etag)
        except NotFound:
            return
        except Changed:
            if await self.read(key) is not None:
                raise

    async def _write(self, key: str, body: bytes, **condition: str) -> str:
        try:
            answer = await self._bucket.call(
                COMPARE_AND_SET,
                "PutObject",
                key,
                Body=body,
                ContentType="application/json",
                CacheControl="no-store",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
                **condition,
            )
        except Changed:
            found = await self.read(key)
            if found is None or found.body != body:
                raise
            return found.etag
        except NotFound as error:
            if error.aws_code == "NoSuchBucket":
                raise
            raise Conflict(  # replacing what was deleted meanwhile
                error.message,
                operation=error.operation,
                aws_code=error.aws_code,
                request_id=error.request_id,
                hint="something else deleted it meanwhile; look, then repeat",
            ) from error
        return str(answer["ETag"])


def _require_deleted(answer: Answer, bucket: str) -> None:
    """Each object has an outcome of its own, in an answer that says 200."""
    for failure in answer.get("Errors", ()):
        code = str(failure.get("Code", ""))
        kind = AccessDenied if code == "AccessDenied" else AwsError
        raise kind(
            f"DeleteObjects of '{bucket}/{failure.get('Key', '')}': {code}: "
            f"{failure.get('Message', '')}",
            operation="DeleteObjects",
            aws_code=code,
        )


def composite_sha256(parts: Sequence[Part]) -> str:
    """S3's checksum of an object made of parts: of their checksums, with their number."""
    digests = b"".join(base64.b64decode(part.sha256) for part in _in_order(parts))
    return f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{len(parts)}"


def _in_order(parts: Sequence[Part]) -> Sequence[Part]:
    return sorted(parts, key=lambda part: part.number)


def _fields(headers: ObjectHeaders) -> dict[str, str]:
    fields = {"ContentType": headers.content_type, "CacheControl": headers.cache_control}
    if headers.content_encoding:
        fields["ContentEncoding"] = headers.content_encoding
    return fields
