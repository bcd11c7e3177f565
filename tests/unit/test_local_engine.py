"""What a user is told who has no Docker Engine that can be used."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import create_task_group, fail_after, sleep

from hover_async.errors import DockerUnavailable, LocalError
from hover_async.local import dockerd, engine
from hover_async.local.lock import only_one
from hover_async.local.progress import telling

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


async def test_no_socket_is_no_engine(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    """And where the user names an engine by DOCKER_HOST, none is installed instead."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/docker.sock")
    with pytest.raises(DockerUnavailable, match="there is no Docker Engine") as failure:
        await dockerd.ensure(pytest.fail)
    assert "install Docker" in str(failure.value.hint)


async def test_a_socket_that_nobody_listens_on_is_an_engine_that_is_not_running(
    monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    """An engine that was stopped leaves its socket, and needs a start, not an installation."""
    path = short / "docker.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(DockerUnavailable, match="not running") as failure:
        await engine.find()
    assert "start" in str(failure.value.hint)


async def test_an_engine_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers could not reach the local AWS, nor mount anything from here."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(LocalError, match="not reached by a socket here") as failure:
        await engine.find()
    assert "DOCKER_HOST" in str(failure.value.hint)


def test_the_gateway_of_a_young_bridge_is_its_subnets_first_address() -> None:
    """An engine that has just been started names no gateway yet."""
    young = {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}}
    grown = {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}]}}
    assert engine._gateway(young) == "172.17.0.1"
    assert engine._gateway(grown) == "172.17.0.9"
    assert engine._gateway({"IPAM": {"Config": None}}) is None


def test_a_dockerd_of_an_earlier_boot_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A record whose process is gone, or is another program now, starts and stops nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert dockerd.started_by_us() is None
    (tmp_path / "hover-async").mkdir()
    kept = tmp_path / "hover-async" / "dockerd.json"
    for text in (f'{{"pid": {os.getpid()}, "mark": "hover-async=0123"}}', "{}", "no json"):
        kept.write_text(text)
        assert dockerd.started_by_us() is None


async def test_only_one_is_at_work_at_a_time(tmp_path: Path) -> None:
    """The second waits for the first, and says so once."""
    said: list[str] = []
    order: list[str] = []

    async def work(name: str) -> None:
        async with only_one(tmp_path / "new" / "lock", said.append):
            order.append(f"{name} in")
            await sleep(0.3)
            order.append(f"{name} out")

    with fail_after(10):
        async with create_task_group() as group:
            group.start_soon(work, "a")
            group.start_soon(work, "b")
    assert [step.split()[1] for step in order] == ["in", "out", "in", "out"]
    assert len(said) == 1


async def test_long_work_is_told_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is, a reminder now and then, and how long it took; a failure comes out unchanged."""
    monkeypatch.setattr("hover_async.local.progress._REMIND_EVERY_S", 0.05)
    said: list[str] = []
    async with telling(said.append, "making it", "made it"):
        await sleep(0.12)
    assert said[0] == "making it ..."
    assert said[1].startswith("making it ... (")
    assert said[-1].startswith("made it in 0.")
    with pytest.raises(LocalError, match="broke"):
        async with telling(said.append, "making it", "made it"):
            raise LocalError("broke")
    assert said[-1] == "making it ..."
