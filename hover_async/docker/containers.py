"""Containers that live for one purpose and are gone after it, whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiodocker
from aiodocker.containers import DockerContainer
from aiodocker.types import JSONObject
from anyio import CancelScope, move_on_after

from hover_async.docker.blocking import consume
from hover_async.docker.connection import refusals, request
from hover_async.docker.lines import Lines
from hover_async.docker.unpack import unpack

_REMOVE_WITHIN_S = 20
STDOUT, STDERR = 1, 2
_NO_LOG: JSONObject = {"HostConfig": {"LogConfig": {"Type": "none"}}}
_NO_PROCESS: JSONObject = {"Cmd": ["never-started"]}
"""An image of files alone names no program, and the engine creates no container without one."""


async def run_image(docker: aiodocker.Docker, image: str, on_output: Callable[[str], None]) -> int:
    """Run the image's own command; its output line by line, its exit status.

    Attached before the start and apart from the engine's logs, which may be configured away and
    lose a last line without a newline.
    """
    with refusals(f"running '{image}'"):
        async with _container(docker, image, _NO_LOG) as container:
            printed = {STDOUT: Lines(on_output), STDERR: Lines(on_output)}
            async with container.attach(stdout=True, stderr=True) as output:
                await container.start()
                while (message := await output.read_out()) is not None:
                    printed[message.stream].feed(message.data)
            for lines in printed.values():
                lines.end()
            ended = await container.wait()
            return int(ended["StatusCode"])


async def copy_out(docker: aiodocker.Docker, image: str, path: str, destination: Path) -> None:
    """Unpack directory `path` of the image into `destination`; nothing of the image runs."""
    with refusals(f"reading '{path}' of '{image}'"):
        async with _container(docker, image, _NO_PROCESS) as container:
            archive = f"containers/{container.id}/archive?path={quote(path, safe='')}"
            async with request(docker, "GET", archive) as response:
                await consume(
                    response.content.iter_any(), lambda reader: unpack(reader, destination)
                )


@asynccontextmanager
async def _container(
    docker: aiodocker.Docker, image: str, extra: JSONObject
) -> AsyncIterator[DockerContainer]:
    """A container under a name of ours: known, and removed, even when its creation is cut off."""
    name = f"hover-{secrets.token_hex(6)}"
    config = {"Image": image, **extra}
    try:
        yield await docker.containers.create(config, name=name)
    finally:
        with CancelScope(shield=True), move_on_after(_REMOVE_WITHIN_S):
            await _remove(docker, name)


async def _remove(docker: aiodocker.Docker, name: str) -> None:
    """Stop and remove with its volumes; one that was never created counts as removed."""
    try:
        await docker.containers.container(name).delete(force=True, v=True)
    except aiodocker.DockerError as failure:
        if failure.status not in _GONE:
            raise


_GONE: Sequence[int] = (404, 409)
"""Not there, or being removed already."""
