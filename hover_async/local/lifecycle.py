"""`up`, `status` and `down` of the local AWS."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from anyio import to_thread

from hover_async.concurrency import task_group
from hover_async.errors import DockerError, LocalError
from hover_async.local import dockerd, engine, tools
from hover_async.local.lock import only_one
from hover_async.local.places import Instance, cache, instances
from hover_async.local.progress import Report, telling
from hover_async.local.record import LocalAws, Record, endpoint, healthy
from hover_async.local.server import STOP_GRACE_S, asked_port, start


@dataclass(frozen=True)
class LocalStatus:
    """How the local AWS stands.

    `aws` is None when it does not run; `problem` then says what is left of it, if anything is.
    `engine` is the Docker Engine's version, None when none answers; `functions` counts the
    function containers. State (buckets, stacks, images) is in memory: `down` forgets it.
    """

    instance: str
    aws: LocalAws | None
    uptime_s: float
    engine: str | None
    engine_is_ours: bool
    functions: int
    problem: str | None = None


async def up(report: Report, *, instance: str | None = None) -> LocalAws:
    """Make the local AWS run, installing what it needs the first time; running already is fine.

    Raises `LocalError` or `DockerUnavailable`; then no MiniStack of this call is left running.
    """
    _require_posix()
    which = Instance.named(instance)
    asked_port(which)  # a wrong one is told before anything is installed
    async with only_one(cache() / "local.lock", report):
        running = await to_thread.run_sync(endpoint, which.name)
        if running is not None:
            await dockerd.ensure(report)  # it may have gone in the meantime
            report(f"the local AWS runs already, at {running.endpoint_url}")
            return running
        await _clear(which, report)
        return (await _bring_up(which, report)).local_aws(which)


async def _bring_up(which: Instance, report: Report) -> Record:
    engines: list[engine.Engine] = []

    async def find_engine() -> None:
        engines.append(await dockerd.ensure(report))

    async with task_group() as needed:
        needed.start_soon(find_engine)
        python = await tools.ensure_environment(report)
    [found] = engines
    emulator = await tools.ensure_emulator(report, found.architecture)
    await engine.remove_functions(which)
    async with telling(report, "starting MiniStack", "the local AWS is ready"):
        return await start(which, found, python=python, emulator=emulator)


async def status(instance: str | None = None) -> LocalStatus:
    """How the local AWS stands now; asks, and changes nothing."""
    _require_posix()
    which = Instance.named(instance)
    record = Record.read(which.record)
    aws = await to_thread.run_sync(endpoint, which.name)
    try:
        version = (await engine.find()).version
        functions = len(await engine.functions(which))
    except (DockerError, LocalError):
        version, functions = None, 0
    return LocalStatus(
        instance=which.name,
        aws=aws,
        uptime_s=record.uptime_s if record and aws else 0.0,
        engine=version,
        engine_is_ours=dockerd.started_by_us() is not None,
        functions=functions,
        problem=None if aws else _problem(record),
    )


def _problem(record: Record | None) -> str | None:
    if record is None:
        return None
    if record.daemon.alive():
        return f"MiniStack (process {record.pid}) runs, but does not answer on port {record.port}"
    return f"MiniStack (process {record.pid}) ended without 'hover-async local down'"


async def down(report: Report, *, instance: str | None = None) -> None:
    """Stop what `up` started: MiniStack, its function containers, and a Docker Engine of ours.

    The engine stays while another instance or any other container needs it. Not running is fine.
    """
    _require_posix()
    which = Instance.named(instance)
    async with only_one(cache() / "local.lock", report):
        await _clear(which, report)
        shutil.rmtree(which.directory, ignore_errors=True)
        await _stop_engine(report)


async def _clear(which: Instance, report: Report) -> None:
    """Stop the instance's MiniStack and remove whatever is left of it."""
    record = Record.read(which.record)
    if record is not None and record.daemon.alive():
        async with telling(report, "stopping MiniStack", "stopped MiniStack"):
            await record.daemon.stop(grace_s=STOP_GRACE_S)
    try:
        left = await engine.remove_functions(which)
    except (DockerError, LocalError):
        left = 0  # no engine, so no containers
    if left:
        report(f"removed {left} function container{'s' if left > 1 else ''}")
    which.record.unlink(missing_ok=True)
    shutil.rmtree(which.temporary, ignore_errors=True)


async def _stop_engine(report: Report) -> None:
    daemon = dockerd.started_by_us()
    if daemon is None:
        return
    others = [one for one in instances() if (kept := Record.read(one.record)) and _runs(kept)]
    if others or await _engine_is_busy():
        report("the Docker Engine that was started for the local AWS is in use, and stays")
        return
    async with telling(report, "stopping the Docker Engine", "stopped the Docker Engine"):
        await dockerd.stop(daemon)


async def _engine_is_busy() -> bool:
    try:
        return await engine.anything_running()
    except (DockerError, LocalError):
        return False


def _runs(record: Record) -> bool:
    return record.daemon.alive() and healthy(record)


def _require_posix() -> None:
    if os.name != "posix":
        raise LocalError(
            f"the local AWS does not run on {os.name}", hint="run it inside WSL, Linux or macOS"
        )
