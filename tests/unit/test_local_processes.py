"""Programs that outlive the one that started them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hover_async.local.processes import Daemon, command_line, run_logged, start_detached, tail

pytestmark = pytest.mark.anyio

IGNORES_TERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"
SLEEPS = "import time; print('up'); time.sleep(60)"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def started() -> Iterator[list[Daemon]]:
    """Whatever a test starts, ended by its own id."""
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        if daemon.alive():
            os.kill(daemon.pid, signal.SIGKILL)


def start(program: str, log: Path, started: list[Daemon]) -> Daemon:
    mark = secrets.token_hex(8)
    env = {"PATH": os.environ["PATH"]}
    argv = [sys.executable, "-u", "-c", program, mark]
    daemon = start_detached(argv, log=log, env=env, mark=mark)
    started.append(daemon)
    return daemon


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def test_a_daemon_is_alive_from_the_moment_it_is_started(
    tmp_path: Path, started: list[Daemon]
) -> None:
    """Its command line is readable when `start_detached` returns, so nobody takes it for dead."""
    for _ in range(20):
        assert start(SLEEPS, tmp_path / "log", started).alive()


def test_a_daemon_has_a_session_of_its_own_and_reads_nothing(
    tmp_path: Path, started: list[Daemon]
) -> None:
    """A terminal's Ctrl-C does not reach it, and both its outputs go to the log."""
    program = (
        "import os, signal, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()),"
        " signal.getsignal(2) is signal.default_int_handler); print('oops', file=sys.stderr)"
    )
    start(program, tmp_path / "log", started)
    wait_for("oops", tmp_path / "log")
    assert (tmp_path / "log").read_text() == "True '' True\noops\n"


async def test_a_daemon_that_heeds_sigterm_is_not_killed(
    tmp_path: Path, started: list[Daemon]
) -> None:
    """`stop` asks first, and says that asking was enough."""
    daemon = start(SLEEPS, tmp_path / "log", started)
    assert await daemon.stop(grace_s=10) is False
    assert not daemon.alive()


async def test_a_daemon_that_ignores_sigterm_is_killed_when_its_grace_is_over(
    tmp_path: Path, started: list[Daemon]
) -> None:
    """`stop` never waits for ever."""
    daemon = start(IGNORES_TERM, tmp_path / "log", started)
    wait_for("up", tmp_path / "log")
    assert await daemon.stop(grace_s=0.3) is True
    assert not daemon.alive()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A program of somebody else."""
    with subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


async def test_a_process_id_that_another_program_has_now_is_left_alone(
    stranger: subprocess.Popen[bytes],
) -> None:
    """A stale record never gets a stranger stopped."""
    stale = Daemon(stranger.pid, "mark-of-a-daemon-long-gone")
    assert not stale.alive()
    assert await stale.stop(grace_s=0.1) is False
    assert stranger.poll() is None


def test_the_remains_of_a_process_are_not_alive() -> None:
    """A zombie, whose parent has not asked for its status yet, does not count as running."""
    mark = secrets.token_hex(8)
    with subprocess.Popen([sys.executable, "-c", "pass", mark]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not Daemon(child.pid, mark).alive()


def test_no_process_has_no_command_line() -> None:
    """An id that nobody has is an answer, not an error."""
    assert command_line(2**22 + 1) == ""


async def test_a_program_that_is_run_leaves_all_it_says_in_the_log(tmp_path: Path) -> None:
    """`run_logged` appends both outputs and gives the exit status."""
    shell = shutil.which("sh")
    assert shell
    log = tmp_path / "log"
    log.write_text("before\n")
    assert await run_logged([shell, "-c", "echo out; echo err >&2; exit 3"], log=log) == 3
    assert log.read_text() == "before\nout\nerr\n"


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    """A log that is long, empty or missing still gives something to show."""
    log = tmp_path / "log"
    assert tail(log) == "(No such file or directory)"
    log.touch()
    assert tail(log) == "(it printed nothing)"
    log.write_text("\n".join(str(number) for number in range(100)))
    assert tail(log, 2) == "98\n99"
