"""How a running local AWS is found again, and nothing else is taken for it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hover_async.errors import LocalError, UsageError
from hover_async.local import endpoint
from hover_async.local.places import Instance, cache, instances
from hover_async.local.processes import command_line
from hover_async.local.record import Record, edition, healthy


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HOVER_LOCAL_INSTANCE", raising=False)


class Health(BaseHTTPRequestHandler):
    """A server that says it is the MiniStack with the mark `right`."""

    def do_GET(self) -> None:
        body = json.dumps({"edition": edition("right")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: the test asks, and sees the answer."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def record(port: int, *, mark: str = "right", pid: int | None = None) -> Record:
    return Record(pid=pid or os.getpid(), port=port, mark=mark, started_at=1.0)


def test_health_is_the_answer_of_the_very_one_that_was_started(port: int) -> None:
    """Another MiniStack that has the port now is not ours."""
    assert healthy(record(port))
    assert not healthy(record(port, mark="left"))


def test_a_port_that_nobody_answers_on_is_not_healthy() -> None:
    """A connection refused is an answer."""
    assert not healthy(record(1))


def test_a_record_of_a_process_that_is_gone_gives_no_endpoint(port: int) -> None:
    """Its process id may have been given to another program since."""
    which = Instance.named(None)
    which.directory.mkdir(parents=True)
    record(port, mark="right").write(which.record)
    assert "right" not in command_line(os.getpid())
    assert endpoint() is None


def test_without_a_record_there_is_no_endpoint() -> None:
    """A machine that never ran one is no error."""
    assert endpoint() is None
    assert instances() == []


@pytest.mark.parametrize("kept", ["", "{", "[]", "null", "{}", '{"pid": "x"}', "\x00", '"text"'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, kept: str) -> None:
    """A file cut short by a crash does not stop anybody."""
    path = tmp_path / "running.json"
    path.write_text(kept)
    assert Record.read(path) is None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Port, process, mark and start survive."""
    path = tmp_path / "running.json"
    record(4566).write(path)
    assert Record.read(path) == record(4566)


def test_the_addresses_of_a_local_aws_are_below_localhost() -> None:
    """The endpoint, a distribution's website and an API, each at the one port."""
    aws = record(4566).local_aws(Instance("default"))
    assert aws.endpoint_url == "http://localhost:4566"
    assert aws.edge_url.format(label="d1") == "http://d1.cloudfront.localhost:4566"
    assert aws.api_url.format(api="a1") == "http://a1.execute-api.localhost:4566"


@pytest.mark.parametrize("name", ["..", "a/b", "A", "-a", "a" * 33, "a b", "ä"])
def test_an_instance_that_would_leave_its_directory_is_a_usage_error(name: str) -> None:
    """A name is a directory's and a label's part."""
    with pytest.raises(UsageError):
        Instance(name)


def test_the_instance_is_the_named_one_else_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A test suite sets the variable once, and every part of the program means the same one."""
    assert Instance.named(None).name == "default"
    monkeypatch.setenv("HOVER_LOCAL_INSTANCE", "test")
    assert Instance.named(None).name == "test"
    assert Instance.named("mine").name == "mine"


def test_a_cache_directory_that_docker_cannot_mount_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A colon ends a path in Docker's notation of a mount."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/a:b")
    with pytest.raises(LocalError, match="colon"):
        cache()


def test_a_relative_cache_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification wants it."""
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache() == Path("/home/someone/.cache/hover-async")
