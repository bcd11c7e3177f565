"""A registry and an engine that pushes to it, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hover_async.errors import PushFailed
from hover_async.ports import ImageInfo, PushedImage, RegistryLogin
from hover_async.testing.world import World
from hover_async.values import Architecture, Digest, ImageRef, Secret

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/fake"


@dataclass
class FakeRegistry:
    """Images by tag; `password` is what a login gives."""

    world: World
    images: dict[str, PushedImage] = field(default_factory=dict)
    exists: bool = False
    policy: str | None = None
    password: str = "fake-password"  # noqa: S105 - of a registry in memory

    async def ensure_repository(self) -> str:
        async with self.world.request("registry.ensure_repository"):
            self.exists = True
            return REPOSITORY

    async def login(self) -> RegistryLogin:
        async with self.world.request("registry.login"):
            return RegistryLogin("AWS", Secret(self.password))

    async def find(self, tag: str) -> PushedImage | None:
        async with self.world.request("registry.find", tag):
            return self.images.get(tag)

    async def untag(self, tags: Sequence[str]) -> None:
        async with self.world.request("registry.untag", tags[0] if tags else ""):
            for tag in tags:
                self.images.pop(tag, None)

    def deployable(self, digest: Digest) -> str:
        return f"{REPOSITORY}@{digest}"


@dataclass
class FakeImages:
    """The engine's local images by name. `drops_push`: a push ends normally and does nothing."""

    world: World
    registry: FakeRegistry
    local: dict[str, ImageInfo] = field(default_factory=dict)
    drops_push: bool = False
    engine: Architecture = Architecture.X86_64

    async def architecture(self) -> Architecture:
        async with self.world.request("images.architecture"):
            return self.engine

    async def inspect(self, image: str) -> ImageInfo | None:
        async with self.world.request("images.inspect", image):
            return self.local.get(image)

    async def push(
        self,
        image: str,
        target: ImageRef,
        login: RegistryLogin,
        on_progress: Callable[[int, int], None],
    ) -> None:
        async with self.world.request("images.push", str(target)):
            if not login.password.reveal():
                raise PushFailed("no basic auth credentials")
            info = self.local[image]
            on_progress(info.size_bytes, info.size_bytes)
            if not self.drops_push and target.tag:
                digest = Digest(f"sha256:{hashlib.sha256(info.id.encode()).hexdigest()}")
                self.registry.images[target.tag] = PushedImage(digest)
