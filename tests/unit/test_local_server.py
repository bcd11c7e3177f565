"""Where MiniStack listens and what it is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hover_async.errors import LocalError, UsageError
from hover_async.local import server
from hover_async.local.engine import Engine
from hover_async.local.places import Instance
from hover_async.values import Architecture

LOOPBACK = "127.0.0.1"
ENGINE = Engine("unix:///run/docker.sock", "27", Architecture.X86_64, None)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """The next free one is used, and nobody has to know."""
    monkeypatch.delenv(server.PORT_VARIABLE, raising=False)
    monkeypatch.setitem(server._FIRST_PORTS, "default", taken)
    assert taken < server.choose_port(Instance("default"), [LOOPBACK]) < taken + 100


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """Another one would be a surprise: which port, why, and what to do."""
    monkeypatch.setenv(server.PORT_VARIABLE, str(taken))
    with pytest.raises(LocalError, match=f"port {taken}.*is taken") as failure:
        server.choose_port(Instance("default"), [LOOPBACK])
    assert failure.value.hint


def test_the_port_asked_for_is_the_default_instances_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two instances cannot have one port."""
    monkeypatch.setenv(server.PORT_VARIABLE, "4999")
    assert server.asked_port(Instance("default")) == 4999
    assert server.asked_port(Instance("test")) is None


@pytest.mark.parametrize("asked", ["0", "-1", "65536", "http", "45.66", "٤٥٦٦٧٨", "4566 "])
def test_what_is_no_port_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """The value is shown as it was given, with what it may be."""
    monkeypatch.setenv(server.PORT_VARIABLE, asked)
    with pytest.raises(UsageError, match="which is no port"):
        server.asked_port(Instance("default"))


def test_ministack_gets_none_of_the_users_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AWS_ENDPOINT_URL, keys or its own switches in the environment change nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY", "AUTH", "PERSIST_STATE", "USE_SSL"):
        monkeypatch.setenv(name, "the user's")
    told = server._environment(
        Instance("default"), ENGINE, emulator=tmp_path / "r i e", port=1, mark="t"
    )
    assert "the user's" not in told.values()
    assert told["LAMBDA_STRICT"] == "1"
    assert told["LAMBDA_DOCKER_FLAGS"] == f"-v '{tmp_path}/r i e:/usr/local/bin/aws-lambda-rie:ro'"


def test_only_an_address_of_this_machine_is_listened_on() -> None:
    """The bridge of Docker Desktop is inside its own machine; loopback suffices there."""
    assert server._bindable("127.0.0.2") == ["127.0.0.2"]
    assert server._bindable("192.0.2.77") == []
    assert server._bindable(None) == []
