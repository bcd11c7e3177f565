"""S3: the stage's private bucket, with its assets and its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ObjectHeaders:
    content_type: str
    cache_control: str
    content_encoding: str | None = None


@dataclass(frozen=True)
class Part:
    """An uploaded part of a multipart upload, as its completion must name it."""

    number: int
    etag: str
    sha256: str


class AssetStore(Protocol):
    """Objects of the stage's bucket. Checksums are base64 SHA-256, verified by S3 on arrival."""

    async def ensure_bucket(self) -> None:
        """Create the bucket when missing: private, ours, with orphaned uploads expiring."""

    def url(self, key: str) -> str:
        """The object's https URL as CloudFormation takes it for a template."""

    async def keys(self, prefix: str) -> Mapping[str, int]:
        """Every object below `prefix`: key to size in bytes."""

    async def put(self, key: str, body: bytes, headers: ObjectHeaders, *, sha256: str) -> None:
        """Write one object; repeating it writes the same again."""

    async def copy(self, source: str, key: str, headers: ObjectHeaders) -> None:
        """Copy inside the bucket. Raises `NotFound` when the source is gone."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete these objects, any number of them; gone already counts as done."""

    async def begin_multipart(self, key: str, headers: ObjectHeaders) -> str:
        """Start a multipart upload; returns its id."""

    async def put_part(
        self, key: str, upload_id: str, number: int, body: bytes, *, sha256: str
    ) -> Part:
        """Send part `number` (from 1); repeating it replaces the same part."""

    async def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, size_bytes: int
    ) -> None:
        """Make the object of its parts; done already counts as done."""

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Forget the upload and its parts; gone already counts as done."""


@dataclass(frozen=True)
class Document:
    body: bytes
    etag: str


class Documents(Protocol):
    """Small records in the same bucket, written by compare and set.

    A refused write counts as done when the very same bytes are there: they may be our own, written
    by a first try whose answer was lost. So a record that must be exclusive names its writer.
    """

    async def read(self, key: str) -> Document | None: ...

    async def keys(self, prefix: str) -> Sequence[str]:
        """The keys of every record below `prefix`. Raises `NotFound` when there is no bucket."""

    async def create(self, key: str, body: bytes) -> str:
        """Write only if absent; returns the etag. Raises `Conflict` if it exists."""

    async def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write only over `etag`; returns the new one. Raises `Conflict` if it changed."""

    async def delete(self, key: str, etag: str) -> None:
        """Delete only that `etag`. Raises `Conflict` if it changed; gone counts as done."""
