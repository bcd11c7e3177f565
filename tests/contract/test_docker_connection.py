"""Engines that are not there, not running, silent, too old, or that break off in the middle.

They are played by servers on a unix socket of the test's own: no real engine does it on demand.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiodocker
import pytest
from aiohttp import web

from hover_async.docker.connection import unavailable
from hover_async.docker.engine import open_engine
from hover_async.errors import DockerError, DockerUnavailable, PushFailed
from hover_async.ports import BuildRequest, RegistryLogin
from hover_async.values import Architecture, ImageRef, Secret

pytestmark = pytest.mark.anyio

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where DOCKER_HOST points in this test: a socket that nobody has made yet."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


@asynccontextmanager
async def engine_at(path: Path, handler: Handler, *, api: str = "1.41") -> AsyncIterator[None]:
    """An engine of version `api` that answers everything but its version with `handler`."""

    async def version(_request: web.Request) -> web.Response:
        found = {"ApiVersion": api, "Version": "0.0", "Os": "linux", "Arch": "amd64"}
        return web.json_response(found)

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_get(f"/v{api}/version", version)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Begin a progress stream, then close the connection in an orderly way."""
    await request.read()
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"status":"Preparing","progressDetail":{},"id":"a"}\n')
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    """Begin a progress stream, then lose the connection in the middle of it."""
    response = await break_off(request)
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.mark.usefixtures("at")
async def test_no_engine() -> None:
    """Where there is no socket the error says so, and how to get an engine."""
    with pytest.raises(DockerUnavailable, match="no Docker Engine") as failure:
        async with open_engine():
            raise AssertionError("there is no engine")
    assert "install" in (failure.value.hint or "")


async def test_an_engine_that_is_not_running(at: Path) -> None:
    """A socket that nobody listens on is an engine to be started."""
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(at))
    with pytest.raises(DockerUnavailable, match="not running") as failure:
        async with open_engine():
            raise AssertionError("there is no engine")
    assert "systemctl start docker" in (failure.value.hint or "")


def test_an_engine_that_one_may_not_use() -> None:
    """A refused permission is told with the group to join."""
    refused = aiodocker.DockerError(900, "Cannot connect")
    refused.__context__ = PermissionError(13, "Permission denied")
    failure = unavailable(refused)
    assert "may not use" in failure.message
    assert "'docker' group" in (failure.hint or "")


async def test_an_engine_that_is_silent(at: Path) -> None:
    """An engine that takes connections and never answers is given up after a while."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(at))
        silent.listen()
        with pytest.raises(DockerUnavailable, match="has not answered"):
            async with open_engine(answer_within_s=0.2):
                raise AssertionError("there is no engine")


async def test_an_engine_without_buildkit(at: Path) -> None:
    """An engine from before BuildKit is refused before anything is asked of it."""
    async with engine_at(at, break_off, api="1.38"):
        with pytest.raises(DockerError, match="no BuildKit"):
            async with open_engine():
                raise AssertionError("it is too old")


@pytest.mark.parametrize("end", [break_off, cut])
async def test_a_push_that_breaks_off_is_no_success(at: Path, end: Handler) -> None:
    """A stream that ends before the registry's confirmation fails, however it ends."""

    async def engine(request: web.Request) -> web.StreamResponse:
        return web.Response(status=201) if request.path.endswith("/tag") else await end(request)

    login = RegistryLogin("AWS", Secret("x"))
    async with engine_at(at, engine), open_engine() as opened:
        target = ImageRef("localhost:1/r", tag="t")
        with pytest.raises(PushFailed, match="broke off"):
            await opened.push("image:tag", target, login, lambda _done, _known: None)


@pytest.mark.parametrize("end", [break_off, cut])
async def test_a_build_that_breaks_off_is_no_success(
    at: Path, tmp_path: Path, end: Handler
) -> None:
    """A build whose stream ends without an image's id fails, however it ends."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    request = BuildRequest(tmp_path, "Dockerfile", None, [], {}, Architecture.X86_64)
    async with engine_at(at, end), open_engine() as opened:
        with pytest.raises(DockerError, match="broke off"):
            await opened.build(request, lambda _line: None)
