"""Building an image: `POST /build` with BuildKit, which aiodocker's own `images.build` cannot.

BuildKit runs without a client session here, so a Dockerfile cannot mount secrets or an ssh agent
into a step, and a private base image must have been pulled before.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

import aiodocker
from anyio import sleep

from hover_async.docker.connection import broken_off, json_lines, refusals, request
from hover_async.docker.context import ContextStream
from hover_async.docker.progress import BuildProgress
from hover_async.docker.trace import decode
from hover_async.errors import ImageBuildFailed
from hover_async.ports import BuildRequest

_BUILDKIT = "2"
_STEP_BACK_S = 2


class Builds:
    """The builds of one engine, which know of each other for the sake of a failure they share."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker
        self._running = 0

    async def build(self, wanted: BuildRequest, on_output: Callable[[str], None]) -> str:
        """Build and tag; the image's id. A cancelled build is stopped at the engine too."""
        context = ContextStream(wanted)
        self._running += 1
        try:
            with refusals(f"building '{wanted.target or wanted.dockerfile}'"):
                return await self._build(wanted, context, BuildProgress(on_output))
        except Exception:
            if context.failure is not None:
                raise context.failure from None
            raise
        finally:
            self._running -= 1

    async def _build(
        self, wanted: BuildRequest, context: ContextStream, progress: BuildProgress
    ) -> str:
        headers = {"Content-Type": "application/x-tar"}
        path = f"build?{_query(wanted)}"
        image_id = ""
        async with request(self._docker, "POST", path, data=context, headers=headers) as response:
            async for line in json_lines(response):
                if "error" in line:
                    raise await self._failure(progress, str(line["error"]))
                if line.get("id") == "moby.buildkit.trace":
                    progress(decode(base64.b64decode(line["aux"])))
                elif line.get("id") == "moby.image.id":
                    image_id = str(line["aux"]["ID"])
        if not image_id:
            raise broken_off("building the image")
        return image_id

    async def _failure(self, progress: BuildProgress, message: str) -> ImageBuildFailed:
        """The error to raise; one that knows no output steps back for one that does.

        A step that several builds share runs once, and the engine tells only one of them what it
        printed, but all of them that it failed: the one that was told shall be the first to raise.
        """
        failure = progress.failure(message)
        if not failure.output and self._running > 1:
            await sleep(_STEP_BACK_S)
        return failure


def _query(wanted: BuildRequest) -> str:
    pairs = [
        ("version", _BUILDKIT),
        ("dockerfile", wanted.dockerfile),
        ("platform", f"linux/{wanted.architecture.docker_name}"),
        ("buildargs", json.dumps(dict(wanted.build_args))),
        ("labels", json.dumps(dict(wanted.labels))),
        *[("t", tag) for tag in wanted.tags],
    ]
    if wanted.target:
        pairs.append(("target", wanted.target))
    return urlencode(pairs, quote_via=quote, safe="")
