"""Answers of HTTP as they should be, and as whoever stands on the way may send them."""

from __future__ import annotations

from itertools import chain, repeat

import anyio
import pytest

from hover_async.aws.answers import LARGEST_ANSWER_BYTES, Receive, read_answer

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 1000


def sent(*pieces: bytes) -> Receive:
    """These, then the end of the stream."""
    left = chain(pieces, repeat(b""))

    async def receive() -> bytes:
        return next(left)

    return receive


@pytest.mark.parametrize(
    ("told", "status", "body", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", 200, b"", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n<Error>", 403, b"<Error>", False),
        (b"HTTP/1.1 403 No\r\n\r\n<Error>", 403, b"<Error>", False),
        (CHUNKED + b"2\r\nab\r\n0A ; x=y\r\n0123456789\r\n0\r\n\r\n", 503, b"ab0123456789", True),
        (CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: HTTP/1.1\r\nX: \r\n\r\n", 503, b"a", True),
    ],
)
async def test_where_an_answer_ends(
    told: bytes, status: int, body: bytes, *, is_kept: bool
) -> None:
    """It ends where its own words say so, else with the stream, however it is cut into pieces."""
    for size in (1, 7, len(told)):
        pieces = [told[at : at + size] for at in range(0, len(told), size)]
        answer, may_follow = await read_answer(sent(*pieces))
        assert (answer.status, answer.body, may_follow) == (status, body, is_kept)


@pytest.mark.parametrize(
    "told",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", CHUNKED + b"0\r\n\r\n"],
    ids=["counted", "chunked"],
)
async def test_more_than_an_answer(told: bytes) -> None:
    """No other answer may follow one that has bytes behind it."""
    _, may_follow = await read_answer(sent(told + b"HTTP/1.1 200 OK\r\n\r\n"))
    assert not may_follow


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"x" * PIECE),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * (PIECE // 25)),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * (PIECE // 6)),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x" * PIECE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * PIECE),
        (CHUNKED, b"0" * PIECE),
        (CHUNKED + b"1;", b"x" * PIECE),
        (CHUNKED + b"ffffffff\r\n", b"x" * PIECE),
        (CHUNKED, b"1\r\nx\r\n" * (PIECE // 6)),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * (PIECE // 6)),
        (CHUNKED + b"0\r\nX: ", b"x" * PIECE),
    ],
    ids=[
        "no head",
        "announcements",
        "headers",
        "until the end",
        "count",
        "chunk size",
        "extension",
        "chunk",
        "chunks",
        "trailers",
        "trailer",
    ],
)
async def test_an_answer_without_end(begin: bytes, again: bytes) -> None:
    """Whatever of it does not end is given up at a size that memory has for all of them."""
    received = 0

    async def receive() -> bytes:
        nonlocal received
        piece = again if received else begin or again
        received += len(piece)
        return piece

    with pytest.raises(ValueError, match="the answer"):
        await read_answer(receive)
    assert received <= LARGEST_ANSWER_BYTES + PIECE


@pytest.mark.parametrize(
    "told",
    [
        b"CANARY/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 CANARY\r\n\r\n",
        b"HTTP/1.1 2CANARY\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: CANARY\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: CANARY\r\n\r\n",
        CHUNKED + b"CANARY\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nCANARY\r\n0\r\n\r\n",
    ],
)
async def test_nothing_is_quoted(told: bytes) -> None:
    """What is no answer is told in words of ours alone: it may quote a token."""
    with pytest.raises(ValueError, match=r"^(the answer|a chunk of the answer)") as caught:
        await read_answer(sent(told))
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "CANARY" not in str(error)
    assert not any(char.isdigit() for char in str(error).replace("HTTP/1.1", ""))


async def test_a_deadline_ends_a_peer_that_never_pauses() -> None:
    """Bytes that are always there already do not keep a deadline from being met."""
    received = 0
    with anyio.CancelScope() as deadline:

        async def receive() -> bytes:
            nonlocal received
            received += 1
            if received == 3:
                deadline.cancel()
            return b"x"

        await read_answer(receive)
    assert deadline.cancelled_caught
    assert received == 3
