"""Sending an image to a registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aiodocker
from anyio import CancelScope, move_on_after

from hover_async.docker.connection import refusals
from hover_async.errors import PushFailed
from hover_async.ports import RegistryLogin
from hover_async.values import ImageRef

_UNTAG_WITHIN_S = 10
_SENT = frozenset({"Pushed", "Layer already exists"})


async def push_image(
    docker: aiodocker.Docker,
    image: str,
    target: ImageRef,
    login: RegistryLogin,
    on_progress: Callable[[int, int], None],
) -> None:
    """Tag, push, and take the registry's tag off again: images are found by their own name."""
    with refusals(f"tagging '{image}' as '{target}'"):
        await docker.images.tag(image, target.repository, tag=target.tag)
    try:
        with refusals(f"pushing to '{target}'"):
            await _push(docker, target, login, on_progress)
    finally:
        with CancelScope(shield=True), move_on_after(_UNTAG_WITHIN_S):
            await _untag(docker, target)


async def _push(
    docker: aiodocker.Docker,
    target: ImageRef,
    login: RegistryLogin,
    on_progress: Callable[[int, int], None],
) -> None:
    # the login travels in a header of this one request: not in argv, not in docker's config
    auth = {"username": login.username, "password": login.password.reveal()}
    progress = PushProgress(on_progress)
    lines = docker.images.push(target.repository, tag=target.tag, auth=auth, stream=True)
    try:
        async for line in lines:
            progress(line)
    except aiodocker.DockerError as failure:
        raise PushFailed(
            f"'{target}' was not taken by its registry: {failure.message}",
            hint="see that the repository exists, that you may push to it, that Docker reaches it",
        ) from failure
    if not progress.confirmed:
        raise PushFailed(
            f"the push to '{target}' broke off before the registry confirmed it",
            hint="see whether the Docker Engine still runs ('docker info'), then deploy again",
        )


async def _untag(docker: aiodocker.Docker, target: ImageRef) -> None:
    """Best effort: a tag too many harms nobody, a failed push must be told as such."""
    try:
        await docker.images.delete(str(target), noprune=True)
    except aiodocker.DockerError:
        return


class PushProgress:
    """Adds up the engine's lines on each layer; bytes of layers the registry has count nowhere."""

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self._on_progress = on_progress
        self._done: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self.confirmed = False

    def __call__(self, line: Mapping[str, Any]) -> None:
        if "Digest" in (line.get("aux") or {}):
            self.confirmed = True
        layer = str(line.get("id", ""))
        detail = line.get("progressDetail") or {}
        if detail.get("total"):
            self._known[layer] = int(detail["total"])
            self._done[layer] = min(int(detail.get("current", 0)), self._known[layer])
        elif line.get("status") in _SENT and layer in self._known:
            self._done[layer] = self._known[layer]
        else:
            return
        self._on_progress(sum(self._done.values()), sum(self._known.values()))
