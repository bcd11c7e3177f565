"""A visitor's request as the bytes on the wire, and the answer as what arrived."""

import http.client
import socket
import ssl
from dataclasses import dataclass

HOST = "api.example"
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request as a server reads it: header names as they came, the body without its chunks."""

    method: str
    target: str
    protocol: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The last value of a header, or nothing."""
        return {key.lower(): value for key, value in self.headers}.get(name, "")


@dataclass(frozen=True)
class Answer:
    """An answer: header names in lower case, in order, repeated ones repeated."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def visit(method: str, target: str, *headers: str, body: bytes | str = b"") -> bytes:
    """The bytes of a request, to `HOST` if no header names another.

    A body brings its length, unless it comes in chunks.
    """
    content = body.encode() if isinstance(body, str) else body
    names = {header.partition(":")[0].lower() for header in headers}
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if "host" not in names:
        lines.append(f"Host: {HOST}")
    if content and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def chunks(*parts: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def parse(raw: bytes) -> Request:
    """Reads what `visit` made."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, protocol = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    request = Request(method, target, protocol, headers, body)
    if request.header("transfer-encoding") != "chunked":
        return request
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return Request(method, target, protocol, headers, content)


def send(raw: bytes, port: int, tls: ssl.SSLContext) -> Answer:
    """Sends a request to loopback and reads the answer."""
    method = raw.partition(b" ")[0].decode()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        tls.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(raw)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        headers = [
            (name.lower(), value.encode("latin-1").decode(errors="surrogateescape"))
            for name, value in response.headers.items()
        ]
        return Answer(response.status, headers, response.read())
