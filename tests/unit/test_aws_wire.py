"""The wire against servers that answer, close, refuse, dawdle and talk nonsense."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
import trustme
from anyio.abc import ByteStream, Listener, SocketAttribute
from anyio.streams.tls import TLSListener

from hover_async.aws import wire as wire_module
from hover_async.aws.wire import BrokenOff, NoConnection, Place, Wire, open_wire

pytestmark = pytest.mark.anyio

HEAD = b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\n"
OK = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
CHUNKED = (
    b"HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\n<Err\r\n3;x=y\r\nor>\r\n0\r\n\r\n"
)
Behaviour = Callable[[int, ByteStream], Awaitable[None]]
"""What a server does with the connection of that number, from 0."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def served(behaviour: Behaviour, *, is_tls: bool = False) -> AsyncIterator[Wire]:
    """A wire to a server on this machine."""
    numbers = iter(range(1000))

    async def attend(stream: ByteStream) -> None:
        async with stream:
            await behaviour(next(numbers), stream)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as plain:
        port = plain.extra(SocketAttribute.local_port)  # noqa: S610 - no query of Django
        listener: Listener[ByteStream] = plain
        tls = None
        if is_tls:
            tls, ours = certified()
            listener = TLSListener(plain, ours, standard_compatible=False)
        async with anyio.create_task_group() as server:
            server.start_soon(listener.serve, attend)
            async with open_wire(Place("127.0.0.1", port, tls)) as wire:
                yield wire
            server.cancel_scope.cancel()


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a client, and for the server that it trusts."""
    authority = trustme.CA()
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return client, server


async def taken(stream: ByteStream, size: int = len(HEAD) + 3) -> None:
    """Read a whole request."""
    while size > 0:
        size -= len(await stream.receive())


def answers(*each: bytes) -> Behaviour:
    """These bytes to each request in turn, then the end of the connection."""

    async def behave(number: int, stream: ByteStream) -> None:
        del number
        for answer in each:
            await taken(stream)
            step = max(7, len(answer) // 100)
            for byte in range(0, len(answer), step):
                await stream.send(answer[byte : byte + step])

    return behave


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_is_used_again(*, is_tls: bool) -> None:
    """Requests that follow one another share a connection."""
    connections = []

    async def behave(number: int, stream: ByteStream) -> None:
        connections.append(number)
        await answers(OK, OK, OK)(number, stream)

    async with served(behave, is_tls=is_tls) as wire:
        for _ in range(3):
            answer = await wire.send(HEAD, b"abc")
            assert (answer.status, answer.headers["etag"]) == (200, '"e"')
    assert connections == [0]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["at once", "later"])
async def test_what_nobody_asked_for(pause_s: float, *, is_tls: bool) -> None:
    """Bytes on a connection without a request are the answer to none: the next takes another."""
    stray = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    said = anyio.Event()
    on_the_first = []

    async def behave(number: int, stream: ByteStream) -> None:
        await taken(stream)
        if number:
            await stream.send(OK)
            return
        if pause_s:
            await stream.send(OK)
            await anyio.sleep(pause_s)
            await stream.send(stray)
        else:
            await stream.send(OK + stray)
        said.set()
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            on_the_first.append(await stream.receive())

    async with served(behave, is_tls=is_tls) as wire:
        await wire.send(HEAD, b"abc")
        await said.wait()
        assert (await wire.send(HEAD, b"abc")).status == 200
    assert not on_the_first


async def test_a_connection_that_was_closed_meanwhile() -> None:
    """A request on a kept connection that the server has closed goes out again on a new one."""
    async with served(answers(OK)) as wire:
        for _ in range(5):
            assert (await wire.send(HEAD, b"abc")).status == 200


async def test_the_server_says_that_it_will_close() -> None:
    """`Connection: close` is believed: the next request opens another."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    connections = []

    async def behave(number: int, stream: ByteStream) -> None:
        connections.append(number)
        await answers(closing)(number, stream)

    async with served(behave) as wire:
        await wire.send(HEAD, b"abc")
        await wire.send(HEAD, b"abc")
    assert connections == [0, 1]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b""),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\n<no/>", 403, b"<no/>"),
        (
            CHUNKED,
            503,
            b"<Error>",
        ),
    ],
)
async def test_answers_of_every_shape(answer: bytes, status: int, body: bytes) -> None:
    """Announcements are skipped; bodies come whole, counted or in chunks, in any pieces."""
    async with served(answers(answer, OK)) as wire:
        first = await wire.send(HEAD, b"abc")
        assert (first.status, first.body) == (status, body)
        assert (await wire.send(HEAD, b"abc")).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 1_100_000,
    ],
    ids=["nothing", "half a head", "half a body", "no chunk", "not HTTP", "no status", "endless"],
)
async def test_what_is_no_answer(answer: bytes) -> None:
    """An answer that breaks off or is none is `BrokenOff`, also on a connection that was kept."""
    async with served(answers(answer)) as wire:
        with pytest.raises(BrokenOff):
            await wire.send(HEAD, b"abc")
    async with served(answers(OK, answer)) as wire:
        await wire.send(HEAD, b"abc")
        if answer.startswith((b"SSH", b"HTTP/1.1 two")):
            with pytest.raises(BrokenOff):
                await wire.send(HEAD, b"abc")


