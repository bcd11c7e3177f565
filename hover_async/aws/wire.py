"""HTTP/1.1 for many small requests to one host: plain sockets, one request at a time on each.

A client for all of HTTP spends more on a small file than the file does (docs/uploads.md has the
figures). This one does what sending objects needs: connections that are kept and used again,
TLS by the socket itself, answers that are short (`answers.py` reads them). Everything else of AWS
goes through aioboto3.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from anyio import fail_after, getaddrinfo, wait_readable, wait_writable
from anyio.lowlevel import checkpoint

from hover_async.aws.answers import Answer, read_answer

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
SLOWEST_LINK_BYTES_PER_S = 16 * 1024
"""What is under way on all connections gets the time that such a link takes for it."""
UNACKNOWLEDGED_MS = 60_000
"""After so long without a sign of the other side the kernel gives a connection up."""
UNSENT_BYTES = 256 * 1024
"""Of what we hand to the kernel: what waits in there has neither progress nor an end."""
WRITE_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
TOGETHER_BYTES = 64 * 1024
"""Up to this, head and body are one write: one record of TLS, one packet train."""

Address = tuple[int, tuple[object, ...]]
"""A family and what `connect` takes."""


class NoConnection(Exception):
    """None came about: nothing was sent."""


class BrokenOff(Exception):
    """The request went out, and no whole answer came back."""


class Closed(BrokenOff):
    """The other side closed the connection, or reset it."""


@dataclass(frozen=True)
class Place:
    """Where requests go. `tls` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @property
    def header(self) -> str:
        usual = 443 if self.tls else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"


class Wire:
    """Connections to one place, opened as they are needed and kept until `close`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._idle: list[_Connection] = []
        self._under_way_bytes = 0
        self._addresses: list[Address] = []

    async def send(self, head: bytes, body: bytes) -> Answer:
        """The answer to a request that may safely be sent twice.

        A kept connection may have been closed by the other side at this very moment; then the
        request goes out again on a new one. Raises `NoConnection` or `BrokenOff`.
        """
        if kept := self._kept():
            with suppress(Closed):
                return await self._exchange(kept, head, body)
        return await self._exchange(await self._open(), head, body)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> _Connection | None:
        """The one last used that is fit for a request; those found unfit are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_silent():
                return connection
            connection.close()
        return None

    async def _exchange(self, connection: _Connection, head: bytes, body: bytes) -> Answer:
        is_kept = False
        self._under_way_bytes += len(body)
        try:
            with fail_after(ANSWER_TIMEOUT_S + self._under_way_bytes / SLOWEST_LINK_BYTES_PER_S):
                answer, is_kept = await connection.exchange(head, body)
        except TimeoutError as error:
            raise BrokenOff("no answer in time") from error
        except OSError as error:
            raise Closed(str(error) or type(error).__name__) from error
        except ValueError as error:
            raise BrokenOff(str(error)) from error
        finally:
            self._under_way_bytes -= len(body)
            if is_kept:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    async def _open(self) -> _Connection:
        failure: Exception
        try:
            with fail_after(CONNECT_TIMEOUT_S):
                for family, address in await self._turned_addresses():
                    try:
                        return await _open(self.place, family, address)
                    except OSError as error:  # certificates that do not verify included
                        failure = error
        except TimeoutError:
            failure = NoConnection(f"no connection within {CONNECT_TIMEOUT_S} s")
        except OSError as error:  # no such host
            failure = error
        self._addresses = []
        raise NoConnection(str(failure)) from failure

    async def _turned_addresses(self) -> Sequence[Address]:
        """The host's addresses, another one first each time, so that each gets its share."""
        if not self._addresses:
            found = await getaddrinfo(self.place.host, self.place.port, type=socket.SOCK_STREAM)
            self._addresses = [(family, address) for family, _, _, _, address in found]
        self._addresses.append(self._addresses.pop(0))
        return list(self._addresses)


@asynccontextmanager
async def open_wire(place: Place) -> AsyncIterator[Wire]:
    """A wire whose connections are closed at the end."""
    wire = Wire(place)
    try:
        yield wire
    finally:
        wire.close()


async def _open(place: Place, family: int, address: tuple[object, ...]) -> _Connection:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        for name, value in (
            ("TCP_NODELAY", 1),
            ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS),
            ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        ):
            if hasattr(socket, name):  # the last two are not everywhere
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        with suppress(BlockingIOError):
            opened.connect(address)
        await wait_writable(opened)
        _check_connected(opened)
        if place.tls is None:
            return _Connection(opened)
        secured = place.tls.wrap_socket(
            opened, server_hostname=place.host, do_handshake_on_connect=False
        )
        opened = secured
        connection = _Connection(secured)
        await connection.greet(secured)
    except BaseException:
        opened.close()
        raise
    return connection


def _check_connected(opened: socket.socket) -> None:
    if failed := opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(failed, os.strerror(failed))


class _Connection:
    """A socket that does not block, and one request on it at a time."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def close(self) -> None:
        self._socket.close()

    async def greet(self, secured: ssl.SSLSocket) -> None:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                await wait_readable(secured)
            except ssl.SSLWantWriteError:
                await wait_writable(secured)
            else:
                return

    def is_silent(self) -> bool:
        """False once the other side has closed the connection, or said what nobody asked for.

        Such bytes (a 408 for the idle, an answer sent twice) would be taken for the next answer.
        """
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    async def exchange(self, head: bytes, body: bytes) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again.

        Raises `OSError` or `ValueError` when it broke off or is not HTTP.
        """
        try:
            if len(body) <= TOGETHER_BYTES:
                await self._write(head + body)
            else:
                await self._write(head)
                await self._write(body)
        except OSError:  # refused in the middle of the body: the answer may be there already
            answer, _ = await read_answer(self._read)
            return answer, False
        return await read_answer(self._read)

    async def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left[:WRITE_BYTES]) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await wait_writable(self._socket)
            except ssl.SSLWantReadError:
                await wait_readable(self._socket)
            else:
                if left:  # a link that takes all at once must not hold up the others
                    await checkpoint()

    async def _read(self) -> bytes:
        """Some more bytes; none at the end of the stream."""
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                await wait_readable(self._socket)
            except ssl.SSLWantWriteError:
                await wait_writable(self._socket)
            else:
                return data
