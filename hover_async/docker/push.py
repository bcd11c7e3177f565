"""Sending an image to a registry."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiodocker
import aiohttp

from hover_async.docker.connection import json_lines, refusals, request
from hover_async.errors import PushFailed
from hover_async.ports import RegistryLogin
from hover_async.values import ImageRef

_SENT = frozenset({"Pushed", "Layer already exists"})


async def push_image(
    docker: aiodocker.Docker,
    image: str,
    target: ImageRef,
    login: RegistryLogin,
    on_progress: Callable[[int, int], None],
) -> None:
    """Tag and push; a cancelled push is stopped at the engine too.

    The tag stays, as docker's own does: it may have been there before.
    """
    with refusals(f"tagging '{image}' as '{target}'"):
        await docker.images.tag(image, target.repository, tag=target.tag)
    with refusals(f"pushing to '{target}'"):
        await _push(docker, target, login, on_progress)


async def _push(
    docker: aiodocker.Docker,
    target: ImageRef,
    login: RegistryLogin,
    on_progress: Callable[[int, int], None],
) -> None:
    # the login travels in a header of this one request: not in argv, not in docker's config
    headers = {"X-Registry-Auth": _login_header(login)}
    path = f"images/{target.repository}/push?tag={quote(target.tag or '', safe='')}"
    progress = PushProgress(on_progress)
    try:
        async with request(docker, "POST", path, headers=headers) as response:
            async for line in json_lines(response):
                if "error" in line:
                    raise _refused(target, _without(login, str(line["error"])))
                progress(line)
    except aiodocker.DockerError as failure:
        failure.message = _without(login, str(failure.message or ""))
        failure.args = (failure.status, failure.message)
        raise
    except aiohttp.ClientError as failure:
        raise _broken_off(target) from failure
    if not progress.confirmed:
        raise _broken_off(target)


def _login_header(login: RegistryLogin) -> str:
    content = {"username": login.username, "password": login.password.reveal()}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _without(login: RegistryLogin, message: str) -> str:
    """What the engine or the registry says; it may quote the request, and with it the login."""
    password = login.password.reveal()
    basic = base64.b64encode(f"{login.username}:{password}".encode()).decode()
    for form in (_login_header(login), basic, password, json.dumps(password)[1:-1]):
        message = message.replace(form.rstrip("="), "***") if form else message
    return message


def _refused(target: ImageRef, message: str) -> PushFailed:
    return PushFailed(
        f"'{target}' was not taken by its registry: {message}",
        hint="see that the repository exists, that you may push to it, that Docker reaches it",
    )


def _broken_off(target: ImageRef) -> PushFailed:
    return PushFailed(
        f"the push to '{target}' broke off before the registry confirmed it",
        hint="see whether the Docker Engine still runs ('docker info'), then deploy again",
    )


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