async def test_an_answer_that_ends_with_its_connection() -> None:
    """What neither counts its bytes nor sends them in chunks is read to the end."""

    async def behave(number: int, stream: ByteStream) -> None:
        del number
        await taken(stream)
        await stream.send(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Error>")
        await stream.send(b"</Error>")

    async with served(behave) as wire:
        for _ in range(2):
            answer = await wire.send(HEAD, b"abc")
            assert (answer.status, answer.body) == (403, b"<Error></Error>")


async def test_refused_in_the_middle_of_a_large_body() -> None:
    """An answer that comes before the body was taken is the answer."""
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def behave(number: int, stream: ByteStream) -> None:
        del number
        await stream.receive()
        await stream.send(refused)
        with anyio.move_on_after(1):  # else unread bytes make the kernel reset what was sent
            while True:
                await stream.receive()

    async with served(behave) as wire:
        assert (await wire.send(HEAD, bytes(30_000_000))).status == 403


async def test_nobody_listens() -> None:
    """No connection is no request."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no query of Django
    async with open_wire(Place("127.0.0.1", port, None)) as wire:
        with pytest.raises(NoConnection, match="refused"):
            await wire.send(HEAD, b"abc")


async def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence ends; the connection is not used again."""
    monkeypatch.setattr(wire_module, "ANSWER_TIMEOUT_S", 0.05)

    async def behave(number: int, stream: ByteStream) -> None:
        await taken(stream)
        if number == 0:
            await anyio.sleep(1)
        await stream.send(OK)

    async with served(behave) as wire:
        with pytest.raises(BrokenOff, match="no answer in time"):
            await wire.send(HEAD, b"abc")
        assert (await wire.send(HEAD, b"abc")).status == 200


async def test_a_cancelled_request_gives_its_connection_up() -> None:
    """The answer to a request that was cancelled is nobody else's."""
    gone = anyio.Event()

    async def behave(number: int, stream: ByteStream) -> None:
        await taken(stream)
        if number == 0:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            gone.set()
        else:
            await stream.send(OK)

    async with served(behave) as wire:
        with anyio.move_on_after(0.05):
            await wire.send(HEAD, b"abc")
        with anyio.fail_after(5):
            await gone.wait()
            assert (await wire.send(HEAD, b"abc")).status == 200


async def test_many_at_once_get_their_own_answers() -> None:
    """Each request gets the answer to it, however many are under way."""

    async def behave(number: int, stream: ByteStream) -> None:
        del number
        while True:
            try:
                request = await stream.receive()
            except anyio.EndOfStream:
                return
            name = request.split(b" ")[1]
            await anyio.sleep(len(name) / 1000)
            length = str(len(name)).encode()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" + name)

    async with served(behave) as wire:

        async def ask(number: int) -> None:
            path = "/" + "x" * number
            head = f"PUT {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n".encode()
            assert (await wire.send(head, b"")).body == path.encode()

        for _ in range(3):
            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(ask, number)
