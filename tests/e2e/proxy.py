"""A proxy on loopback between the program and the local AWS, which names, counts and spoils calls.

The program meets it as its endpoint (AWS_ENDPOINT_URL) and so does the Docker Engine as its
registry; nothing in the product knows of it. Bodies pass in pieces, none is held whole but forms.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from signal import Signals
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.e2e.calls import FORM, REGISTRY, Call, Request, read

PIECE_BYTES: Final = 64 * 1024
OF_ONE_HOP: Final = frozenset(
    {"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
HTML: Final = "<html><head><title>gateway</title></head><body>come back later</body></html>"
BETWEEN_SIGNALS_S: Final = 0.05
HANGS_S: Final = 75.0
"""Longer than the program waits for anything but a running function."""


class Spoil(StrEnum):
    """What is done to a call."""

    KILL_BEFORE = "kill before effect"
    KILL_AFTER = "kill after effect"
    KILL_ANSWERED = "kill after answer"
    THROTTLE = "throttled once"
    ERROR_BEFORE = "500 before effect"
    ERROR_AFTER = "500 after effect"
    CUT = "cut in the answer"
    HTML = "HTML with 502"
    PORTAL = "HTML with 200"
    HANG = "hangs"
    SIGNAL = "a signal"
    SIGNAL_HANG = "a signal, and no answer"


KILLS: Final = (Spoil.KILL_BEFORE, Spoil.KILL_AFTER, Spoil.KILL_ANSWERED)
FAULTS: Final = (
    Spoil.THROTTLE,
    Spoil.ERROR_BEFORE,
    Spoil.ERROR_AFTER,
    Spoil.CUT,
    Spoil.HTML,
    Spoil.PORTAL,
    Spoil.HANG,
)


@dataclass
class Fault:
    """What happens to the first call that `meets` says is the one.

    `send` gives the program a signal, `signals` are which: SIGKILL, where it is to be killed.
    """

    meets: Callable[[Call], bool]
    spoil: Spoil
    signals: Sequence[Signals] = (Signals.SIGKILL,)
    send: Callable[[Signals], None] = lambda _: None
    met: Call | None = None
    met_at: float = 0.0

    async def strike(self) -> None:
        for number, which in enumerate(self.signals):
            await asyncio.sleep(BETWEEN_SIGNALS_S if number else 0)
            self.send(which)


@dataclass
class Proxy:
    """`calls` are those since `begin`; `took_effect` those of them that AWS was given."""

    upstream: str
    session: aiohttp.ClientSession
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    took_effect: list[Call] = field(default_factory=list)
    _seen: Counter[Call] = field(default_factory=Counter)
    _fault: Fault | None = None
    _open: int = 0
    _silent: asyncio.Event = field(default_factory=asyncio.Event)
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def begin(self, fault: Fault | None = None) -> None:
        """Number the calls anew, and spoil one of them."""
        self.calls, self.took_effect, self._fault = [], [], fault
        self._seen.clear()
        if not self._open:
            self._silent.set()
        self._let_go = asyncio.Event()

    async def silence(self, within_s: float = 30) -> None:
        """Until nothing is under way: what a killed program had sent still takes effect."""
        self._let_go.set()
        async with asyncio.timeout(within_s):
            await self._silent.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self._open += 1
        self._silent.clear()
        try:
            return await self._handle(request)
        except (aiohttp.ClientError, ConnectionError):  # whoever asked is gone, in the middle
            return _abort(request)
        finally:
            self._open -= 1
            if not self._open:
                self._silent.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_form = request.content_type == FORM
        form = await request.read() if is_form else b""
        path, _, query = request.raw_path.partition("?")
        named = read(Request(request.method, path, query, request.headers, form.decode()))
        if _is_pull(named):  # the local AWS has its engine fetch an image: no call of the program's
            return await self._pass_on(request, form, None)
        call = self._number(named)
        fault = self._fault
        if fault is None or fault.met is not None or not fault.meets(call):
            return await self._pass_on(request, form, call)
        fault.met, fault.met_at = call, time.monotonic()
        return await self._spoil(request, form, call, fault)

    def _number(self, named: Call) -> Call:
        self._seen[named] += 1
        call = replace(named, number=len(self.calls) + 1, occurrence=self._seen[named])
        self.calls.append(call)
        return call

    async def _spoil(
        self, request: web.Request, form: bytes, call: Call, fault: Fault
    ) -> web.StreamResponse:
        spoil = fault.spoil
        if spoil in {Spoil.KILL_AFTER, Spoil.ERROR_AFTER}:
            await self._take_effect(request, form, call)
        if spoil in {Spoil.KILL_BEFORE, Spoil.KILL_AFTER, Spoil.SIGNAL, Spoil.SIGNAL_HANG}:
            await fault.strike()
        if spoil in {Spoil.KILL_ANSWERED, Spoil.SIGNAL}:
            answer = await self._pass_on(request, form, call)
            if spoil is Spoil.KILL_ANSWERED:
                await fault.strike()
            return answer
        if spoil is Spoil.CUT:
            return await self._cut(request, form, call)
        if spoil in {Spoil.HANG, Spoil.SIGNAL_HANG}:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._let_go.wait(), HANGS_S)
        if spoil in {Spoil.KILL_BEFORE, Spoil.KILL_AFTER, Spoil.HANG, Spoil.SIGNAL_HANG}:
            return _abort(request)
        await request.read()
        return answer_of(spoil, call)

    async def _take_effect(self, request: web.Request, form: bytes, call: Call) -> None:
        """Have AWS do it, and keep its answer to ourselves."""
        async with self._ask(request, form, call) as answer:
            await answer.read()

    async def _pass_on(
        self, request: web.Request, form: bytes, call: Call | None
    ) -> web.StreamResponse:
        async with self._ask(request, form, call) as answer:
            back = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            with suppress(ConnectionError):  # a program that was killed reads no more
                await back.prepare(request)
                async for piece in answer.content.iter_chunked(PIECE_BYTES):
                    await back.write(piece)
                await back.write_eof()
            return back

    async def _cut(self, request: web.Request, form: bytes, call: Call) -> web.StreamResponse:
        """Half of the answer, of its head where it has no body; then the end of the connection."""
        async with self._ask(request, form, call) as answer:
            body = await answer.read()
            head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
            for name, text in _kept(answer.headers).items():
                if name.lower() != "content-length":
                    head += f"{name}: {text}\r\n"
            whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            sent = len(whole) - len(body) // 2 if body else len(head) // 2
            assert request.transport
            request.transport.write(whole[:sent])
            await asyncio.sleep(0.05)
        return _abort(request)

    @asynccontextmanager
    async def _ask(
        self, request: web.Request, form: bytes, call: Call | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if call:
            self.took_effect.append(call)
        url = URL(self.upstream + request.raw_path, encoded=True)
        body = form or (
            request.content.iter_chunked(PIECE_BYTES) if request.can_read_body else None
        )
        async with self.session.request(
            request.method,
            url,
            headers=_kept(request.headers),
            data=body,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as answer:
            yield answer


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy of its own port to what answers at `upstream`."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        # by address: a resolver may know `localhost` as another one first
        between = Proxy(upstream.replace("//localhost", "//127.0.0.1"), session)
        application = web.Application(client_max_size=1024**2)
        application.router.add_route("*", "/{path:.*}", between.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            between.port = urlsplit(site.name).port or runner.addresses[0][1]
            yield between
        finally:
            between._let_go.set()
            await runner.cleanup()


def answer_of(spoil: Spoil, call: Call) -> web.Response:
    """The refusal in the words of the call's own service."""
    if spoil is Spoil.HTML:
        return web.Response(status=502, text=HTML, content_type="text/html")
    if spoil is Spoil.PORTAL:
        return web.Response(text=HTML, content_type="text/html")
    return _throttle(call) if spoil is Spoil.THROTTLE else _internal_error(call)


