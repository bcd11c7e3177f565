"""The SDK's clients, the Docker adapter and the real program, before servers that quote what they
are sent: searched.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from hover_async.cli.main import cli, fail
from hover_async.docker.engine import open_engine
from hover_async.errors import HoverError
from hover_async.ports import RegistryLogin
from hover_async.secrets.files import Places
from hover_async.values import ImageRef
from hover_async.values import Secret as Hidden
from tests.process.canary_looks import look_at_error
from tests.process.canary_search import CONTROL, Search, Secret, Surface
from tests.process.echoes import WAYS, Echo, environment, every_call, raised

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAC4N4RY",
    "AWS_SECRET_ACCESS_KEY": str(Secret.ACCESS_KEY),
    "AWS_SESSION_TOKEN": str(Secret.SESSION_TOKEN),
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
COMMANDS: Sequence[str] = (
    "plan",
    "plan --json",
    "deploy",
    "deploy --json",
    "doctor dev",
    "doctor dev --json",
    "releases dev",
    "releases dev --json",
    "rollback dev",
    "recover dev",
    "unlock dev",
    "secrets encrypt dev",
    "secrets decrypt dev",
    "secrets list dev --json",
)
THROUGH_A_PROXY = ("plan", "doctor dev", "releases dev --json")
QUICK_WAYS = ("denied, as it was sent", "signature refused, as an object", "denied, without names")


def asks_aws(search: Search, ways: Collection[str] = WAYS) -> None:
    """Every call of the SDK's clients, and of our own, at a server that quotes the request."""
    server = Echo()

    async def ask() -> None:
        async for call, way, error in every_call(server, ways):
            if error:
                look_at_error(search, f"quoted by AWS: {way}: {call}", error)

    with environment(**CREDENTIALS):
        asyncio.run(ask())
    for request in server.requests:
        headers = dict(request.headers)
        if Secret.SESSION_TOKEN in headers.values() and "Authorization" in headers:
            search.handled |= {Secret.SESSION_TOKEN, Secret.ACCESS_KEY}


def pushes(search: Search, root: Path) -> None:
    """The engine, or the registry behind it, quotes the login; in a refusal, in the stream."""
    login = RegistryLogin("AWS", Hidden(Secret.REGISTRY_PASSWORD))
    target = ImageRef("registry/shop", tag=CONTROL)

    async def push() -> None:
        for way in ("refused", "in the stream", "by its name", "plain"):
            async with quoting_engine(root, way), open_engine() as engine:
                work = engine.push("dev:1", target, login, lambda _done, _total: None)
                error = await raised(work)
            assert error is not None
            look_at_error(search, f"quoted by the engine: {way}", error)

    with environment(DOCKER_HOST=f"unix://{root}/engine.sock"):
        asyncio.run(push())


@asynccontextmanager
async def quoting_engine(root: Path, way: str) -> AsyncIterator[None]:
    """A Docker Engine as far as a push asks it, on a socket in `root`."""

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41", "Version": "1", "Os": "linux"})

    async def tag(_: web.Request) -> web.Response:
        return web.Response(status=201)

    async def push(request: web.Request) -> web.Response:
        sent = request.headers["X-Registry-Auth"]
        login = base64.urlsafe_b64decode(sent).decode()
        said = {
            "refused": f"no: X-Registry-Auth: {sent}",
            "in the stream": f"denied: {sent}",
            "by its name": f"unauthorized: {login}",
            "plain": f"unauthorized: AWS:{Secret.REGISTRY_PASSWORD}",
        }[way]
        if way == "refused":
            return web.json_response({"message": said}, status=500)
        return web.json_response({"error": said, "errorDetail": {"message": said}})

    app = web.Application()
    app.router.add_get("/{v:.*}version", version)
    app.router.add_post("/{v:.*}/tag", tag)
    app.router.add_post("/{v:.*}/push", push)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(root / "engine.sock")).start()
        yield
    finally:
        await runner.cleanup()


def runs_commands(search: Search, root: Path, commands: Sequence[str] = COMMANDS) -> None:
    """The real program, in this process, on the project of `canary_runs.builds`.

    At an AWS that quotes the request; then on the way to the real one, through a proxy that does
    not let it through, and quotes it.
    """
    project = root / CONTROL
    with start_blocking_portal("asyncio") as elsewhere:
        server = Echo()
        with elsewhere.wrap_async_context_manager(server.open()):
            for server.way in QUICK_WAYS:
                where = {"AWS_ENDPOINT_URL": server.url}
                for command in commands:
                    _run(
                        search, f"'{command}', quoted by AWS: {server.way}", command, project, where
                    )
            server.way = QUICK_WAYS[0]
            url = server.url.replace("//", f"//user:{quote(Secret.PROXY_PASSWORD)}@")
            for command in THROUGH_A_PROXY:
                run = f"'{command}', quoted by the proxy"
                _run(search, run, command, project, {"HTTPS_PROXY": url})
    login = base64.b64encode(f"user:{Secret.PROXY_PASSWORD}".encode()).decode()
    if any(f"Basic {login}" in request.as_sent() for request in server.requests):
        search.handled.add(Secret.PROXY_PASSWORD)


def reads_credentials(search: Search, root: Path) -> None:
    """The real program with a file of credentials, or a process that prints them, that is broken.

    What such a process writes to stderr is its own: the SDK shows it when the process fails.
    """
    key, token = Secret.ACCESS_KEY, Secret.SESSION_TOKEN
    printed = json.dumps({"Version": 1, "SecretAccessKey": key, "SessionToken": token})
    process = f"[default]\ncredential_process = cat {root}/printed\n"
    broken = {
        "no section": (f"aws_secret_access_key = {key}\n", ""),
        "a cut line": (f"[default]\naws_session_token = {token}\n{key}\n", ""),
        "a section twice": (f"[default]\naws_secret_access_key = {key}\n" * 2, ""),
        "no access key": (f"[default]\naws_secret_access_key = {key}\n", ""),
        "not UTF-8": (f"[default]\naws_secret_access_key = {key}\udcff\n", ""),
        "a process, cut": (process, printed[:-1]),
        "a process of another version": (process, printed.replace("1", "2", 1)),
        "a process, without an access key": (process, printed),
    }
    file = root / "credentials"
    own = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(file))
    for name, (text, answer) in broken.items():
        file.write_bytes(text.encode(errors="surrogateescape"))
        (root / "printed").write_text(answer)
        command = "releases dev --profile default"
        where = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", **own}
        _run(search, f"credentials: {name}", command, root / CONTROL, where)


def _run(search: Search, run: str, command: str, project: Path, where: Mapping[str, str]) -> None:
    """The command to its end, as `main` runs it; what it wrote, and the error with its causes."""
    argv = [*command.split(), "-C", str(project)]
    Places(project, "dev").plain.write_text(f'{CONTROL}="{Secret.STAGE_SECRET}"\n')
    out, err = io.StringIO(), io.StringIO()
    with (
        environment(**{**CREDENTIALS, **NO_ENGINE, **where}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli(argv, prog_name="hover-async")
        except HoverError as error:
            look_at_error(search, run, error)
            with suppress(SystemExit):
                fail(error)
        except SystemExit:
            pass
    surface = Surface.JSON_LINES if "--json" in argv else Surface.LINES
    search.look(run, surface, out.getvalue(), err.getvalue())
