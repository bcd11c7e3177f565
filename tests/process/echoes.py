"""Servers on loopback that refuse every request and quote it: an AWS, a proxy and a Docker Engine.

The SDK's own clients sign with credentials that are canaries. Every call of the retry contract's
table reaches the server once for each of `WAYS`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from botocore import xform_name

from hover_async.aws.object_access import open_objects
from hover_async.aws.redaction import quieten_the_sdk, redact_answers
from hover_async.aws.retry import NEVER, Policy
from hover_async.aws.service import Answer, Service
from tests.process.canary_search import Secret
from tests.unit.aws_calls import CALLS, SERVICES, Aws, Call

REGION = "us-east-1"
QUERY_AND_XML = frozenset({"cloudformation", "iam", "s3", "sts"})
GIVES_A_SECRET = ("GetAuthorizationToken", "GenerateDataKey", "Decrypt")
ORDER = ("kms", *(name for name in SERVICES if name != "kms"))
"""KMS's CreateAlias is the one that is called, not Lambda's."""


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    line: str
    headers: list[tuple[str, str]]
    body: str

    def as_sent(self) -> str:
        return "\n".join([self.line, *(f"{name}: {value}" for name, value in self.headers)])

    def as_pairs(self) -> str:
        return json.dumps({"headers": self.headers, "body": self.body})

    def as_object(self) -> str:
        return json.dumps({name.lower(): [value] for name, value in self.headers})

    def as_elements(self) -> str:
        return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self.headers)

    def as_query(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.headers)

    def nameless(self) -> str:
        return ", ".join(value for _, value in self.headers)

    def with_what_it_asked_for(self) -> str:
        """The login or the data key, if that was asked for, in an answer that is cut."""
        if not dict(self.headers).get("X-Amz-Target", "").endswith(GIVES_A_SECRET):
            return self.as_sent()
        login = base64.b64encode(f"AWS:{Secret.REGISTRY_PASSWORD}".encode()).decode()
        key = base64.b64encode(Secret.DATA_KEY.encode()).decode()
        given = {"authorizationData": [{"authorizationToken": login}], "Plaintext": key}
        return json.dumps({**given, "x": self.line})[:-2]


Quoted = Callable[[Request], str]
Way = Callable[[Request, bool], tuple[int, str, str]]
"""The status, the media type and the body that answer a request to a service of XML or JSON."""


def told(code: str, quoted: Quoted, request: Request, is_xml: bool) -> tuple[int, str, str]:  # noqa: FBT001
    """AWS's refusal in the service's own protocol, with the request in its message."""
    message = f"Quoted: {quoted(request)}"
    if is_xml:
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return 403, "text/xml", f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
    return 403, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})


def said(status: int, kind: str, quoted: Quoted, request: Request, _: bool) -> tuple[int, str, str]:  # noqa: FBT001
    """What somebody else than AWS says: the request and nothing else."""
    return status, kind, quoted(request)


WAYS: Mapping[str, Way] = {
    "denied, as it was sent": partial(told, "AccessDeniedException", Request.as_sent),
    "expired, in pairs of JSON": partial(told, "ExpiredTokenException", Request.as_pairs),
    "signature refused, as an object": partial(told, "SignatureDoesNotMatch", Request.as_object),
    "invalid, as a query": partial(told, "InvalidRequest", Request.as_query),
    "a page, as it was sent": partial(said, 400, "text/html", Request.as_sent),
    "a page, in elements": partial(said, 403, "text/html", Request.as_elements),
    "XML of nobody": partial(said, 400, "text/xml", Request.as_elements),
    "a gateway's text": partial(said, 502, "text/plain", Request.as_pairs),
    "success that is none": partial(said, 200, "text/plain", Request.as_sent),
    "its answer, cut": partial(said, 200, "application/json", Request.with_what_it_asked_for),
    "its answer, of a gateway": partial(said, 502, "text/plain", Request.with_what_it_asked_for),
    "its answer, as a refusal": partial(said, 400, "text/html", Request.with_what_it_asked_for),
    "denied, without names": partial(told, "AccessDeniedException", Request.nameless),
    "a page, without names": partial(said, 400, "text/html", Request.nameless),
}
ASKED_FOR_LONG = {
    ("a gateway's text", "UpdateFunctionCode"),
    ("its answer, of a gateway", "UpdateFunctionCode"),
}
"""Looked up and sent again for a minute, on a clock that does not jump."""


class Echo:
    """The server: answers as `way` says, and keeps what it was sent."""

    def __init__(self) -> None:
        self.way = next(iter(WAYS))
        self.is_xml = True
        self.requests: list[Request] = []
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=2**24)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        line, *rest = head.strip().split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (one.partition(":") for one in rest)]
        named = {name.lower(): value for name, value in headers}
        if "expect" in named:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(named.get("content-length", 0)))
        self.requests.append(Request(line, headers, body.decode("latin-1")))
        status, kind, answer = WAYS[self.way](self.requests[-1], self.is_xml)
        encoded = answer.encode()
        writer.write(
            f"HTTP/1.1 {status} Echo\r\nContent-Type: {kind}\r\nConnection: close\r\n"
            f"Content-Length: {len(encoded)}\r\n\r\n".encode()
            + (b"" if line.startswith("HEAD ") else encoded)
        )
        await writer.drain()
        writer.close()


class Once(Service):
    """Whose calls are sent once, whatever becomes of them: retries show nothing new."""

    async def call(
        self, policy: Policy, operation: str, subject: str, /, **parameters: Any
    ) -> Answer:
        del policy
        return await super().call(NEVER, operation, subject, **parameters)


class OneOperation(Aws):
    """The call's other operations are answered as AWS does; its own goes to the server."""

    def __init__(self, call: Call, client: Any) -> None:
        super().__init__(call, [])
        self._client = client

    @property
    def meta(self) -> Any:
        return self._client.meta

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Mapping[str, Any]]]:
        if name == xform_name(self._call.operation):
            sent: Callable[..., Awaitable[Mapping[str, Any]]] = getattr(self._client, name)
            return sent
        return super().__getattr__(name)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """The process's variables with these, and as they were afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def every_call(
    echo: Echo, ways: Collection[str]
) -> AsyncIterator[tuple[str, str, Exception | None]]:
    """Each call in each way: its name, the way, and what was raised."""
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        s3={"addressing_style": "path"},
        proxies={},
    )
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(echo.open())
        session = aioboto3.Session(region_name=REGION)
        clients: dict[str, Any] = {
            name: await opened.enter_async_context(
                session.client(name, endpoint_url=echo.url, config=config)
            )
            for name in ORDER
        }
        quieten_the_sdk()
        for client in clients.values():
            redact_answers(client)
        objects = await opened.enter_async_context(
            open_objects(session, echo.url, "bucket", region=REGION, is_local=True)
        )
        assert objects is not None
        for echo.way in ways:
            for call in CALLS:
                if (echo.way, call.operation) in ASKED_FOR_LONG:
                    continue
                service = next(
                    name for name in ORDER if hasattr(clients[name], xform_name(call.operation))
                )
                echo.is_xml = service in QUERY_AND_XML
                client = OneOperation(call, clients[service])
                yield str(call), echo.way, await raised(call.make(Once(client)))
            echo.is_xml = True
            ours = objects.call(NEVER, "PutObject", "k", Body=b"x")
            yield "PutObject, by our own client", echo.way, await raised(ours)


async def raised(work: Awaitable[object]) -> Exception | None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whatever it is, a traceback would show it
        return error
    return None
