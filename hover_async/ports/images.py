"""Images: built and pushed by the Docker Engine, kept by ECR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hover_async.values import Architecture, Digest, ImageRef, Secret


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

    async def untag(self, tags: Sequence[str]) -> None:
        """Take the tags away, and with its last tag an image; gone already counts as done."""

    def deployable(self, digest: Digest) -> str:
        """The image URI that Lambda takes: by digest, under AWS's own name of the repository."""
