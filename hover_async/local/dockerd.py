"""A Docker Engine where none runs: as root on Debian or Ubuntu, installed and started by us."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from anyio import sleep

from hover_async.errors import DockerUnavailable, LocalError
from hover_async.local import engine
from hover_async.local.places import cache
from hover_async.local.processes import Daemon, command_line, run_logged, start_detached, tail
from hover_async.local.progress import Report, telling

_PACKAGES = ["docker.io", "iptables", "ca-certificates"]
_APT = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=300"]
_ANSWERS_WITHIN_S = 90
_LOOK_EVERY_S = 0.3
_ENDS_WITHIN_S = 30
_PID_FILE = Path("/var/run/docker.pid")


def _record() -> Path:
    return cache() / "dockerd.json"


def _log() -> Path:
    return cache() / "dockerd.log"


async def ensure(report: Report) -> engine.Engine:
    """The engine that runs, or one that is started now, and installed first where it is missing.

    Raises `DockerUnavailable` with what to do where that is not ours to do.
    """
    try:
        return await engine.find()
    except DockerUnavailable:
        if not _ours_to_start():
            raise
    if shutil.which("dockerd", path=_path()) is None:
        await _install(report)
    async with telling(report, "starting the Docker Engine", "the Docker Engine answers"):
        return await _start()


def started_by_us() -> Daemon | None:
    """The `dockerd` that an earlier `ensure` started, if that very one still runs."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_record().read_text())
        daemon = Daemon(int(kept["pid"]), str(kept["mark"]))
        return daemon if daemon.alive() else None
    return None


async def stop(daemon: Daemon) -> None:
    """Stop the engine that we started; its images and volumes stay on disk."""
    await daemon.stop(grace_s=_ENDS_WITHIN_S)
    _record().unlink(missing_ok=True)


def _ours_to_start() -> bool:
    return (
        sys.platform == "linux"
        and os.geteuid() == 0
        and not os.environ.get("DOCKER_HOST")
        and (
            shutil.which("dockerd", path=_path()) is not None or shutil.which("apt-get") is not None
        )
    )


def _path() -> str:
    """Where programs are: a login as root by `su` lacks the directories of dockerd and iptables."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PATH": _path(), "DEBIAN_FRONTEND": "noninteractive"}


async def _install(report: Report) -> None:
    log = cache() / "apt.log"
    what = "the Docker Engine (Debian's docker.io)"
    packages = [*_PACKAGES, *([] if _cgroups_mounted() else ["cgroupfs-mount"])]
    async with telling(report, f"installing {what}", f"installed {what}"):
        # An index that cannot be refreshed may still know the package: only the second counts.
        await run_logged([*_APT, "update"], log=log, env=_environment())
        command = [*_APT, "install", "--no-install-recommends", *packages]
        status = await run_logged(command, log=log, env=_environment())
    if status != 0 or shutil.which("dockerd", path=_path()) is None:
        raise DockerUnavailable(
            f"apt-get could not install {' '.join(packages)} (exit {status}):\n{tail(log)}",
            hint=f"install a Docker Engine yourself, then run it again; all of it is in {log}",
        )


def _cgroups_mounted() -> bool:
    mounts = Path("/proc/mounts").read_text().splitlines()
    return any(line.split()[2] in {"cgroup", "cgroup2"} for line in mounts)


async def _start() -> engine.Engine:
    if _under_systemd():
        await run_logged(["systemctl", "start", "docker"], log=_log(), env=_environment())
        return await _wait_until_it_answers(None)
    if not _cgroups_mounted() and (mount := shutil.which("cgroupfs-mount", path=_path())):
        await run_logged([mount], log=_log(), env=_environment())
    return await _wait_until_it_answers(None if _starting_already() else _start_process())


def _under_systemd() -> bool:
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def _starting_already() -> bool:
    """Whether a dockerd is on its way up: the package's own start script may have begun it."""
    with suppress(OSError, ValueError):
        return "dockerd" in command_line(int(_PID_FILE.read_text()))
    return False


def _start_process() -> Daemon:
    program = shutil.which("dockerd", path=_path())
    if program is None:  # it was there a moment ago
        raise DockerUnavailable("dockerd is not installed", hint="install a Docker Engine")
    mark = f"hover-async={secrets.token_hex(8)}"
    daemon = start_detached([program, "--label", mark], log=_log(), env=_environment(), mark=mark)
    _record().write_text(json.dumps({"pid": daemon.pid, "mark": mark}))
    return daemon


async def _wait_until_it_answers(daemon: Daemon | None) -> engine.Engine:
    for _ in range(round(_ANSWERS_WITHIN_S / _LOOK_EVERY_S)):
        with suppress(DockerUnavailable):
            return await engine.find()
        if daemon is not None and not daemon.alive():
            raise LocalError(
                f"dockerd ended right after its start:\n{tail(_log())}",
                hint=f"start a Docker Engine yourself, then run it again; its log is {_log()}",
            )
        await sleep(_LOOK_EVERY_S)
    raise LocalError(
        f"dockerd has not answered for {_ANSWERS_WITHIN_S} seconds:\n{tail(_log())}",
        hint=f"start a Docker Engine yourself, then run it again; its log is {_log()}",
    )
