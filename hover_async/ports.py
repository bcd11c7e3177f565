"""What a build and a deploy need of the world, as small protocols.

`aws/` and `docker/` implement them for real, `testing/` as one fake that tests and programs can
use. Every method may raise `AwsError` or `DockerError` and nothing else of its own; each says what
a repeated call does, for the retry policies live below these protocols, never above them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hover_async.values import Architecture, Digest, FunctionName, ImageRef, Secret, Version

# Storage: the stage's private assets bucket


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

    async def create(self, key: str, body: bytes) -> str:
        """Write only if absent; returns the etag. Raises `Conflict` if it exists."""

    async def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write only over `etag`; returns the new one. Raises `Conflict` if it changed."""

    async def delete(self, key: str, etag: str) -> None:
        """Delete only that `etag`. Raises `Conflict` if it changed; gone counts as done."""


# Images


@dataclass(frozen=True)
class ImageInfo:
    id: str
    architecture: Architecture
    size_bytes: int


@dataclass(frozen=True)
class RegistryLogin:
    username: str
    password: Secret


@dataclass(frozen=True)
class BuildRequest:
    """One Dockerfile target to build. `context` is the project's directory.

    `never_sent` are patterns in the syntax of `.dockerignore` that no ignore file takes back;
    `grafts` puts directories into the context under a name of their own, unfiltered.
    """

    context: Path
    dockerfile: str
    target: str | None
    tags: Sequence[str]
    build_args: Mapping[str, str]
    architecture: Architecture
    labels: Mapping[str, str] = field(default_factory=dict)
    never_sent: Sequence[str] = ()
    grafts: Mapping[str, Path] = field(default_factory=dict)


class ImageBuilder(Protocol):
    """What a build needs of the Docker Engine."""

    async def architecture(self) -> Architecture:
        """The engine's own. Raises `DockerUnavailable` when no engine answers."""

    async def build(self, request: BuildRequest, on_output: Callable[[str], None]) -> ImageInfo:
        """Build and tag. Raises `ImageBuildFailed` with the failing step's output."""

    async def run(self, image: str, on_output: Callable[[str], None]) -> int:
        """Run the image's own command in a container of its own, removed after; its exit status."""

    async def copy_out(self, image: str, path: str, destination: Path) -> None:
        """Copy the content of directory `path` of the image into `destination`."""

    async def files(self, image: str) -> Mapping[str, Sequence[str]]:
        """The paths each layer of the image adds, by layer: what a scan looks through."""


class ImagePusher(Protocol):
    """What a deploy needs of the Docker Engine."""

    async def inspect(self, image: str) -> ImageInfo | None:
        """The local image, or None."""

    async def push(
        self,
        image: str,
        target: ImageRef,
        login: RegistryLogin,
        on_progress: Callable[[int, int], None],
    ) -> None:
        """Tag `image` as `target` and push it; `on_progress` gets bytes done and bytes known of.

        Raises `PushFailed`. A normal return is no proof: ask the registry for the digest.
        """


@dataclass(frozen=True)
class PushedImage:
    """What the registry holds under a tag. `problem`: why Lambda would refuse it, if it would."""

    digest: Digest
    problem: str | None = None


class Registry(Protocol):
    """The stage's image repository."""

    async def ensure_repository(self) -> str:
        """Create it when missing; returns `host/name`, the repository to push to."""

    async def login(self) -> RegistryLogin: ...

    async def find(self, tag: str) -> PushedImage | None:
        """What `tag` points to, or None."""

    def deployable(self, digest: Digest) -> str:
        """The image URI that Lambda takes: by digest, under AWS's own name of the repository."""


# CloudFormation


@dataclass(frozen=True)
class StackDescription:
    """A stack as it stands. `outputs` are the template's, by name."""

    id: str
    name: str
    status: str
    reason: str
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class StackRequest:
    """A create or an update. `token` marks the operation: sent twice, it happens once.

    `template` is the template's text, or the URL of its object where it is too large to send.
    """

    name: str
    template: str
    template_is_url: bool
    role_arn: str | None
    tags: Mapping[str, str]
    token: str


@dataclass(frozen=True)
class StackEvent:
    id: str
    logical_id: str
    kind: str
    status: str
    reason: str
    token: str | None
    physical_id: str = ""
    stack_id: str = ""


