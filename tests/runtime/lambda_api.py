"""Lambda's runtime API, in a thread.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

A container that is given its address takes events from it, and answers them, as it would in AWS.
"""

import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """What the container said to one event."""

    kind: str
    """`response` or `error`."""
    payload: bytes
    seconds: float
    """From the moment the container took the event."""

    @property
    def json(self) -> Any:
        return json.loads(self.payload)

    def answer(self) -> Any:
        assert self.kind == "response", self.payload
        return self.json

    def error(self) -> str:
        assert self.kind == "error", self.payload
        return str(self.json["errorMessage"])


@dataclass
class Call:
    request_id: str
    payload: bytes
    timeout_s: float
    taken_at: float
    reply: "queue.Queue[Reply]"


class RuntimeApi:
    """One function's runtime API on loopback."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Call] = queue.Queue()
        self._running: dict[str, Call] = {}
        self.start_failures: queue.Queue[dict[str, Any]] = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                api._next(self)

            def do_POST(self) -> None:
                api._post(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A container that is stopped hangs up in the middle of a request."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def send(self, event: object, *, timeout_s: float = 20) -> Call:
        """Hands an event to the container without waiting for the reply."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        call = Call(str(uuid.uuid4()), payload, timeout_s, 0.0, queue.Queue())
        self._waiting.put(call)
        return call

    def invoke(self, event: object, *, timeout_s: float = 20) -> Reply:
        """Hands an event to the container and waits for what it says."""
        return self.send(event, timeout_s=timeout_s).reply.get(timeout=timeout_s + 10)

    def start_failure(self) -> dict[str, Any]:
        """What the container said instead of starting."""
        return self.start_failures.get(timeout=20)

    def _next(self, handler: BaseHTTPRequestHandler) -> None:
        call = self._waiting.get()
        call.taken_at = time.perf_counter()
        self._running[call.request_id] = call
        deadline_ms = int((time.time() + call.timeout_s) * 1000)
        handler.send_response_only(200)
        handler.send_header("Lambda-Runtime-Aws-Request-Id", call.request_id)
        handler.send_header("Lambda-Runtime-Deadline-Ms", str(deadline_ms))
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(call.payload)))
        handler.end_headers()
        handler.wfile.write(call.payload)
        handler.wfile.flush()

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        now = time.perf_counter()
        *_, where, what = handler.path.split("/")
        if where == "init":
            self.start_failures.put(json.loads(body))
        else:
            call = self._running.pop(where)
            call.reply.put(Reply(what, body, now - call.taken_at))
        handler.send_response_only(202)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        handler.wfile.flush()
