"""S3 in memory: objects, multipart uploads, and documents written by compare and set."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.ports import Document, ObjectHeaders, Part
from hover_async.testing.world import World


@dataclass(frozen=True)
class StoredObject:
    body: bytes
    headers: ObjectHeaders


@dataclass
class FakeAssetStore:
    """The objects by key, and the multipart uploads that are still open."""

    world: World
    objects: dict[str, StoredObject] = field(default_factory=dict)
    open_uploads: dict[str, tuple[ObjectHeaders, dict[int, bytes]]] = field(default_factory=dict)
    bucket_exists: bool = False
    bucket_tags: dict[str, str] = field(default_factory=dict)
    _completed: dict[str, int] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    async def ensure_bucket(self) -> None:
        async with self.world.request("assets.ensure_bucket"):
            self.bucket_exists = True

    def url(self, key: str) -> str:
        return f"https://bucket.s3.amazonaws.com/{key}"

    async def keys(self, prefix: str) -> Mapping[str, int]:
        async with self.world.request("assets.keys", prefix):
            return {
                key: len(stored.body)
                for key, stored in self.objects.items()
                if key.startswith(prefix)
            }

    async def put(self, key: str, body: bytes, headers: ObjectHeaders, *, sha256: str) -> None:
        async with self.world.request("assets.put", key):
            if not self.bucket_exists:
                raise NotFound("there is no bucket")
            self.verify(body, sha256)
            self.objects[key] = StoredObject(body, headers)

    async def copy(self, source: str, key: str, headers: ObjectHeaders) -> None:
        async with self.world.request("assets.copy", key):
            if source not in self.objects:
                raise NotFound(f"no object {source}")
            self.objects[key] = StoredObject(self.objects[source].body, headers)

    async def delete(self, keys: Sequence[str]) -> None:
        async with self.world.request("assets.delete", keys[0] if keys else ""):
            for key in keys:
                self.objects.pop(key, None)

    async def begin_multipart(self, key: str, headers: ObjectHeaders) -> str:
        async with self.world.request("assets.begin_multipart", key):
            upload_id = f"upload-{next(self._ids)}"
            self.open_uploads[upload_id] = (headers, {})
            return upload_id

    async def put_part(
        self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str
    ) -> Part:
        async with self.world.request("assets.put_part", key):
            self.verify(body, sha256)
            if upload_id not in self.open_uploads:
                raise NotFound(f"no upload {upload_id}")
            self.open_uploads[upload_id][1][number] = body
            return Part(number, f"etag-{number}", sha256)

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, size_bytes: int
    ) -> None:
        async with self.world.request("assets.complete_multipart", key):
            if upload_id not in self.open_uploads:
                if self._completed.get(upload_id) != size_bytes:
                    raise NotFound(f"no upload {upload_id}")
                return
            headers, bodies = self.open_uploads[upload_id]
            body = b"".join(bodies[part.number] for part in parts)
            if len(body) != size_bytes:
                raise Rejected(f"{key} has {len(body)} bytes, not {size_bytes}")
            del self.open_uploads[upload_id]
            self._completed[upload_id] = size_bytes
            self.objects[key] = StoredObject(body, headers)

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        async with self.world.request("assets.abort_multipart", key):
            self.open_uploads.pop(upload_id, None)

    def verify(self, body: bytes, sha256: str) -> None:
        if base64.b64encode(hashlib.sha256(body).digest()).decode() != sha256:
            raise Rejected("the checksum is not the body's")


@dataclass
class FakeDocuments:
    """Every document by key; an etag for each write."""

    world: World
    documents: dict[str, Document] = field(default_factory=dict)
    _etags: itertools.count[int] = field(default_factory=itertools.count)

    async def read(self, key: str) -> Document | None:
        async with self.world.request("documents.read", key):
            return self.documents.get(key)

    async def keys(self, prefix: str) -> Sequence[str]:
        async with self.world.request("documents.keys", prefix):
            return [key for key in self.documents if key.startswith(prefix)]

    async def create(self, key: str, body: bytes) -> str:
        async with self.world.request("documents.create", key):
            if key in self.documents:
                return self._same(key, body)
            return self._write(key, body)

    async def replace(self, key: str, body: bytes, etag: str) -> str:
        async with self.world.request("documents.replace", key):
            if not self._is(key, etag):
                return self._same(key, body)
            return self._write(key, body)

    async def delete(self, key: str, etag: str) -> None:
        async with self.world.request("documents.delete", key):
            if key in self.documents and not self._is(key, etag):
                raise Conflict(f"{key} was changed")
            self.documents.pop(key, None)

    def new_etag(self) -> str:
        """One that no write of any client has been given yet."""
        return f"etag-{next(self._etags)}"

    def _is(self, key: str, etag: str) -> bool:
        return key in self.documents and self.documents[key].etag == etag

    def _same(self, key: str, body: bytes) -> str:
        """A refused write of what stands there may be our own, whose answer was lost."""
        found = self.documents.get(key)
        if found is None or found.body != body:
            raise Conflict(f"{key} was changed")
        return found.etag

    def _write(self, key: str, body: bytes) -> str:
        etag = self.new_etag()
        self.documents[key] = Document(body, etag)
        return etag
