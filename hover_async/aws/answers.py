"""An answer of HTTP/1.1, read from whoever is at the other end of a socket.

That may be a gateway, a captive portal, or nothing that speaks HTTP. So all that is held of an
answer is bounded, and no error quotes a byte of it: a header of ours may be in there.

Source: RFC 9112, sections 4 to 7.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from anyio.lowlevel import checkpoint

LARGEST_ANSWER_BYTES = 1024 * 1024
"""Of one answer in all, with the announcements before it and what frames its body."""
LONGEST_HEAD_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 4 * 1024
"""A chunk's size and its extensions, or one trailer."""
FIRST_LINE = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?")
COUNT = re.compile(r"[0-9]{1,12}")
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
FIRST_OF_ANSWERS = 200
"""Statuses below are mere announcements."""
WITHOUT_BODY = frozenset({204, 304})

Receive = Callable[[], Awaitable[bytes]]
"""Some more bytes; none at the end of the stream."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


async def read_answer(receive: Receive) -> tuple[Answer, bool]:
    """The next answer, and whether another may follow it on the same connection.

    None may after more bytes than the answer has: whose they are nobody can tell. Raises
    `ConnectionError` when the stream ends too early, and `ValueError` for what is no answer.
    """
    stream = _Stream(receive)
    is_kept, status, headers = await _head(stream)
    while status < FIRST_OF_ANSWERS:
        is_kept, status, headers = await _head(stream)
    if status in WITHOUT_BODY:
        body = b""
    elif "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise ValueError("the answer is encoded as nobody asked for")
        body = await _chunks(stream)
    elif "content-length" in headers:
        if not COUNT.fullmatch(headers["content-length"]):
            raise ValueError("the answer's content-length is no number")
        size = int(headers["content-length"])
        body = await stream.take(size) if size else b""
    else:
        body, is_kept = await stream.rest(), False
    return Answer(status, headers, body), is_kept and not stream.has_more


async def _head(stream: _Stream) -> tuple[bool, int, Mapping[str, str]]:
    """Whether the connection is kept, the status, and the headers."""
    head = await stream.until(b"\r\n\r\n", LONGEST_HEAD_BYTES)
    first, *lines = head.decode("latin-1").split("\r\n")
    found = FIRST_LINE.fullmatch(first)
    if not found:
        raise ValueError("the answer is not HTTP/1.1")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    is_kept = found[1] == "1" and "close" not in headers.get("connection", "").lower()
    return is_kept, int(found[2]), headers


async def _chunks(stream: _Stream) -> bytes:
    """A chunked body, and what trails it; S3 sends its errors so."""
    body = bytearray()
    while True:
        found = CHUNK_SIZE.fullmatch(await stream.until(b"\r\n", LONGEST_LINE_BYTES))
        if not found:
            raise ValueError("a chunk of the answer has no size")
        size = int(found[1], 16)
        if not size:
            break
        body += await stream.take(size)
        if await stream.take(2) != b"\r\n":
            raise ValueError("a chunk of the answer is not as long as it says")
    while await stream.until(b"\r\n", LONGEST_LINE_BYTES):
        pass  # a trailer
    return bytes(body)


class _Stream:
    """The bytes of one answer, as they come in."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._held = bytearray()
        self._received_bytes = 0

    @property
    def has_more(self) -> bool:
        return bool(self._held)

    async def until(self, end: bytes, most_bytes: int) -> bytes:
        """What is before the next `end`, which is skipped."""
        searched = 0
        while (found := self._held.find(end, searched)) < 0:
            searched = max(0, len(self._held) - len(end) + 1)
            if searched > most_bytes:
                break
            await self._more()
        if found < 0 or found > most_bytes:
            raise ValueError("a line or the head of the answer does not end")
        taken = bytes(self._held[:found])
        del self._held[: found + len(end)]
        return taken

    async def take(self, size: int) -> bytes:
        """The next bytes, as many as asked."""
        if size > LARGEST_ANSWER_BYTES:
            raise ValueError("the answer is longer than any of S3's")
        while len(self._held) < size:
            await self._more()
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    async def rest(self) -> bytes:
        """All up to the end of the stream."""
        while await self._more(may_end=True):
            pass
        taken = bytes(self._held)
        self._held.clear()
        return taken

    async def _more(self, *, may_end: bool = False) -> bool:
        if self._received_bytes:  # who sends without a pause must not hold up the others
            await checkpoint()
        data = await self._receive()
        self._received_bytes += len(data)
        if self._received_bytes > LARGEST_ANSWER_BYTES:
            raise ValueError("the answer does not end")
        if not data and not may_end:
            raise ConnectionError("the connection was closed before the answer")
        self._held += data
        return bool(data)
