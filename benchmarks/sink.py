"""A bucket that takes everything at once and keeps nothing: what upload clients are measured on.

    with sink(latency_s=0.02, certificate=certificate) as bucket: ...

It speaks as much of S3 as uploading clients ask: PUT of objects and parts, multipart uploads, the
listing of an empty bucket. Every body is read to its end and counted; `latency_s` passes before
each answer. It runs in a process of its own, on one epoll loop without asyncio, so that the client
stays the limit; what it costs is told beside the client's own cost. Loopback only.
"""

from __future__ import annotations

import heapq
import json
import multiprocessing
import re
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs

READ_BYTES = 262_144
LONGEST_LEAD_S = 0.005
"""How far the reading may run ahead of a slow link."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
EXPECTS = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
COPIES = re.compile(rb"\r\nx-amz-copy-source:", re.IGNORECASE)
ASKS = b"GET /-/"
"""Of the sink itself: answered at once."""
XML = '<?xml version="1.0" encoding="UTF-8"?>'
EMPTY_LISTING = f"{XML}<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


@dataclass(frozen=True)
class Certificate:
    """Of `localhost`, and of the authority that vouches for it, which clients trust."""

    authority: Path
    chain: Path
    """Key and certificate in one file."""


@dataclass
class Counted:
    """What has arrived since the last reset. `connections` were accepted in that time."""

    objects: int = 0
    parts: int = 0
    body_bytes: int = 0
    connections: int = 0
    requests: int = 0
    cpu_s: float = 0.0
    refused: int = 0
    begun: int = 0
    ended: int = 0
    """Multipart uploads, completed or aborted."""


@dataclass(frozen=True)
class Sink:
    port: int
    is_tls: bool
    pid: int
    """Of its process, for those who want to see it die."""

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://localhost:{self.port}"

    def counted(self, *, reset: bool = False) -> Counted:
        """What has been counted so far; with `reset`, from zero again afterwards."""
        if self.is_tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            asked: HTTPConnection = HTTPSConnection("localhost", self.port, context=context)
        else:
            asked = HTTPConnection("localhost", self.port)
        try:
            asked.request("GET", "/-/reset" if reset else "/-/counted")
            return Counted(**json.loads(asked.getresponse().read()))
        finally:
            asked.close()


def make_certificate(directory: Path) -> Certificate:
    """A new authority and what it vouches for."""
    import trustme

    authority = trustme.CA()
    made = Certificate(directory / "authority.pem", directory / "localhost.pem")
    authority.cert_pem.write_to_path(str(made.authority))
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(made.chain))
    return made


@contextmanager
def sink(
    *,
    latency_s: float = 0.0,
    certificate: Certificate | None = None,
    refuse: int = 0,
    link_bytes_per_s: float = 0.0,
) -> Iterator[Sink]:
    """A running sink; `refuse` is the HTTP status that every PUT gets, if not 0.

    `link_bytes_per_s` is how fast it reads from all clients together, as over a link of that speed.
    """
    context = multiprocessing.get_context("spawn")
    told, telling = context.Pipe(duplex=False)
    process = context.Process(
        target=_serve, args=(telling, latency_s, certificate, refuse, link_bytes_per_s), daemon=True
    )
    process.start()
    telling.close()  # a child that dies then ends the waiting for its port
    try:
        yield Sink(told.recv(), certificate is not None, process.pid or 0)
    finally:
        process.terminate()
        process.join(5)


def _serve(
    telling: Connection,
    latency_s: float,
    certificate: Certificate | None,
    refuse: int,
    link_bytes_per_s: float,
) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listening.setblocking(False)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain)
    telling.send(listening.getsockname()[1])
    _Server(listening, context, latency_s, refuse, link_bytes_per_s).run()


@dataclass
class _Client:
    """A connection: what was read and not yet used, and how much of a body is still to come."""

    socket: socket.socket
    is_greeting: bool
    buffer: bytearray = field(default_factory=bytearray)
    left: int = 0
    is_chunked: bool = False
    answer: bytes = b""
    unsent: bytes = b""


class _Server:
    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext | None,
        latency_s: float,
        refuse: int,
        link_bytes_per_s: float,
    ) -> None:
        self._link_bytes_per_s = link_bytes_per_s
        self._free_at_s = 0.0
        self._listening = listening
        self._context = context
        self._latency_s = latency_s
        self._refuse = refuse
        self._poll = select.epoll()
        self._poll.register(listening.fileno(), select.EPOLLIN)
        self._clients: dict[int, _Client] = {}
        self._due: list[tuple[float, int, int, bytes]] = []
        self._order = 0
        self._counted = Counted()
        self._cpu_before_s = time.process_time()

    def run(self) -> None:
        while True:
            wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, event in self._poll.poll(wait_s):
                if number == self._listening.fileno():
                    self._accept()
                elif number in self._clients:
                    self._attend(number, self._clients[number], event)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, _, number, answer = heapq.heappop(self._due)
                if number in self._clients:
                    self._send(number, self._clients[number], answer)

    def _accept(self) -> None:
        for _ in range(256):
            try:
                accepted, _ = self._listening.accept()
            except BlockingIOError:
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                accepted = self._context.wrap_socket(
                    accepted, server_side=True, do_handshake_on_connect=False
                )
            self._counted.connections += 1
            self._clients[accepted.fileno()] = _Client(accepted, self._context is not None)
            self._poll.register(accepted.fileno(), select.EPOLLIN)

    def _attend(self, number: int, client: _Client, event: int) -> None:
        try:
            if client.is_greeting:
                client.socket.do_handshake()  # type: ignore[attr-defined]
                client.is_greeting = False
                self._poll.modify(number, select.EPOLLIN)
            if event & select.EPOLLOUT and client.unsent:
                self._send(number, client, b"")
            self._read(number, client)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except ssl.SSLWantWriteError:
            self._poll.modify(number, select.EPOLLIN | select.EPOLLOUT)
        except (OSError, ValueError):
            self._close(number, client)

    def _read(self, number: int, client: _Client) -> None:
        while True:
            data = client.socket.recv(READ_BYTES)
            if not data:
                self._close(number, client)
                return
            taken = min(client.left, len(data))
            client.left -= taken
            if taken and not client.left:
                self._answer(number, client.answer)
            if taken < len(data):
                client.buffer += memoryview(data)[taken:]
                if not client.is_chunked or self._end_of_chunks(number, client):
                    self._begin_requests(number, client)
            self._hold_back(len(data))

    def _hold_back(self, size: int) -> None:
        """Let pass the time that the link takes for so many bytes."""
        if self._link_bytes_per_s:
            now = time.monotonic()
            self._free_at_s = max(now, self._free_at_s) + size / self._link_bytes_per_s
            if self._free_at_s - now > LONGEST_LEAD_S:
                time.sleep(self._free_at_s - now)

    def _begin_requests(self, number: int, client: _Client) -> None:
        while not client.left:
            end = client.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(client.buffer[: end + 2])
            length = LENGTH.search(head)
            size = int(length[1]) if length else 0
            del client.buffer[: end + 4]
            if head.startswith(ASKS):
                self._send(number, client, self._tell(is_reset=head.startswith(ASKS + b"reset")))
                continue
            if EXPECTS.search(head) and not client.buffer:
                self._send(number, client, b"HTTP/1.1 100 Continue\r\n\r\n")
            client.answer = self._take(head, size)
            if CHUNKED.search(head):
                client.is_chunked = True
                if not self._end_of_chunks(number, client):
                    return
                continue
            taken = min(size, len(client.buffer))
            del client.buffer[:taken]
            client.left = size - taken
            if not client.left:
                self._answer(number, client.answer)

    def _end_of_chunks(self, number: int, client: _Client) -> bool:
        """Drop the chunks that are there; whether the last one was, and the request is answered."""
        while (end := client.buffer.find(b"\r\n")) >= 0:
            size = int(bytes(client.buffer[:end]).partition(b";")[0], 16)
            if len(client.buffer) < end + 2 + size + 2:
                return False
            del client.buffer[: end + 2 + size + 2]
            self._counted.body_bytes += size
            if size == 0:
                client.is_chunked = False
                self._answer(number, client.answer)
                return True
        return False

    def _take(self, head: bytes, size: int) -> bytes:
        """Count a request, and its answer."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        path, _, query = target.partition("?")
        self._counted.requests += 1
        asked = parse_qs(query, keep_blank_values=True)
        is_object = path.strip("/").count("/") > 0
        if method == "PUT" and is_object:
            return self._put(head, asked, size)
        if "uploads" in asked or "uploadId" in asked:
            return self._multipart(method, asked)
        if method == "HEAD" and is_object:
            return _http("404 Not Found")
        return _http("200 OK", EMPTY_LISTING if method == "GET" else "")

    def _multipart(self, method: str, asked: dict[str, list[str]]) -> bytes:
        """Begun, or ended by its id: aborted or completed."""
        if "uploads" in asked:
            self._counted.begun += 1
            return _http("200 OK", f"{XML}{_INITIATED}")
        self._counted.ended += 1
        if method == "DELETE":
            return _http("204 No Content")
        self._counted.objects += 1
        return _http("200 OK", f"{XML}{_COMPLETED}")

    def _put(self, head: bytes, asked: dict[str, list[str]], size: int) -> bytes:
        if self._refuse:
            self._counted.refused += 1
            body = f"{XML}<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
            return _http(f"{self._refuse} Refused", body)
        self._counted.body_bytes += size
        if "partNumber" in asked:
            self._counted.parts += 1
        else:
            self._counted.objects += 1
        return _http("200 OK", _COPIED if COPIES.search(head) else "", etag=True)

    def _tell(self, *, is_reset: bool) -> bytes:
        self._counted.cpu_s = time.process_time() - self._cpu_before_s
        body = json.dumps(vars(self._counted))
        if is_reset:
            self._counted = Counted()
            self._cpu_before_s = time.process_time()
        return _http("200 OK", body)

    def _answer(self, number: int, answer: bytes) -> None:
        if self._latency_s:
            self._order += 1
            due_s = time.monotonic() + self._latency_s
            heapq.heappush(self._due, (due_s, self._order, number, answer))
        else:
            self._send(number, self._clients[number], answer)

    def _send(self, number: int, client: _Client, answer: bytes) -> None:
        client.unsent += answer
        try:
            sent = client.socket.send(client.unsent)
            client.unsent = client.unsent[sent:]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self._close(number, client)
            return
        wanted = select.EPOLLIN | (select.EPOLLOUT if client.unsent else 0)
        if client.unsent:
            self._poll.modify(number, wanted)

    def _close(self, number: int, client: _Client) -> None:
        self._clients.pop(number, None)
        self._poll.unregister(number)
        client.socket.close()


_INITIATED = (
    "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>one</UploadId>"
    "</InitiateMultipartUploadResult>"
)
_COMPLETED = (
    "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>"
    '<ETag>"d41d8cd98f00b204e9800998ecf8427e-2"</ETag></CompleteMultipartUploadResult>'
)


_COPIED = (
    f'{XML}<CopyObjectResult><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></CopyObjectResult>'
)


def _http(status: str, body: str = "", *, etag: bool = False) -> bytes:
    tag = 'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\n' if etag else ""
    return (
        f"HTTP/1.1 {status}\r\nx-amz-request-id: 1\r\n{tag}Content-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
