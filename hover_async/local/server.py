"""The MiniStack process: where it listens, what it is told, and when it is ready."""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from anyio import CancelScope, sleep, to_thread

from hover_async.errors import LocalError, UsageError
from hover_async.local.engine import Engine
from hover_async.local.places import DEFAULT_INSTANCE, Instance
from hover_async.local.processes import start_detached, tail
from hover_async.local.record import (
    ACCOUNT_ID,
    REGION,
    Record,
    edition,
    healthy,
)

PORT_VARIABLE = "HOVER_LOCAL_PORT"
STOP_GRACE_S = 20
_LOOPBACK = "127.0.0.1"
_READY_WITHIN_S = 90
_LOOK_EVERY_S = 0.1
_FIRST_PORTS = {DEFAULT_INSTANCE: 4566}
_FIRST_PORT_OF_OTHERS = 4700
_PORTS_TRIED = 100
_HIGHEST_PORT = 65535
_KEPT = ("PATH", "HOME", "LANG", "TZ")
"""What MiniStack inherits. It reads some hundred variables, the user's own AWS_* among them."""


async def start(instance: Instance, engine: Engine, *, python: Path, emulator: Path) -> Record:
    """Start MiniStack and wait until it answers; on any failure none is left behind."""
    addresses = [_LOOPBACK, *_bindable(engine.gateway)]
    port = choose_port(instance, addresses)
    mark = secrets.token_hex(8)
    instance.temporary.mkdir(parents=True, exist_ok=True)
    instance.log.unlink(missing_ok=True)
    binds = [option for address in addresses for option in ("--bind", f"{address}:{port}")]
    script = str(Path(__file__).with_name("serve.py"))
    where = ["--directory", str(instance.directory), "--mark", mark]
    daemon = start_detached(
        [str(python), "-I", script, *binds, *where],
        log=instance.log,
        env=_environment(instance, engine, emulator=emulator, port=port, mark=mark),
        mark=mark,
    )
    record = Record(pid=daemon.pid, port=port, mark=mark, started_at=time.time())
    try:
        record.write(instance.record)
        await _wait_until_healthy(record, instance)
    except BaseException:
        with CancelScope(shield=True):
            await daemon.stop(grace_s=STOP_GRACE_S)
            instance.record.unlink(missing_ok=True)
        raise
    return record


async def _wait_until_healthy(record: Record, instance: Instance) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        if await to_thread.run_sync(lambda: healthy(record, within_s=2)):
            return
        if not record.daemon.alive():
            raise LocalError(
                f"MiniStack ended right after its start:\n{tail(instance.log)}",
                hint=f"its log is {instance.log}",
            )
        await sleep(_LOOK_EVERY_S)
    raise LocalError(
        f"MiniStack has not answered on port {record.port} for {_READY_WITHIN_S} seconds:\n"
        f"{tail(instance.log)}",
        hint=f"its log is {instance.log}; run 'hover-async local up' again",
    )


def asked_port(instance: Instance) -> int | None:
    """The port that HOVER_LOCAL_PORT asks for. Raises `UsageError` when that is none."""
    asked = os.environ.get(PORT_VARIABLE, "") if instance.name == DEFAULT_INSTANCE else ""
    if not asked:
        return None
    port = int(asked) if asked.isdecimal() else 0
    if not 0 < port <= _HIGHEST_PORT:
        raise UsageError(
            f"{PORT_VARIABLE} is '{asked}', which is no port",
            hint="set it to a number from 1 to 65535, or unset it for the first free one",
        )
    return port


def choose_port(instance: Instance, addresses: Sequence[str]) -> int:
    """The port that the user asks for, else the first free one.

    Raises `LocalError` when the one asked for, or every one tried, is taken.
    """
    asked = asked_port(instance)
    if asked is not None:
        if not _free(asked, addresses):
            raise LocalError(
                f"port {asked}, which {PORT_VARIABLE} asks for, is taken by another program",
                hint=f"stop that program, or unset {PORT_VARIABLE} for the first free one",
            )
        return asked
    first = _FIRST_PORTS.get(instance.name, _FIRST_PORT_OF_OTHERS)
    for port in range(first, first + _PORTS_TRIED):
        if _free(port, addresses):
            return port
    raise LocalError(
        f"ports {first} to {first + _PORTS_TRIED - 1} are all taken",
        hint=f"set {PORT_VARIABLE} to a free one",
    )


def _free(port: int, addresses: Sequence[str]) -> bool:
    return all(_bind_errno(address, port) is None for address in addresses)


def _bindable(gateway: str | None) -> list[str]:
    """The bridge's address, if it is this machine's: Docker Desktop's is inside its own."""
    there = gateway is not None and _bind_errno(gateway, 0) != errno.EADDRNOTAVAIL
    return [gateway] if gateway is not None and there else []


def _bind_errno(address: str, port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as failure:
            return failure.errno
    return None


def _environment(
    instance: Instance, engine: Engine, *, emulator: Path, port: int, mark: str
) -> Mapping[str, str]:
    mount = shlex.quote(f"{emulator}:/usr/local/bin/aws-lambda-rie:ro")
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(instance.temporary),
        "DOCKER_HOST": engine.host,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_EDITION": edition(mark),
        # It labels its containers with this name and the port, and reaps by that label.
        "MINISTACK_HOSTNAME": instance.label,
        # One call to the engine; ten seconds are too few for a burst of cold starts.
        "MINISTACK_DOCKER_TIMEOUT": "120",
        "LAMBDA_STRICT": "1",
        "LAMBDA_DOCKER_FLAGS": f"-v {mount}",
        # Both would listen on every interface of the machine.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