def _throttle(call: Call) -> web.Response:
    if call.service == "s3":
        return _xml(503, "<Error><Code>SlowDown</Code><Message>slower</Message></Error>")
    if call.service in {"cloudformation", "sts"}:
        return _xml(400, _query_error("Throttling"))
    if call.service == "lambda":
        said = {"Reason": "CallerRateLimitExceeded", "Type": "User", "message": "Rate exceeded"}
        return _json(429, said, {"x-amzn-ErrorType": "TooManyRequestsException"})
    if call.service == REGISTRY:
        return _json(429, {"errors": [{"code": "TOOMANYREQUESTS", "message": "slower"}]})
    code = "RequestThrottled" if call.service == "sqs" else "ThrottlingException"
    return _json(400, {"__type": code, "message": "Rate exceeded"})


def _internal_error(call: Call) -> web.Response:
    if call.service == "s3":
        return _xml(500, "<Error><Code>InternalError</Code><Message>we failed</Message></Error>")
    if call.service in {"cloudformation", "sts"}:
        return _xml(500, _query_error("InternalFailure"))
    if call.service == "lambda":
        return _json(500, {"message": "we failed"}, {"x-amzn-ErrorType": "ServiceException"})
    if call.service == REGISTRY:
        return _json(500, {"errors": [{"code": "UNKNOWN", "message": "we failed"}]})
    return _json(500, {"__type": "InternalFailure", "message": "we failed"})


def _query_error(code: str) -> str:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message>"
        "</Error></ErrorResponse>"
    )


def _xml(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="application/xml")


def _json(
    status: int, said: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> web.Response:
    kind = "application/x-amz-json-1.1"
    return web.Response(status=status, text=json.dumps(said), content_type=kind, headers=headers)


def _abort(request: web.Request) -> web.Response:
    """The connection ends without a further byte."""
    if request.transport:
        request.transport.abort()
    return web.Response()


def _is_pull(call: Call) -> bool:
    return call.service == REGISTRY and call.operation in {"GET", "HEAD"}


def _kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, text) for name, text in headers.items() if name.lower() not in OF_ONE_HOP
    )
