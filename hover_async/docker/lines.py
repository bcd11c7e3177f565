"""Lines of text from bytes that arrive in any pieces."""

from __future__ import annotations

from collections.abc import Callable


class Lines:
    """Hands each whole line to `on_line`; `end` hands over a last one without its newline.

    A line that was rewritten in place (a progress bar) counts as its last state.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._unfinished = b""

    def feed(self, piece: bytes) -> None:
        *whole, self._unfinished = (self._unfinished + piece).split(b"\n")
        for line in whole:
            self._hand_over(line)

    def end(self) -> None:
        if self._unfinished:
            self._hand_over(self._unfinished)
        self._unfinished = b""

    def _hand_over(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2])
