"""The Docker Engine as a build and a deploy need it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiodocker

from hover_async.docker import build, connection, containers, layers, push
from hover_async.errors import DockerError
from hover_async.ports import BuildRequest, ImageInfo, RegistryLogin
from hover_async.values import Architecture, ImageRef

_NOT_FOUND = 404
_ARCHITECTURES = {each.docker_name: each for each in Architecture}


@asynccontextmanager
async def open_engine(
    answer_within_s: float = connection.ANSWER_WITHIN_S,
) -> AsyncIterator[DockerEngine]:
    """The engine that DOCKER_HOST, docker's context or the usual sockets lead to.

    Raises `DockerUnavailable` when it does not answer, `DockerError` when it has no BuildKit.
    """
    async with connection.connect(answer_within_s) as docker:
        yield DockerEngine(docker)


class DockerEngine:
    """`ImageBuilder` and `ImagePusher` on a connected engine."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker
        self._builds = build.Builds(docker)

    async def architecture(self) -> Architecture:
        with connection.refusals("the engine's version"):
            version = await self._docker.version()
        return _architecture(str(version["Arch"]))

    async def build(self, request: BuildRequest, on_output: Callable[[str], None]) -> ImageInfo:
        image_id = await self._builds.build(request, on_output)
        built = await self.inspect(image_id)
        if built is None:
            raise DockerError(
                f"the image '{image_id}' vanished after it was built",
                hint="see that nothing prunes images meanwhile, and build again",
            )
        return built

    async def run(self, image: str, on_output: Callable[[str], None]) -> int:
        return await containers.run_image(self._docker, image, on_output)

    async def copy_out(self, image: str, path: str, destination: Path) -> None:
        await containers.copy_out(self._docker, image, path, destination)

    async def files(self, image: str) -> Mapping[str, Sequence[str]]:
        return await layers.layer_files(self._docker, image)

    async def inspect(self, image: str) -> ImageInfo | None:
        try:
            found: Mapping[str, Any] = await self._docker.images.inspect(image)
        except aiodocker.DockerError as failure:
            if failure.status == _NOT_FOUND:
                return None
            with connection.refusals(f"looking at '{image}'"):
                raise
        return ImageInfo(
            id=str(found["Id"]),
            architecture=_architecture(str(found["Architecture"])),
            size_bytes=int(found["Size"]),
        )

    async def push(
        self,
        image: str,
        target: ImageRef,
        login: RegistryLogin,
        on_progress: Callable[[int, int], None],
    ) -> None:
        await push.push_image(self._docker, image, target, login, on_progress)


def _architecture(docker_name: str) -> Architecture:
    if docker_name not in _ARCHITECTURES:
        raise DockerError(
            f"Lambda runs no '{docker_name}' image",
            hint="build on an amd64 or arm64 engine, or set 'architecture' in the manifest",
        )
    return _ARCHITECTURES[docker_name]
