"""The PHP runtime, side by side: its loop against nginx, and a boot with and without priming.

    python benchmarks/runtime.py [--quick] [--json FILE]

Requests: one container, one php-fpm, the same page; in turn through the runtime loop (from the
moment the event leaves Lambda's runtime API to the moment the whole answer is back there) and
through Debian's nginx (from the first byte of the request to the last of the answer, over a kept
connection). Either client is a blocking socket of this script; one request at a time, as in Lambda.

Boots: new containers of the example, of an image that was primed (what it would compile is compiled
when it is built) and of one that was not, in turn.

Needs Docker and Debian's packages; exits 1 when the loop costs more per request than the goal.
"""

from __future__ import annotations

import json
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.report import Goal, Report, Row, parser, tell  # noqa: E402
from tests.runtime.containers import MANIFEST, Function, docker, request, start  # noqa: E402
from tests.runtime.images import build, context  # noqa: E402
from tests.runtime.nginx import unpack  # noqa: E402

GOAL_MS = 0.5
REQUESTS_A_ROUND = 300
EXAMPLE = ROOT / "examples" / "laravel"
PAGES = {
    "a bare script": {"public/index.php": "<?php echo 'hello';"},
    "a page of Laravel": {},
}

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    fastcgi_temp_path {directory}/fastcgi;
    proxy_temp_path {directory}/proxy;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        root /var/task/public;
        location / {{
            include {fastcgi};
            fastcgi_param SCRIPT_FILENAME /var/task/public/index.php;
            fastcgi_pass unix:{socket};
        }}
    }}
}}
"""


class Connection:
    """A kept connection, read message by message."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._received = b""

    def write(self, message: bytes) -> None:
        self._socket.sendall(message)

    def read(self) -> bytes:
        """One HTTP message, its body by its length or in chunks."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, body = self._received.partition(b"\r\n\r\n")
        lowered = head.lower()
        if b"transfer-encoding: chunked" in lowered:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._receive()
            size = len(body)
        else:
            size = 0
            if b"content-length:" in lowered:
                size = int(lowered.partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(body) < size:
                body += self._receive()
        self._received = body[size:]
        return head + b"\r\n\r\n" + body[:size]

    def _receive(self) -> bytes:
        came = self._socket.recv(65536)
        if not came:
            raise ConnectionError("hung up")
        self._received += came
        return came


class RuntimeApi:
    """Lambda's runtime API for one container, which keeps one connection to it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connection: Connection | None = None
        self._served = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def invoke(self, event: object) -> tuple[float, Any]:
        """Seconds between the event and the whole answer, and the answer."""
        if self._connection is None:
            self._listening.settimeout(30)
            self._connection = Connection(self._listening.accept()[0])
        asked = self._connection.read()
        assert asked.startswith(b"GET "), asked
        self._served += 1
        payload = json.dumps(event).encode()
        deadline_ms = int((time.time() + 30) * 1000)
        message = (
            f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request-{self._served}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        ).encode() + payload
        began = time.perf_counter()
        self._connection.write(message)
        answered = self._connection.read()
        seconds = time.perf_counter() - began
        self._connection.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        assert answered.startswith(b"POST "), answered
        return seconds, json.loads(answered.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        self._listening.close()


@dataclass
class Lane:
    """One way to the page, and what it took, in milliseconds."""

    name: str
    visit: Callable[[], float]
    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def round(self) -> None:
        began = time.perf_counter()
        self.milliseconds += [self.visit() * 1000 for _ in range(REQUESTS_A_ROUND)]
        self.seconds += time.perf_counter() - began

    @property
    def p50(self) -> float:
        return statistics.median(self.milliseconds)

    def row(self, page: str) -> Row:
        p99 = statistics.quantiles(self.milliseconds, n=100)[98]
        rate = len(self.milliseconds) / self.seconds
        return {
            "what": page,
            "how": self.name,
            "p50 ms": self.p50,
            "p99 ms": p99,
            "requests": len(self.milliseconds),
            "/s": round(rate),
        }


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, help="of 300 requests, and of new containers")
    given = options.parse_args()
    rounds = given.rounds or (3 if given.quick else 10)
    subprocess.run([EXAMPLE / "base-image"], check=True)
    primed = build(context(EXAMPLE, MANIFEST), "hover-bench-primed", base="hover-example-base")
    bare = context(EXAMPLE, MANIFEST)
    bare[".hover/out/application/hover_runtime/prime.php"] = b"<?php // compiles nothing ahead\n"
    unprimed = build(bare, "hover-bench-unprimed", base="hover-example-base")
    version = docker("run", "--rm", "--entrypoint", "php", primed, "-r", "echo PHP_VERSION;")
    rows: list[Row] = []
    worst_ms = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)
        nginx = unpack(directory)
        for page, files in PAGES.items():
            ours, theirs = requests(files, primed, nginx, directory, rounds)
            rows += [ours.row(page), theirs.row(page)]
            worst_ms = max(worst_ms, ours.p50 - theirs.p50)
        notes = boots({"primed": primed, "not primed": unprimed}, directory, rounds)
    notes = [f"PHP {version}, {platform.machine()}.", *notes]
    goal = Goal(
        "the loop at p50, beside nginx",
        f"<= {GOAL_MS} ms more",
        f"{worst_ms:+.2f} ms",
        worst_ms <= GOAL_MS,
    )
    title = "The PHP runtime: its loop beside nginx, over the same php-fpm"
    return tell(Report(title, rows, [goal], notes), given.json)


