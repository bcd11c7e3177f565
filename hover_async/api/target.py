"""Where AWS is, and the way to one stage of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hover_async.errors import LocalError
from hover_async.values import AWS_EDGE, Edge

if TYPE_CHECKING:
    from hover_async.manifest import Manifest
    from hover_async.ports import Cloud, Keys

MIN_CONNECTIONS = 80
"""botocore's pool of 10 would hold back 64 uploads at once, or the pings that warm containers."""


@dataclass(frozen=True)
class Target:
    """Where AWS is: the real one, or whatever answers at `endpoint_url`; and its edge."""

    endpoint_url: str | None = None
    edge: Edge = AWS_EDGE


AWS = Target()


def local_target() -> Target:
    """The running local AWS. Raises `LocalError` when none runs."""
    from hover_async.local import endpoint

    running = endpoint()
    if running is None:
        raise LocalError("the local AWS is not running", hint="run 'hover-async local up' first")
    return Target(running.endpoint_url, Edge(running.edge_url, f"localhost:{running.port}"))


@asynccontextmanager
async def open_stage(
    manifest: Manifest, *, profile: str | None = None, target: Target = AWS
) -> AsyncIterator[Cloud]:
    """The stage's AWS account and region, credentials checked."""
    from hover_async.aws.session import open_cloud

    async with open_cloud(
        region=manifest.region,
        profile=profile or (None if target.endpoint_url else manifest.aws_profile),
        endpoint_url=target.endpoint_url,
        bucket=manifest.bucket,
        repository=manifest.repository,
        architecture=manifest.architecture,
        tags=manifest.tags,
        max_connections=max(MIN_CONNECTIONS, manifest.http.warm + 8),
    ) as cloud:
        yield cloud


@asynccontextmanager
async def open_keys(
    manifest: Manifest, *, profile: str | None, target: Target
) -> AsyncIterator[Keys]:
    """The keys of the account and region that the stage is in, credentials checked."""
    from hover_async.aws import session

    async with session.open_keys(
        region=manifest.region,
        profile=profile or (None if target.endpoint_url else manifest.aws_profile),
        endpoint_url=target.endpoint_url,
        tags=manifest.tags,
    ) as keys:
        yield keys
