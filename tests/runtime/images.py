"""Builds images with the engine's own BuildKit, as hover-async does, without its Python code."""

import hashlib
import http.client
import io
import json
import socket
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

RUNTIME = Path(__file__).resolve().parents[2] / "hover_async" / "runtime"

Files = dict[str, bytes]

WRITTEN_AT = 1_700_000_000
"""What is put over it later must be of another second, or PHP takes what it compiled before."""


def context(project: Path, manifest: dict[str, Any]) -> Files:
    """A project and the runtime, laid out as `hover-async build` does."""
    files = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if path.is_file() and not name.startswith((".hover/out", "vendor/")):
            files[name] = path.read_bytes()
    for path in sorted(RUNTIME.rglob("*")):
        if path.is_file():
            name = path.relative_to(RUNTIME).as_posix()
            files[f".hover/out/application/hover_runtime/{name}"] = path.read_bytes()
    files[".hover/out/application/hover_runtime/manifest.json"] = json.dumps(manifest).encode()
    return files


def build(
    files: Files,
    name: str,
    *,
    base: str = "",
    dockerfile: str = ".hover/Dockerfile",
    target: str = "",
    arguments: dict[str, str] | None = None,
    written_at: int = WRITTEN_AT,
) -> str:
    """Builds an image and returns its name; every stage's base is `base`.

    Its tag is of what it is made of: tests of another checkout, at the same time, have their own.
    """
    tag = (
        f"{name}:{_digest(files, base, dockerfile, target, json.dumps(arguments), str(written_at))}"
    )
    bases = dict.fromkeys(("BASE_IMAGE", "NODE_IMAGE", "COMPOSER_IMAGE"), base) if base else {}
    query = {
        "version": "2",
        "dockerfile": dockerfile,
        "t": tag,
        "target": target,
        "buildargs": json.dumps(bases | (arguments or {})),
    }
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/var/run/docker.sock")
    connection.request(
        "POST",
        f"/build?{urlencode(query)}",
        body=_tar(files, written_at),
        headers={"Content-Type": "application/x-tar"},
    )
    response = connection.getresponse()
    messages = [json.loads(line) for line in response.read().splitlines() if line]
    connection.close()
    errors = [message["error"] for message in messages if "error" in message]
    assert response.status == http.client.OK, messages
    assert not errors, errors
    return tag


def _digest(files: Files, *options: str) -> str:
    digest = hashlib.sha256("\0".join(options).encode())
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _tar(files: Files, written_at: int) -> bytes:
    buffer = io.BytesIO()
    # The engine of 2022 does not take an archive for one that begins with a PAX header.
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mtime = written_at
            entry.mode = 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