def requests(
    files: dict[str, str], image: str, nginx: Path, directory: Path, rounds: int
) -> list[Lane]:
    """What requests of a page took through the loop, and through nginx."""
    with ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tmp.chmod(0o1777)
        api = RuntimeApi()
        stack.callback(api.close)
        container(stack, image, api, directory, files=files, tmp=tmp)
        event = request("/up")
        api.invoke({"warmer_ping": True, "hold_ms": 0})
        port = stack.enter_context(serve(nginx, tmp / "hover" / "fpm.sock"))
        connection = Connection(socket.create_connection(("127.0.0.1", port)))
        asked = b"GET /up HTTP/1.1\r\nHost: api.example\r\nAccept: */*\r\n\r\n"

        def through_nginx() -> float:
            began = time.perf_counter()
            connection.write(asked)
            answer = connection.read()
            seconds = time.perf_counter() - began
            assert answer.startswith(b"HTTP/1.1 200"), answer
            return seconds

        def through_the_loop() -> float:
            seconds, answer = api.invoke(event)
            assert answer["statusCode"] == 200, answer
            return seconds

        lanes = [Lane("the runtime loop", through_the_loop), Lane("nginx", through_nginx)]
        for lane in lanes:
            lane.round()  # warms both; not counted
        lanes = [Lane(lane.name, lane.visit) for lane in lanes]
        for turn in range(rounds):
            for lane in lanes if turn % 2 else reversed(lanes):
                lane.round()
    return lanes


def boots(images: dict[str, str], directory: Path, rounds: int) -> list[str]:
    """How long new containers take: as they say, and by the processor time they used."""
    measured: dict[str, dict[str, list[float]]] = {name: {} for name in images}
    for _ in range(rounds):
        for name, image in images.items():
            for figure, value in boot(image, directory).items():
                measured[name].setdefault(figure, []).append(value)
    notes = [f"A new container of the example (medians of {rounds} each):"]
    for figure in next(iter(measured.values())):
        each = (
            f"{name} {statistics.median(figures[figure]):.1f}" for name, figures in measured.items()
        )
        notes.append(f"- {figure}: {', '.join(each)}")
    return notes


def boot(image: str, directory: Path) -> dict[str, float]:
    with ExitStack() as stack:
        api = RuntimeApi()
        stack.callback(api.close)
        function = container(stack, image, api, directory)
        _, warm = api.invoke({"warmer_ping": True, "hold_ms": 0})
        first, _ = api.invoke(request("/"))
        later = statistics.median(api.invoke(request("/"))[0] for _ in range(20))
        cold_api = RuntimeApi()
        stack.callback(cold_api.close)
        container(stack, image, cold_api, directory)
        cold, _ = cold_api.invoke(request("/"))
        return {
            "start of PHP to warm (boot_ms), ms": warm["boot_ms"],
            "of it the runtime's own start, ms": warm["start_ms"],
            "of it until php-fpm listens, ms": warm["fpm_ms"],
            "of it the dummy request, ms": warm["boot_ms"] - warm["start_ms"] - warm["fpm_ms"],
            "first visitor of a warm container, ms": first * 1000,
            "later visitors, ms": later * 1000,
            "first visitor of a cold container, ms": cold * 1000,
            "artisan in a container, CPU ms": artisan(function),
        }


def artisan(function: Function) -> float:
    """User and system time of `artisan list` as the runtime runs it."""
    script = (
        'for o in $(ls -d /tmp/hover/opcache 2>/dev/null); do set -- "$@" -d opcache.file_cache=$o '
        "-d opcache.enable_cli=1 -d opcache.file_cache_only=1; done; cd /var/task; "
        'php "$@" artisan list >/dev/null; times'
    )
    told = function.run("sh", "-c", script).split()[-2:]
    return sum(float(part.removesuffix("s").split("m")[1]) * 1000 for part in told)


def container(
    stack: ExitStack, image: str, api: RuntimeApi, directory: Path, **wishes: Any
) -> Function:
    function = start(image, api, directory, **wishes)
    stack.callback(docker, "rm", "--force", "--volumes", function.name)
    return function


@contextmanager
def serve(nginx: Path, fpm: Path) -> Iterator[int]:
    """nginx in front of the container's php-fpm; yields its port."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        configuration = directory / "nginx.conf"
        fastcgi = nginx / "etc/nginx/fastcgi.conf"
        configuration.write_text(
            NGINX.format(directory=directory, port=port, fastcgi=fastcgi, socket=fpm)
        )
        command = [nginx / "usr/sbin/nginx", "-c", configuration, "-e", directory / "error.log"]
        with subprocess.Popen(command) as process:
            try:
                for _ in range(100):
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                    time.sleep(0.05)
                yield port
            finally:
                process.terminate()


if __name__ == "__main__":
    sys.exit(main())
