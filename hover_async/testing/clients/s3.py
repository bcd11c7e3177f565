"""S3's client: what is written under a condition is a document, everything else an asset."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from hover_async.errors import Rejected
from hover_async.ports import Document, ObjectHeaders
from hover_async.testing.clients.refusals import refused
from hover_async.testing.clients.wire import Wire
from hover_async.testing.storage import FakeAssetStore, FakeDocuments, StoredObject

Answer = Mapping[str, Any]
PAGE = 1000


class S3Client:
    """botocore's `s3` over one bucket, as far as a deploy uses it."""

    def __init__(self, assets: FakeAssetStore, documents: FakeDocuments, wire: Wire) -> None:
        self._assets = assets
        self._documents = documents
        self._wire = wire
        self._ids = itertools.count(1)

    async def get_bucket_tagging(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.GetBucketTagging", asked["Bucket"]):
            if not self._assets.bucket_exists:
                raise refused("NoSuchBucket", 404)
            if not self._assets.bucket_tags:
                raise refused("NoSuchTagSet", 404)
            tags = self._assets.bucket_tags.items()
            return {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}

    async def create_bucket(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.CreateBucket", asked["Bucket"]):
            self._assets.bucket_exists = True
            return {}

    async def put_bucket_tagging(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.PutBucketTagging", asked["Bucket"]):
            tags = asked["Tagging"]["TagSet"]
            self._assets.bucket_tags = {tag["Key"]: tag["Value"] for tag in tags}
            return {}

    async def put_public_access_block(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.PutPublicAccessBlock", asked["Bucket"]):
            return {}

    async def put_bucket_ownership_controls(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.PutBucketOwnershipControls", asked["Bucket"]):
            return {}

    async def get_bucket_lifecycle_configuration(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.GetBucketLifecycleConfiguration", asked["Bucket"]):
            raise refused("NoSuchLifecycleConfiguration", 404)

    async def put_bucket_lifecycle_configuration(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.PutBucketLifecycleConfiguration", asked["Bucket"]):
            return {}

    async def list_objects_v2(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.ListObjectsV2", asked["Prefix"]):
            held: dict[str, StoredObject | Document] = {}
            held |= self._assets.objects
            held |= self._documents.documents
            prefix = asked["Prefix"]
            sizes = {key: len(it.body) for key, it in held.items() if key.startswith(prefix)}
            begin = int(asked.get("ContinuationToken", 0))
            page = sorted(sizes)[begin : begin + PAGE]
            more = {"NextContinuationToken": str(begin + PAGE)} if len(sizes) > begin + PAGE else {}
            return {"Contents": [{"Key": key, "Size": sizes[key]} for key in page], **more}

    async def get_object(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.GetObject", asked["Key"]):
            found = self._documents.documents.get(asked["Key"])
            if found is None:
                raise refused("NoSuchKey", 404)
            return {"Body": found.body, "ETag": found.etag}

    async def head_object(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.HeadObject", asked["Key"]):
            stored = self._assets.objects.get(asked["Key"])
            if stored is None:
                raise refused("404", 404)
            return {"ContentLength": len(stored.body)}

    async def put_object(self, **asked: Any) -> Answer:
        key, body = asked["Key"], bytes(asked["Body"])
        conditional = "IfNoneMatch" in asked or "IfMatch" in asked
        operation = "s3.PutObject if" if conditional else "s3.PutObject"
        async with self._wire.request(operation, key):
            self._require_bucket()
            self._verify(body, asked["ChecksumSHA256"])
            if not conditional:
                self._assets.objects[key] = StoredObject(body, _headers(asked))
                return {"ETag": f"etag-{next(self._ids)}"}
            self._check(key, asked)
            etag = self._documents.new_etag()
            self._documents.documents[key] = Document(body, etag)
            return {"ETag": etag}

    async def delete_object(self, **asked: Any) -> Answer:
        key = asked["Key"]
        async with self._wire.request("s3.DeleteObject", key):
            if key in self._documents.documents:
                self._check(key, asked)
            self._documents.documents.pop(key, None)
            return {}

    async def delete_objects(self, **asked: Any) -> Answer:
        """Of assets; what is not there counts as deleted."""
        keys = [entry["Key"] for entry in asked["Delete"]["Objects"]]
        async with self._wire.request("s3.DeleteObjects", keys[0]):
            for key in keys:
                self._assets.objects.pop(key, None)
            return {}

    async def copy_object(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.CopyObject", asked["Key"]):
            source = self._assets.objects.get(asked["CopySource"]["Key"])
            if source is None:
                raise refused("NoSuchKey", 404)
            self._assets.objects[asked["Key"]] = StoredObject(source.body, _headers(asked))
            return {}

    async def create_multipart_upload(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.CreateMultipartUpload", asked["Key"]):
            upload_id = f"upload-{next(self._ids)}"
            self._assets.open_uploads[upload_id] = (_headers(asked), {})
            return {"UploadId": upload_id}

    async def upload_part(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.UploadPart", asked["Key"]):
            body = bytes(asked["Body"])
            self._verify(body, asked["ChecksumSHA256"])
            _, parts = self._upload(asked["UploadId"])
            parts[asked["PartNumber"]] = body
            return {"ETag": f"etag-{next(self._ids)}"}

    async def complete_multipart_upload(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.CompleteMultipartUpload", asked["Key"]):
            headers, parts = self._upload(asked["UploadId"])
            named = [part["PartNumber"] for part in asked["MultipartUpload"]["Parts"]]
            body = b"".join(parts[number] for number in named)
            if len(body) != asked["MpuObjectSize"]:
                raise refused("InvalidRequest", 400, "The size is not the object's")
            del self._assets.open_uploads[asked["UploadId"]]
            self._assets.objects[asked["Key"]] = StoredObject(body, headers)
            return {}

    async def abort_multipart_upload(self, **asked: Any) -> Answer:
        async with self._wire.request("s3.AbortMultipartUpload", asked["Key"]):
            self._upload(asked["UploadId"])
            del self._assets.open_uploads[asked["UploadId"]]
            return {}

    def _upload(self, upload_id: str) -> tuple[ObjectHeaders, dict[int, bytes]]:
        if upload_id not in self._assets.open_uploads:
            raise refused("NoSuchUpload", 404)
        return self._assets.open_uploads[upload_id]

    def _check(self, key: str, asked: Mapping[str, Any]) -> None:
        """The condition sent along, of what stands there now."""
        found = self._documents.documents.get(key)
        if asked.get("IfNoneMatch") == "*" and found:
            raise refused("PreconditionFailed", 412)
        if "IfMatch" in asked and found is None:
            raise refused("NoSuchKey", 404)
        if "IfMatch" in asked and found and found.etag != asked["IfMatch"]:
            raise refused("PreconditionFailed", 412)

    def _verify(self, body: bytes, sha256: str) -> None:
        try:
            self._assets.verify(body, sha256)
        except Rejected as error:
            raise refused("BadDigest", 400) from error

    def _require_bucket(self) -> None:
        if not self._assets.bucket_exists:
            raise refused("NoSuchBucket", 404)


def _headers(asked: Mapping[str, Any]) -> ObjectHeaders:
    return ObjectHeaders(asked["ContentType"], asked["CacheControl"], asked.get("ContentEncoding"))
