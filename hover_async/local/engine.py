"""The Docker Engine that the local AWS runs functions with: found, and asked what it is."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import fail_after

from hover_async.errors import DockerError, DockerUnavailable, LocalError
from hover_async.local.places import Instance
from hover_async.values import Architecture

if TYPE_CHECKING:
    import aiodocker

_ANSWER_WITHIN_S = 20
_INSTANCE_LABEL = "ministack.instance"
_ARCHITECTURES = {"x86_64": Architecture.X86_64, "aarch64": Architecture.ARM64}
_INSTALL = (
    "install Docker (https://docs.docker.com/engine/install/) and start it; "
    "as root on Debian or Ubuntu, 'hover-async local up' does both"
)
_REFUSALS: Mapping[int | None, tuple[str, str]] = {
    errno.ENOENT: ("there is no Docker Engine on this machine", _INSTALL),
    errno.ECONNREFUSED: (
        "the Docker Engine is not running",
        "start it ('sudo systemctl start docker', or Docker Desktop)",
    ),
    errno.EACCES: (
        "you may not use the Docker Engine",
        "join the 'docker' group ('sudo usermod -aG docker $USER', then log in again)",
    ),
}


@dataclass(frozen=True)
class Engine:
    """A Docker Engine on this machine.

    `gateway` is this machine's address on the bridge network: what containers reach it by.
    """

    host: str
    version: str
    architecture: Architecture
    gateway: str | None


async def find() -> Engine:
    """The engine that DOCKER_HOST, the docker context or the usual sockets lead to.

    Raises `DockerUnavailable` when none runs, `LocalError` when it is on another machine.
    """
    async with _connected() as (docker, host):
        try:
            with fail_after(_ANSWER_WITHIN_S):
                about = await docker.system.info()
                bridge = await (await docker.networks.get("bridge")).show()
        except TimeoutError as failure:
            raise DockerError(
                f"the Docker Engine at {host} has not answered for {_ANSWER_WITHIN_S} seconds",
                hint="restart it ('sudo systemctl restart docker', or Docker Desktop)",
            ) from failure
    return Engine(
        host=host,
        version=str(about["ServerVersion"]),
        architecture=_architecture(str(about["Architecture"])),
        gateway=_gateway(bridge),
    )


async def functions(instance: Instance) -> Sequence[str]:
    """The ids of the function containers that belong to this instance, running or not."""
    async with _connected() as (docker, _):
        return [container.id for container in await _containers(docker, instance)]


async def remove_functions(instance: Instance) -> int:
    """Remove the instance's function containers; how many there were."""
    async with _connected() as (docker, _):
        found = await _containers(docker, instance)
        for container in found:
            await container.delete(force=True, v=True)
        return len(found)


async def anything_running() -> bool:
    """Whether the engine runs any container at all."""
    async with _connected() as (docker, _):
        return bool(await docker.containers.list())


async def _containers(docker: aiodocker.Docker, instance: Instance) -> list[Any]:
    listed = await docker.containers.list(all=1, filters={"label": [_INSTANCE_LABEL]})
    ours = f"{instance.label}:"
    return [
        container
        for container in listed
        if str(container["Labels"].get(_INSTANCE_LABEL, "")).startswith(ours)
    ]


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[aiodocker.Docker, str]]:
    import aiodocker
    import aiohttp

    try:
        docker = aiodocker.Docker()
    except (AssertionError, ValueError, aiodocker.DockerError) as failure:
        raise DockerUnavailable(
            "there is no Docker Engine on this machine", hint=_INSTALL
        ) from failure
    async with docker:
        if not isinstance(docker.connector, aiohttp.UnixConnector):
            raise LocalError(
                f"the Docker Engine at {docker.docker_host} is not reached by a socket here",
                hint="unset DOCKER_HOST: the local AWS needs an engine on this machine",
            )
        host = f"unix://{docker.connector.path}"
        try:
            yield docker, host
        except aiodocker.DockerError as failure:
            cause = failure.__context__
            number = cause.errno if isinstance(cause, OSError) else None
            if number is None:
                raise DockerError(f"the Docker Engine at {host}: {failure.message}") from failure
            message, hint = _REFUSALS.get(number, _REFUSALS[errno.ECONNREFUSED])
            raise DockerUnavailable(f"{message} ({host})", hint=hint) from failure
        except aiohttp.ClientError as failure:
            raise DockerUnavailable(
                f"the Docker Engine at {host} broke off its answer: {failure}",
                hint="see whether it still runs ('docker info'), then run it again",
            ) from failure


def _architecture(name: str) -> Architecture:
    if name not in _ARCHITECTURES:
        raise LocalError(
            f"the Docker Engine runs on {name}, and AWS's emulator does not",
            hint="use an engine on x86_64 or aarch64",
        )
    return _ARCHITECTURES[name]


def _gateway(bridge: Mapping[str, Any]) -> str | None:
    """The bridge's own address; a young engine names only its subnet, of which it is the first."""
    for config in bridge["IPAM"]["Config"] or ():
        if config.get("Gateway"):
            return str(config["Gateway"])
        if config.get("Subnet"):
            return str(next(ipaddress.ip_network(config["Subnet"]).hosts()))
    return None
