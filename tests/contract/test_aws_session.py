"""Opening AWS: credentials found and checked, failures told before anything is done."""

from __future__ import annotations

import configparser
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from hover_async.aws.session import open_cloud
from hover_async.errors import (
    AwsError,
    CredentialsError,
    EndpointUnreachable,
    OutcomeUnknown,
    Rejected,
)
from hover_async.local import LocalAws
from hover_async.ports import Cloud, Repeatable
from hover_async.values import Architecture, FunctionName, Version

pytestmark = pytest.mark.anyio

WHOSE = """<GetCallerIdentityResponse><GetCallerIdentityResult>
<Arn>arn:aws:iam::424242424242:user/dev</Arn><Account>424242424242</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
REFUSED = "<ErrorResponse><Error><Code>{}</Code><Message>No.</Message></Error></ErrorResponse>"


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that knows no AWS: nothing in the environment, empty files, no metadata."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def configure(path: Path, profile: str, **values: str) -> None:
    config = configparser.ConfigParser()
    config[f"profile {profile}"] = values
    with path.open("w") as file:
        config.write(file)


@asynccontextmanager
async def opened(
    endpoint_url: str | None = None, *, profile: str | None = None, region: str = "eu-central-1"
) -> AsyncIterator[Cloud]:
    async with open_cloud(
        region=region,
        profile=profile,
        endpoint_url=endpoint_url,
        bucket="b",
        repository="shop",
        architecture=Architecture.X86_64,
        tags={},
        max_connections=4,
    ) as cloud:
        yield cloud


async def refusal(**options: Any) -> AwsError:
    """The error that opening ends with."""
    with pytest.raises(AwsError) as caught:
        async with opened(**options):
            pytest.fail("it opened")
    return caught.value


class Aws:
    """A server that says who you are, and does with other requests what a test wants."""

    def __init__(self, identity: str = WHOSE, status: int = 200) -> None:
        self.identity = identity
        self.status = status
        self.requests: list[web.Request] = []
        self.kept_alive: list[int] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if b"GetCallerIdentity" in await request.read():
            return web.Response(text=self.identity, status=self.status, content_type="text/xml")
        self.requests.append(request)
        assert request.transport is not None
        request.transport.close()  # the answer is lost
        return web.Response()


@asynccontextmanager
async def serving(aws: Aws) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", aws.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()


async def test_it_opens(ministack: LocalAws) -> None:
    """At a local endpoint no credentials are needed, and closing leaves nothing open."""
    async with opened(ministack.endpoint_url) as cloud:
        assert await cloud.stacks.describe("none") is None


async def test_no_credentials() -> None:
    """Without any credentials the error says where they may be set."""
    error = await refusal()
    assert isinstance(error, CredentialsError)
    assert "aws-profile" in str(error.hint)


async def test_an_unknown_profile() -> None:
    """A profile that is not configured is named."""
    error = await refusal(profile="nobody")
    assert isinstance(error, CredentialsError)
    assert "nobody" in str(error)
    assert "list-profiles" in str(error.hint)


async def test_half_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key id without its secret is told as that."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    error = await refusal()
    assert isinstance(error, CredentialsError)
    assert "both halves" in str(error.hint)


async def test_a_profile_that_must_log_in(no_credentials: Path) -> None:
    """A profile whose single sign-on has not been done says to do it."""
    configure(
        no_credentials / "config",
        "sso",
        sso_start_url="https://example.invalid/start",
        sso_region="eu-central-1",
        sso_account_id="424242424242",
        sso_role_name="dev",
    )
    error = await refusal(profile="sso")
    assert isinstance(error, CredentialsError)
    assert "sso login" in str(error.hint)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
async def test_credentials_that_aws_refuses(code: str) -> None:
    """Credentials that are expired or unknown are refused on opening, once."""
    async with serving(Aws(REFUSED.format(code), status=403)) as url:
        error = await refusal(endpoint_url=url)
    assert isinstance(error, CredentialsError)
    assert error.aws_code == code
    assert error.hint


async def test_nobody_answers() -> None:
    """An endpoint where nobody listens is named, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with anyio.fail_after(5):
        error = await refusal(endpoint_url=url)
    assert isinstance(error, EndpointUnreachable)
    assert url in str(error)
    assert "is it running" in str(error.hint)


async def test_something_else_answers() -> None:
    """An endpoint that is no AWS ends as an error of ours."""
    async with serving(Aws("<html>hello</html>", status=404)) as url:
        error = await refusal(endpoint_url=url)
    assert "GetCallerIdentity" in str(error)


@pytest.mark.parametrize("url", ["localhost:4566", "not a url", "http://"])
async def test_no_endpoint(url: str) -> None:
    """What is no URL is refused with an example of one."""
    error = await refusal(endpoint_url=url)
    assert isinstance(error, Rejected)
    assert "http://localhost" in str(error.hint)


async def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a region is refused."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    error = await refusal(region="not a region")
    assert "not a region" in str(error)


async def test_a_command_is_sent_once() -> None:
    """When the connection breaks under a command, it was sent once, and no answer is an unknown."""
    aws = Aws()
    async with serving(aws) as url, opened(url) as cloud:
        with pytest.raises(OutcomeUnknown):
            await cloud.functions.invoke(
                FunctionName("f"),
                Version("1"),
                b'{"command": "migrate --force"}',
                timeout_s=30,
                repeatable=Repeatable.NEVER,
            )
    assert len(aws.requests) == 1


async def test_a_ping_is_sent_twice() -> None:
    """When the connection breaks under what may be repeated, it is sent once more."""
    aws = Aws()
    async with serving(aws) as url, opened(url) as cloud:
        with pytest.raises(OutcomeUnknown):
            await cloud.functions.invoke(
                FunctionName("f"),
                Version("1"),
                b"{}",
                timeout_s=30,
                repeatable=Repeatable.ONCE,
            )
    assert len(aws.requests) == 2


async def test_local_urls(ministack: LocalAws) -> None:
    """At a local endpoint, templates and images are addressed at the endpoint itself."""
    async with opened(ministack.endpoint_url) as cloud:
        assert cloud.assets.url("t.json") == f"{ministack.endpoint_url}/b/t.json"
        repository = await cloud.registry.ensure_repository()
        assert repository == f"localhost:{ministack.port}/shop"


def test_sockets_are_kept_alive() -> None:
    """A connection that is silent for minutes is kept open by the system."""
    from hover_async.aws.sdk import _open_socket

    with _open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not opened.getblocking()
