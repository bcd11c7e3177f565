"""What each layer of an image adds: the headers of `GET /images/{}/get`, an archive of archives.

Every layer's bytes pass through, none stay: 512 bytes a file are looked at. The engine offers no
smaller way to see a file that a later layer hides, and the hidden ones are what leaks.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import IO
from urllib.parse import quote

import aiodocker

from hover_async.docker.blocking import BlockingReader, consume
from hover_async.docker.connection import refusals, request
from hover_async.errors import DockerError

_BUFFER_BYTES = 1024 * 1024
_MANIFEST = "manifest.json"
_BLOBS = "blobs/sha256/"


async def layer_files(docker: aiodocker.Docker, image: str) -> Mapping[str, Sequence[str]]:
    """The paths of each layer, lowest layer first. Raises `DockerError` if one cannot be read."""
    with refusals(f"reading the layers of '{image}'"):
        async with request(docker, "GET", f"images/{quote(image, safe=':')}/get") as response:
            return await consume(response.content.iter_any(), _read_layers)


def _read_layers(reader: BlockingReader) -> Mapping[str, Sequence[str]]:
    """Docker below 25 saves `<id>/layer.tar`, later ones (and OCI layouts) `blobs/sha256/<id>`."""
    found: dict[str, Sequence[str]] = {}
    order: Sequence[str] = ()
    try:
        # typeshed wants a seekable file even for the stream mode, which only reads
        with tarfile.open(fileobj=reader, mode="r|", bufsize=_BUFFER_BYTES) as archive:  # type: ignore[call-overload]
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    continue
                if member.name == _MANIFEST:
                    order = json.load(content)[0]["Layers"]
                elif member.name.endswith("/layer.tar") or member.name.startswith(_BLOBS):
                    paths = _paths(content)
                    if paths is not None:
                        found[member.name] = paths
        return {name: found[name] for name in order}
    except (tarfile.TarError, ValueError, KeyError, IndexError) as failure:
        raise DockerError(
            f"the image's layers cannot be read: {failure!r}",
            hint="remove the image and build again; if it stays so, report the engine's version",
        ) from failure


def _paths(content: IO[bytes]) -> Sequence[str] | None:
    """The paths in a layer; None when it is no archive (an OCI layout's blobs are also JSON)."""
    try:
        with tarfile.open(fileobj=content, mode="r|*", bufsize=_BUFFER_BYTES) as layer:
            return [member.name.removeprefix("./") for member in layer if not member.isdir()]
    except tarfile.ReadError:
        return None
