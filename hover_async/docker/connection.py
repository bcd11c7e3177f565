"""The way to the Docker Engine: found, asked, and its refusals turned into our errors."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiodocker
import aiohttp
from anyio import fail_after

from hover_async.errors import DockerError, DockerUnavailable

ANSWER_WITHIN_S = 10
_UNREACHABLE = 900
"""aiodocker's own status for an engine it cannot connect to."""
_FIRST_WITH_BUILDKIT = (1, 39)

_START = "start it ('sudo systemctl start docker', or Docker Desktop), or set DOCKER_HOST"
_INSTALL = (
    "install Docker (https://docs.docker.com/engine/install/) and start it, "
    "or set DOCKER_HOST to an engine that runs"
)
_JOIN = (
    "join the 'docker' group ('sudo usermod -aG docker $USER', then log in again), "
    "or set DOCKER_HOST to an engine you may use"
)
_HINTS: Mapping[int | None, tuple[str, str]] = {
    errno.ENOENT: ("there is no Docker Engine", _INSTALL),
    errno.ECONNREFUSED: ("the Docker Engine is not running", _START),
    errno.EACCES: (
        "you may not use the Docker Engine",
        _JOIN,
    ),
}


@asynccontextmanager
async def connect(answer_within_s: float) -> AsyncIterator[aiodocker.Docker]:
    """The engine that DOCKER_HOST, the docker context or the usual sockets lead to.

    Raises `DockerUnavailable` when none answers, `DockerError` when it cannot build for us.
    """
    try:
        docker = aiodocker.Docker()
    except (AssertionError, ValueError, aiodocker.DockerError) as failure:
        reason = f": {failure}" if str(failure) else ""
        raise DockerUnavailable(f"there is no Docker Engine{reason}", hint=_INSTALL) from failure
    async with docker:
        await _require_buildkit(docker, answer_within_s)
        yield docker


async def _require_buildkit(docker: aiodocker.Docker, answer_within_s: float) -> None:
    try:
        with refusals("the engine's version"), fail_after(answer_within_s):
            version = await docker.version()
    except TimeoutError as failure:
        raise DockerUnavailable(
            f"the Docker Engine has not answered for {answer_within_s:g} seconds",
            hint="restart it ('sudo systemctl restart docker', or Docker Desktop)",
        ) from failure
    api = tuple(int(part) for part in str(version["ApiVersion"]).split("."))
    if api < _FIRST_WITH_BUILDKIT or version.get("Os", "linux") != "linux":
        raise DockerError(
            f"this Docker Engine ({version['Version']}, {version.get('Os')}) has no BuildKit",
            hint="use Docker Engine 20.10 or later, with Linux containers",
        )


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raise what the engine refuses, or a broken connection to it, as our errors."""
    try:
        yield
    except aiodocker.DockerError as failure:
        if failure.status == _UNREACHABLE or not failure.message:
            raise unavailable(failure) from failure
        raise DockerError(f"{what}: {failure.message}") from failure
    except aiohttp.ClientError as failure:
        raise broken_off(what) from failure


def broken_off(what: str) -> DockerError:
    return DockerError(
        f"{what}: the Docker Engine's answer broke off",
        hint="see whether the engine still runs ('docker info'), then run it again",
    )


def unavailable(failure: aiodocker.DockerError) -> DockerUnavailable:
    cause = failure.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    message, hint = _HINTS.get(number, ("the Docker Engine does not answer", _START))
    because = f": {failure.message}" if failure.message else ""
    return DockerUnavailable(f"{message}{because}", hint=hint)


@asynccontextmanager
async def request(
    docker: aiodocker.Docker,
    method: str,
    path: str,
    *,
    data: object = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A request that aiodocker knows no method for; leaving the block closes its connection.

    Closing is what stops the engine: it cancels whatever the request was for.
    """
    query = docker._query(path, method, data=data, headers=headers)  # noqa: SLF001 - the only way aiodocker sends a request of our own
    async with query as response:
        try:
            yield response
        finally:
            response.close()


async def json_lines(response: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, Any]]:
    """The JSON documents of a stream, one a line, of any length."""
    pending = bytearray()
    async for piece in response.content.iter_any():
        pending += piece
        if b"\n" in piece:
            *lines, rest = bytes(pending).split(b"\n")
            pending = bytearray(rest)
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    if pending.strip():
        yield json.loads(pending)
