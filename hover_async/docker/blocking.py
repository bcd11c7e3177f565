"""A stream of the event loop, read by code that blocks: tarfile, on its worker thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from anyio import from_thread, to_thread

T = TypeVar("T")


class BlockingReader:
    """What tarfile's stream mode needs of a file, fed by the event loop piece by piece."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._pending = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer only at the end of the stream."""
        while len(self._pending) < size and not self._ended:
            piece = from_thread.run(self._next)
            self._ended = not piece
            self._pending += piece
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    async def _next(self) -> bytes:
        return await anext(self._pieces, b"")


async def consume(pieces: AsyncIterator[bytes], work: Callable[[BlockingReader], T]) -> T:
    """`work` on a worker thread, reading `pieces`; cancelled with its caller at the next read."""
    return await to_thread.run_sync(work, BlockingReader(pieces))
