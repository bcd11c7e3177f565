"""`hover-async local` against the real Docker Engine and the real MiniStack."""

from __future__ import annotations

import io
import json
import os
import secrets
import signal
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import anyio
import pytest

from hover_async import local
from hover_async.local.engine import find
from hover_async.local.places import Instance
from hover_async.local.processes import command_line
from hover_async.local.record import Record
from tests.e2e.conftest import HoverAsync, fetch

PROBE = "hover-test-local-aws"


@pytest.fixture
def own() -> Iterator[str]:
    """The name of an instance of this test alone, gone afterwards."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    anyio.run(_down, name)


async def _down(name: str) -> None:
    await local.down(print, instance=name)


async def _up(name: str) -> local.LocalAws:
    return await local.up(print, instance=name)


async def _status(name: str) -> local.LocalStatus:
    return await local.status(name)


@pytest.fixture(scope="module")
def probe(local_aws: local.LocalAws, busybox: Path) -> Iterator[str]:
    """An image of one busybox, for containers that ask and wait."""
    del local_aws  # it has seen to it that an engine runs
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
    subprocess.run(
        ["docker", "import", "-", PROBE],
        input=packed.getvalue(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    yield PROBE
    subprocess.run(["docker", "rmi", PROBE], stdout=subprocess.DEVNULL, check=True)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_up_status_and_down_tell_what_is(hover_async: HoverAsync, own: str) -> None:
    """The endpoint is data on stdout; what is being done, and how long it took, is on stderr."""
    up = hover_async.run("local", "up", "--instance", own)
    assert up.returncode == 0, up.stderr
    assert "the local AWS is ready in" in up.stderr
    url = up.stdout.strip()
    assert fetch(f"{url}/_ministack/health").status == 200
    status = json.loads(hover_async.ok("local", "status", "--instance", own, "--json"))
    assert status["aws"]["endpoint_url"] == url
    assert status["problem"] is None
    assert "in memory" in hover_async.ok("local", "status", "--instance", own)
    down = hover_async.run("local", "down", "--instance", own)
    assert (down.returncode, down.stdout) == (0, "")
    after = hover_async.run("local", "status", "--instance", own)
    assert (after.returncode, "not running" in after.stdout) == (1, True)
    assert not Instance(own).directory.exists()


def test_it_is_reached_from_this_machine_and_its_containers_alone(
    local_aws: local.LocalAws, probe: str
) -> None:
    """It listens on loopback and on Docker's bridge, on no address that a network leads to."""
    host = "host.docker.internal"
    asked = [
        "/bin/busybox",
        "wget",
        "-q",
        "-O",
        "-",
        f"http://{host}:{local_aws.port}/_ministack/health",
    ]
    answer = json.loads(docker("run", "--rm", "--add-host", f"{host}:host-gateway", probe, *asked))
    assert answer["edition"].startswith("hover-async ")
    found = anyio.run(find)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.connect(("192.0.2.1", 9))  # sends nothing: it only picks this machine's address
        address = outside.getsockname()[0]
    assert address not in {"127.0.0.1", found.gateway}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, local_aws.port), timeout=5)


def test_a_second_up_finds_the_first(local_aws: local.LocalAws) -> None:
    """Running already is fine, and it is the same one."""
    assert anyio.run(_up, local_aws.instance) == local_aws
    assert local.endpoint(local_aws.instance) == local_aws


def test_two_ups_at_once_start_one(hover_async: HoverAsync, own: str) -> None:
    """The second waits, and gets what the first has started."""
    both = [hover_async.start("local", "up", "--instance", own) for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert ended[0][0] == ended[1][0]
    assert sum("starting MiniStack" in stderr for _, stderr in ended) == 1


def test_two_instances_have_their_own_ports_and_state(local_aws: local.LocalAws, own: str) -> None:
    """What is in the one is not in the other, and stopping the one leaves the other."""
    other = anyio.run(_up, own)
    assert other.port != local_aws.port
    assert fetch(f"{other.endpoint_url}/only-here", method="PUT").status == 200
    assert fetch(f"{other.endpoint_url}/only-here").status == 200
    assert fetch(f"{local_aws.endpoint_url}/only-here").status == 404
    anyio.run(_down, own)
    assert local.endpoint(local_aws.instance) == local_aws


def test_one_that_was_killed_is_told_and_replaced(own: str) -> None:
    """Its record is stale: `status` says so, `up` starts a new one."""
    first = anyio.run(_up, own)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert local.endpoint(own) is None
    status = anyio.run(_status, own)
    assert status.aws is None
    assert "ended without" in str(status.problem)
    second = anyio.run(_up, own)
    assert second.pid != first.pid
    assert local.endpoint(own) == second


def test_another_program_with_the_process_id_of_a_stale_record_is_left_alone(own: str) -> None:
    """Neither `up` nor `down` signals a process that is not MiniStack."""
    which = Instance(own)
    which.directory.mkdir(parents=True)
    Record(pid=os.getpid(), port=9, mark="f" * 16, started_at=0.0).write(which.record)
    anyio.run(_down, own)
    assert not which.record.exists()


def test_down_removes_its_own_function_containers_and_no_other(own: str, probe: str) -> None:
    """Containers are told apart by the instance in their label."""
    anyio.run(_up, own)
    label = Instance(own).label
    sleep = ["/bin/busybox", "sleep", "300"]
    ours = docker("run", "-d", "--label", f"ministack.instance={label}:4700", probe, *sleep)
    others = docker("run", "-d", "--label", f"ministack.instance={label}x:4700", probe, *sleep)
    try:
        assert anyio.run(_status, own).functions == 1
        anyio.run(_down, own)
        left = docker("ps", "--all", "--quiet", "--no-trunc")
        assert ours not in left
        assert others in left
    finally:
        docker("rm", "--force", others)


def test_ctrl_c_during_up_leaves_nothing_running(hover_async: HoverAsync, own: str) -> None:
    """Exit 130, and no MiniStack that nobody knows of."""
    with hover_async.start("local", "up", "--instance", own) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "starting MiniStack" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    running = [command_line(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")]
    ours = [line for line in running if str(Instance(own).directory) in line]
    assert bool(ours) == (process.returncode == 0)


@pytest.mark.parametrize(
    ("variables", "arguments", "code", "expected"),
    [
        ({"HOVER_LOCAL_PORT": "http"}, ["up", "--instance", "default"], 2, "which is no port"),
        ({}, ["up", "--instance", "No/Name"], 2, "is no name for a local AWS"),
        ({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, ["up"], 1, "there is no Docker Engine"),
        ({"DOCKER_HOST": "tcp://192.0.2.1:2375"}, ["up"], 1, "not reached by a socket here"),
    ],
)
def test_what_cannot_be_done_is_told_with_a_hint_and_no_traceback(
    hover_async: HoverAsync,
    own: str,
    variables: dict[str, str],
    arguments: list[str],
    code: int,
    expected: str,
) -> None:
    """What was found, and what to do next."""
    environment = {**hover_async.environment, "HOVER_LOCAL_INSTANCE": own, **variables}
    done = HoverAsync(hover_async.directory, environment).run("local", *arguments)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_many_requests_at_once_are_answered(local_aws: local.LocalAws) -> None:
    """More connections than a process may open by default at once do not stop it."""
    statuses: list[int] = []

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", local_aws.port, timeout=60)
        connection.request("GET", "/_ministack/health")
        statuses.append(connection.getresponse().status)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 100
