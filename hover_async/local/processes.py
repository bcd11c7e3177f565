"""Programs that outlive the one that started them: started detached, recognised, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import CancelScope, run_process, sleep

_RESET = [signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP]
_LOOK_EVERY_S = 0.1
_DIES_WITHIN_S = 5


@dataclass(frozen=True)
class Daemon:
    """A program of ours: its process, and the mark in its command line that tells it apart.

    Process ids are used again; the mark is random, so another program is never taken for it.
    """

    pid: int
    mark: str

    def alive(self) -> bool:
        """Whether it runs. A zombie, or another program with the same id, does not count."""
        return self.mark in command_line(self.pid)

    async def wait_until_gone(self, within_s: float) -> bool:
        for _ in range(round(within_s / _LOOK_EVERY_S)):
            if not self.alive():
                return True
            await sleep(_LOOK_EVERY_S)
        return not self.alive()

    async def stop(self, *, grace_s: float) -> bool:
        """Ask it to end, kill it after `grace_s`; whether it had to be killed."""
        killed = False
        with CancelScope(shield=True):
            if self._signal(signal.SIGTERM) and not await self.wait_until_gone(grace_s):
                killed = self._signal(signal.SIGKILL)
                await self.wait_until_gone(_DIES_WITHIN_S)
        _ended(self.pid)  # where it is a child of this very program, that also takes its remains
        return killed

    def _signal(self, number: signal.Signals) -> bool:
        if not self.alive():
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True


def command_line(pid: int) -> str:
    """What the process was started as; empty when there is none, or only its remains."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1")
        return ""
    listed = subprocess.run(  # noqa: S603 - its only argument is a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout


def start_detached(argv: list[str], *, log: Path, env: Mapping[str, str], mark: str) -> Daemon:
    """Start a program in a session of its own, that reads nothing and writes to `log`.

    `mark` must be among its arguments.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        argv[0],
        argv,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_RESET,
    )
    daemon = Daemon(pid, mark)
    _wait_until_named(daemon)
    return daemon


def _wait_until_named(daemon: Daemon) -> None:
    """Linux lets a parent go on a moment before the new program's command line can be read."""
    for _ in range(1000):
        if daemon.alive() or _ended(daemon.pid):
            return
        time.sleep(0.001)


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


async def run_logged(
    argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
) -> int:
    """Run a program to its end, its output appended to `log`; its exit status."""
    with log.open("ab") as output:
        done = await run_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env=env,
            start_new_session=True,
        )
    return done.returncode


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, or a word that says why there are none."""
    try:
        text = log.read_text(errors="replace")
    except OSError as failure:
        return f"({failure.strerror})"
    return "\n".join(text.splitlines()[-lines:]) or "(it printed nothing)"
