"""A stand-in for the AWS services that the runtime calls.

Keeps what it was sent, and answers as it is told.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CREDENTIALS = Credentials(
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/session+token=="
)


@dataclass(frozen=True)
class AwsCall:
    """A request that the runtime sent."""

    path: str
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def target(self) -> str:
        return self.headers.get("x-amz-target", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def is_signed(self, service: str, region: str) -> bool:
        """Whether botocore, given the same request and time, signs it alike."""
        signed = self.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        headers = {name: self.headers[name] for name in signed if name != "host"}
        request = AWSRequest("POST", self.url, headers=headers, data=self.body)
        request.context["timestamp"] = self.headers["x-amz-date"]
        signer = SigV4Auth(CREDENTIALS, service, region)
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        return self.headers["authorization"].endswith(f"Signature={signature}")


Answer = Callable[[AwsCall], tuple[int, Any]]


@dataclass
class AwsApi:
    """All services at one endpoint on loopback."""

    answer: Answer
    calls: list[AwsCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        aws = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = AwsCall(self.path, headers, body, aws.endpoint + self.path)
                aws.calls.append(call)
                status, answer = aws.answer(call)
                text = json.dumps(answer).encode()
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
