"""BuildKit's progress messages and what becomes of them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.docker.lines import Lines
from hover_async.docker.progress import TAIL_LINES, BuildProgress
from hover_async.docker.trace import Log, Trace, Vertex, decode
from hover_async.errors import DockerError


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_decode_reads_vertexes_and_logs_and_skips_the_rest() -> None:
    """Known fields are read wherever they stand; unknown ones of every wire type are skipped."""
    unknown = varint(99 << 3) + varint(2**60) + varint(98 << 3 | 1) + bytes(8)
    unknown += varint(97 << 3 | 5) + bytes(4) + message(96, b"new")
    vertex = message(1, b"digest") + unknown + message(3, "RUN é".encode()) + varint(4 << 3) + b"\1"
    vertex += message(5, b"") + message(7, b"exit code: 3")
    log = message(1, b"digest") + varint(3 << 3) + b"\2" + message(4, b"out\n")
    found = decode(message(1, vertex) + message(2, b"a status") + unknown + message(3, log))
    assert found.vertexes == [
        Vertex("digest", "RUN é", cached=True, started=True, completed=False, error="exit code: 3")
    ]
    assert found.logs == [Log("digest", b"out\n")]


@given(st.binary(max_size=200))
def test_decode_never_fails_otherwise_than_typed(content: bytes) -> None:
    """Any bytes at all are a trace or a `DockerError`: no traceback, no endless loop."""
    with suppress(DockerError):
        assert isinstance(decode(content), Trace)


@pytest.mark.parametrize("content", [b"\x80", b"\x0a\x05abc", b"\x0b", b"\x0d\x00"])
def test_decode_refuses_what_is_cut_short(content: bytes) -> None:
    """A number or a field that ends too early is an error, not half a message."""
    with pytest.raises(DockerError, match="cannot be read"):
        decode(content)


def vertex(
    digest: str,
    name: str,
    *,
    cached: bool = False,
    started: bool = True,
    completed: bool = False,
    error: str = "",
) -> Vertex:
    return Vertex(digest, name, cached, started, completed, error)


def test_progress_reads_like_docker_build() -> None:
    """Steps are numbered and named once, their output follows, the end is said; own steps hide.

    What only fills the log does too: empty lines, and a cached step's second line.
    """
    lines: list[str] = []
    progress = BuildProgress(lines.append)
    progress(Trace([vertex("i", "[internal] load build context")], []))
    progress(Trace([vertex("a", "[1/2] RUN a", started=False), vertex("b", "[2/2] RUN  \t b")], []))
    progress(Trace([], [Log("b", b"half"), Log("b", b" line\n\n \nnext"), Log("none", b"x\n")]))
    progress(Trace([vertex("a", "[1/2] RUN a", completed=True, cached=True)], []))
    progress(Trace([vertex("b", "[2/2] RUN b", completed=True)], []))
    progress(Trace([vertex("b", "[2/2] RUN b", completed=True)], []))
    assert lines == [
        "#3 [2/2] RUN b",
        "#3 half line",
        "#2 CACHED [1/2] RUN a",
        "#3 next",
        "#3 DONE",
    ]


def test_a_failure_names_the_step_that_failed_and_not_one_that_was_stopped() -> None:
    """Of a failed step and one that was cancelled for it, the failed one and its tail are told."""
    progress = BuildProgress(lambda _line: None)
    output = b"".join(b"line %d\n" % number for number in range(TAIL_LINES + 5))
    progress(Trace([vertex("a", "RUN a"), vertex("b", "RUN b")], [Log("a", output)]))
    stopped = vertex("b", "RUN b", completed=True, error="context canceled")
    progress(Trace([vertex("a", "RUN a", completed=True, error="exit code: 2"), stopped], []))
    failure = progress.failure("failed to solve: exit code: 2")
    assert failure.message == "step 'RUN a' failed: exit code: 2"
    assert failure.output.splitlines()[0] == "line 5"
    assert len(failure.output.splitlines()) == TAIL_LINES


@given(st.lists(st.text("ab\né", max_size=5)), st.data())
def test_lines_do_not_depend_on_the_pieces(texts: list[str], data: st.DataObject) -> None:
    """However the bytes are cut, even inside a character, the same lines come out."""
    whole = "".join(texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    found: list[str] = []
    lines = Lines(found.append)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        lines.feed(whole[start:end])
    lines.end()
    expected = whole.decode().split("\n")
    assert found == (expected if expected[-1] else expected[:-1])


def test_a_progress_bar_is_its_last_state() -> None:
    """A line rewritten with carriage returns is handed over once, as it ended."""
    found: list[str] = []
    Lines(found.append).feed(b"10 %\r50 %\rdone\r\nplain\r\n")
    assert found == ["done", "plain"]
