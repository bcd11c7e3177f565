"""BuildKit's progress, decoded: the `moby.buildkit.trace` messages of the engine's answer.

Each is a protobuf message `moby.buildkit.v1.StatusResponse`. Only the wire format is decoded here,
and of it the handful of fields that a build's output is made of; every other field is skipped, so
that a newer engine's additions do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hover_async.errors import DockerError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CONTINUES = 0x80

# The numbers of the fields that are read, by message.
_STATUS_VERTEXES, _STATUS_LOGS = 1, 3
_VERTEX_DIGEST, _VERTEX_NAME, _VERTEX_CACHED = 1, 3, 4
_VERTEX_STARTED, _VERTEX_COMPLETED, _VERTEX_ERROR = 5, 6, 7
_LOG_VERTEX, _LOG_TEXT = 1, 4


@dataclass(frozen=True)
class Vertex:
    """A step of the build as it stands now; the same `digest` comes again as it goes on."""

    digest: str
    name: str
    cached: bool
    started: bool
    completed: bool
    error: str


@dataclass(frozen=True)
class Log:
    """What a step printed: any piece of it, not whole lines."""

    vertex: str
    text: bytes


@dataclass(frozen=True)
class Trace:
    vertexes: Sequence[Vertex]
    logs: Sequence[Log]


def decode(message: bytes) -> Trace:
    """The vertexes and logs of one StatusResponse. Raises `DockerError` when it is none."""
    vertexes: list[Vertex] = []
    logs: list[Log] = []
    for number, value in _fields(message):
        if number == _STATUS_VERTEXES and isinstance(value, bytes):
            vertexes.append(_vertex(value))
        elif number == _STATUS_LOGS and isinstance(value, bytes):
            logs.append(_log(value))
    return Trace(vertexes, logs)


def _vertex(message: bytes) -> Vertex:
    found = dict(_fields(message))
    return Vertex(
        digest=_text(found.get(_VERTEX_DIGEST)),
        name=_text(found.get(_VERTEX_NAME)),
        cached=bool(found.get(_VERTEX_CACHED)),
        started=_VERTEX_STARTED in found,
        completed=_VERTEX_COMPLETED in found,
        error=_text(found.get(_VERTEX_ERROR)),
    )


def _log(message: bytes) -> Log:
    found = dict(_fields(message))
    text = found.get(_LOG_TEXT, b"")
    return Log(vertex=_text(found.get(_LOG_VERTEX)), text=text if isinstance(text, bytes) else b"")


def _text(value: int | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field of a message: its number, and its value as an integer or as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in {_FIXED32, _FIXED64}:
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _malformed(f"wire type {kind}")
        if at + length > len(message):
            raise _malformed("a field longer than its message")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise _malformed("an unfinished number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & _CONTINUES:
            return value, at


def _malformed(found: str) -> DockerError:
    return DockerError(
        f"the engine's build progress cannot be read: {found}",
        hint="update hover-async; this Docker Engine speaks another protocol",
    )
