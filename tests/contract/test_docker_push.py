"""`DockerEngine.push` against the real engine and a registry of a few lines in this file."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from anyio import Event, create_task_group, fail_after, sleep

from hover_async.docker.engine import DockerEngine, open_engine
from hover_async.errors import DockerError, PushFailed
from hover_async.ports import BuildRequest, RegistryLogin
from hover_async.values import ImageRef, Secret

pytestmark = pytest.mark.anyio

PASSWORD = Secret("a-password-that-shows-nowhere")
LOGIN = RegistryLogin("AWS", PASSWORD)


class Registry:
    """The writing half of the distribution API, in memory; takes only `LOGIN` when `guarded`."""

    def __init__(self, *, guarded: bool = False, stalling: bool = False, refusal: str = "") -> None:
        self.stalled = Event()
        self.hung_up = Event()
        self.stalling = stalling
        self.guarded = guarded
        self.refusal = refusal
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.logins: set[str] = set()
        self.host = ""

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**30)
        upload = "/v2/{name:.+}/blobs/uploads/"
        app.router.add_get("/v2/", self.base)
        app.router.add_post(upload, self.begin)
        app.router.add_patch(upload + "{id}", self.append)
        app.router.add_put(upload + "{id}", self.finish)
        app.router.add_head("/v2/{name:.+}/blobs/{digest}", self.has_blob)
        app.router.add_put("/v2/{name:.+}/manifests/{tag}", self.put_manifest)
        app.router.add_head("/v2/{name:.+}/manifests/{tag}", self.has_manifest)
        app.middlewares.append(self.guard)
        return app

    @web.middleware
    async def guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "")
        self.logins.add(sent)
        plain = f"{LOGIN.username}:{PASSWORD.reveal()}"
        if self.guarded and sent != "Basic " + base64.b64encode(plain.encode()).decode():
            return web.json_response(
                {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]},
                status=401,
                headers={"WWW-Authenticate": 'Basic realm="test"'},
            )
        if self.refusal and request.method in {"POST", "PUT"}:
            refused = {"errors": [{"code": "DENIED", "message": self.refusal}]}
            return web.json_response(refused, status=403)
        return await handler(request)

    async def base(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def begin(self, request: web.Request) -> web.Response:
        upload = secrets.token_hex(4)
        self.blobs[upload] = b""
        return web.Response(status=202, headers={"Location": f"{request.path}{upload}"})

    async def append(self, request: web.Request) -> web.Response:
        upload = request.match_info["id"]
        if self.stalling:
            await self.never_answer(request)
        self.blobs[upload] += await request.read()
        last = len(self.blobs[upload]) - 1
        return web.Response(status=202, headers={"Location": request.path, "Range": f"0-{last}"})

    async def never_answer(self, request: web.Request) -> None:
        """Read on, for a connection that nobody reads does not notice its end; but say nothing."""
        self.stalled.set()
        try:
            await request.read()
            while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for it
                await sleep(0.05)
        finally:
            self.hung_up.set()

    async def finish(self, request: web.Request) -> web.Response:
        content = self.blobs.pop(request.match_info["id"]) + await request.read()
        self.blobs[digest_of(content)] = content
        assert request.query["digest"] == digest_of(content)
        return web.Response(status=201)

    async def has_blob(self, request: web.Request) -> web.Response:
        content = self.blobs.get(request.match_info["digest"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def put_manifest(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.manifests[request.match_info["tag"]] = content
        return web.Response(status=201, headers={"Docker-Content-Digest": digest_of(content)})

    async def has_manifest(self, request: web.Request) -> web.Response:
        content = self.manifests.get(request.match_info["tag"])
        return web.Response(status=404) if content is None else web.Response(body=content)


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    async with open_engine() as opened:
        yield opened


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
async def target(registry: Registry) -> AsyncIterator[ImageRef]:
    """A tag in the running registry; Docker takes plain HTTP from 127.0.0.1."""
    runner = web.AppRunner(registry.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield ImageRef(f"{host}:{port}/some/repository", tag="b1")
    await runner.cleanup()


@pytest.fixture
async def image(engine: DockerEngine, target: ImageRef, tmp_path: Path) -> AsyncIterator[str]:
    """An image with one layer of 3 MB that does not compress; its tags are removed afterwards."""
    name = f"hover-test-{secrets.token_hex(4)}:push"
    (tmp_path / "layer").write_bytes(secrets.token_bytes(3_000_000))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY layer /\n")
    architecture = await engine.architecture()
    await engine.build(
        BuildRequest(tmp_path, "Dockerfile", None, [name], {}, architecture), lambda _line: None
    )
    yield name
    for tag in (name, str(target)):  # these tags alone, unforced
        if await engine.inspect(tag) is not None:
            await engine._docker.images.delete(tag)


def nowhere(done_bytes: int, known_bytes: int) -> None:
    """Progress that a test does not look at."""


async def test_push_delivers_the_image_and_counts_its_bytes(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """The registry ends up with manifest and layers; progress grows up to all bytes known of."""
    seen: list[tuple[int, int]] = []
    await engine.push(image, target, LOGIN, lambda done, known: seen.append((done, known)))
    assert "b1" in registry.manifests
    assert max(map(len, registry.blobs.values())) > 3_000_000
    assert seen[-1][0] == seen[-1][1] >= 3_000_000
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


async def test_pushing_again_is_done_at_once(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """A second push of the same image succeeds without sending a layer again."""
    await engine.push(image, target, LOGIN, nowhere)
    held = set(registry.blobs)
    seen: list[tuple[int, int]] = []
    await engine.push(image, target, LOGIN, lambda done, known: seen.append((done, known)))
    assert set(registry.blobs) == held
    assert not seen


@pytest.mark.parametrize("registry", [Registry(guarded=True)])
async def test_push_presents_its_login(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """A registry that asks for a login gets the one given, with this request alone."""
    await engine.push(image, target, LOGIN, nowhere)
    assert "b1" in registry.manifests


@pytest.mark.parametrize("registry", [Registry(guarded=True)])
async def test_a_wrong_login_fails_without_showing_it(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """A login that the registry refuses is `PushFailed`, and its password is in no text of it."""
    wrong = RegistryLogin("AWS", Secret("a-wrong-password"))
    with pytest.raises(PushFailed) as failure:
        await engine.push(image, target, wrong, nowhere)
    assert "a-wrong-password" not in f"{failure.value!r} {failure.value.__cause__!r}"
    assert not registry.manifests


@pytest.mark.parametrize("registry", [Registry(refusal="the repository does not exist")])
async def test_a_refused_push_fails_in_the_registrys_words(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """What the registry says when it refuses is in the error, with a hint."""
    with pytest.raises(PushFailed, match="the repository does not exist") as failure:
        await engine.push(image, target, LOGIN, nowhere)
    assert failure.value.hint
    assert not registry.manifests


@pytest.mark.parametrize("registry", [Registry(stalling=True)])
async def test_a_cancelled_push_stops_at_the_engine(
    engine: DockerEngine, registry: Registry, target: ImageRef, image: str
) -> None:
    """When the caller of a push is cancelled, the engine hangs up on the registry."""
    async with create_task_group() as pushing:
        pushing.start_soon(engine.push, image, target, LOGIN, nowhere)
        with fail_after(20):
            await registry.stalled.wait()
        pushing.cancel_scope.cancel()
    with fail_after(20):
        await registry.hung_up.wait()


async def test_pushing_what_is_not_there_fails(engine: DockerEngine, target: ImageRef) -> None:
    """A local image that does not exist is a typed error that names it."""
    with pytest.raises(DockerError, match="hover-test-absent"):
        await engine.push("hover-test-absent:none", target, LOGIN, nowhere)