class Stacks(Protocol):
    async def describe(self, name: str) -> StackDescription | None:
        """The stack, or None when there is none (a deleted one is none)."""

    async def create(self, request: StackRequest) -> None:
        """Accepted when it returns; the work goes on. Safe to repeat with the same token."""

    async def update(self, request: StackRequest) -> bool:
        """False when there is nothing to update. Otherwise as `create`."""

    async def delete(self, name: str, *, token: str) -> None: ...

    async def events(self, name: str, *, token: str | None) -> Sequence[StackEvent]:
        """The events of the operation marked `token` (None: of the last one, and of a deletion
        that followed it), oldest first."""

    async def functions(self, name: str) -> Mapping[FunctionName, str]:
        """Every Lambda function of the stack and of its nested stacks, all pages, each with the
        logical id of the nested stack that it is in, or an empty text for the stack itself.

        A stack that is not there has none."""


# What stands beside the stack


class Queues(Protocol):
    """Queues on SQS, by name; attributes by SQS's own names. Nothing here deletes one."""

    def arn(self, name: str) -> str:
        """The ARN that a queue of this name has, whether there is one or not."""

    async def find(self, name: str) -> Mapping[str, str] | None:
        """The queue's attributes, or None."""

    async def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """Repeating it does nothing. Raises `Conflict` when it is there with other attributes."""

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        """Set these attributes and no others; repeating it sets the same again."""

    async def tags(self, name: str) -> Mapping[str, str]: ...

    async def tag(self, name: str, tags: Mapping[str, str]) -> None: ...


class LogGroups(Protocol):
    async def find(self, prefix: str) -> Mapping[str, int | None]:
        """Every group whose name begins so, with the days it keeps logs (None: for ever)."""

    async def create(self, name: str, tags: Mapping[str, str]) -> None:
        """A group that is there already counts as done."""

    async def keep(self, name: str, *, days: int) -> None: ...


# Lambda


@dataclass(frozen=True)
class FunctionState:
    """A function or one version of it. `code_sha256` of an image function is the image's digest."""

    version: Version
    state: str
    state_reason: str
    last_update: str
    last_update_reason: str
    code_sha256: str
    image_uri: str


@dataclass(frozen=True)
class Alias:
    """Where an alias points. `revision` changes with every change: compare and set with it."""

    function: FunctionName
    version: Version
    revision: str
    has_routing: bool = False


@dataclass(frozen=True)
class Invocation:
    """An answered invocation. `error` is set when the function itself failed (not the service)."""

    payload: bytes
    error: str | None
    log_tail: str
    executed_version: str


class Repeatable(StrEnum):
    """Whether an invocation may be sent again when its answer is lost."""

    ONCE = "once"
    NEVER = "never"


class Functions(Protocol):
    async def state(self, function: FunctionName, version: Version) -> FunctionState: ...

    async def publish(
        self, function: FunctionName, *, code_sha256: str, description: str
    ) -> Version:
        """Publish `$LATEST`, guarded by its code; unchanged code gives the last version again."""

    async def alias(self, function: FunctionName, name: str) -> Alias | None: ...

    async def move_alias(self, alias: Alias, name: str, *, to: Version) -> Alias:
        """Point the alias to `to`, with no routing weights, if its revision is still `alias`'s.

        Raises `Conflict` when it is not. An answer that was lost is looked up: success if the
        alias points to `to`.
        """

    async def invoke(
        self,
        function: FunctionName,
        version: Version,
        payload: bytes,
        *,
        timeout_s: float,
        repeatable: Repeatable,
    ) -> Invocation:
        """Invoke and wait. Raises `Throttled` when concurrency is used up, `OutcomeUnknown`
        when the answer was lost and `repeatable` forbids another try."""

    async def unreserved_concurrency(self) -> int:
        """How many environments this account may run at once outside every reserve."""


# KMS


@dataclass(frozen=True)
class DataKey:
    """A new key of 256 bits, and the same wrapped by the KMS key of the ARN `key_id`."""

    key_id: str
    plain: bytes = field(repr=False)
    wrapped: bytes


class Keys(Protocol):
    """Keys that never leave KMS. A key is named by its alias, its id or its ARN.

    Every method raises `AccessDenied` when this identity may not, and `Rejected` when the key is
    disabled or is to be deleted. A `context` is not secret: whoever unwraps must give the same one.
    """

    async def generate(self, key: str, context: Mapping[str, str]) -> DataKey:
        """A new data key each time. Raises `NotFound` when there is no such key."""

    async def unwrap(self, key: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """What was wrapped by `key`. Raises `NotFound` when there is no such key, and may raise
        `Rejected` when it was wrapped by another, with another context, or was changed."""

    async def create(self, alias: str) -> str:
        """Make a key that rotates every year, named `alias` (`alias/...`); its ARN.

        Raises `Conflict` when the alias is taken; then, as on every failure that can be told, no
        key is left behind.
        """


@dataclass(frozen=True)
class Cloud:
    """The ports of one stage's AWS account and region, opened together."""

    assets: AssetStore
    documents: Documents
    registry: Registry
    stacks: Stacks
    functions: Functions
    queues: Queues
    logs: LogGroups
