"""Containers of the runtime: started as Lambda would, and ended by the name they were given."""

import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.runtime.lambda_api import RuntimeApi

BUILD_ID = "b20261123T063100Z-7f3a9c1d"
RUNTIME = "/var/task/hover_runtime"

MANIFEST: dict[str, Any] = {
    "name": "probe",
    "environment": {"FROM_MANIFEST": "yes", "DEBUGGING": False},
    "http": {"domains": ["www.probe.example"]},
    "queue": {"jobs": {"tries": 3, "backoff": "5, 10", "queues": ["default"]}},
    "build_details": {"id": BUILD_ID, "hash": "0", "time": "2026-11-23T06:31:00Z"},
}


def docker(*arguments: str, check: bool = True) -> str:
    """Runs docker; returns both of its streams."""
    done = subprocess.run(
        ["docker", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}"
    return done.stdout


@dataclass
class Function:
    """One container, on an API of its own."""

    api: RuntimeApi
    name: str

    def logs(self, *, busy: bool = False) -> list[dict[str, Any]]:
        """What it logged until now, line by line.

        The engine hands lines on a moment later. So unless the function is `busy`, it is given an
        event that is none, and its complaint about that one is waited for.
        """
        marker = f"marker-{uuid.uuid4().hex}"
        running = docker("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"
        if running and not busy:
            self.api.invoke({marker: 0}).error()
        text = ""
        for _ in range(100):
            text = docker("logs", self.name)
            if marker in text or not running or busy:
                break
            time.sleep(0.05)
        return [
            json.loads(line)
            for line in text.splitlines()
            if line.startswith("{") and marker not in line
        ]

    def messages(self) -> list[str]:
        return [entry["message"] for entry in self.logs() if "keys marker-" not in entry["message"]]

    def run(self, *command: str) -> str:
        """Runs a command in the container."""
        return docker("exec", self.name, *command)

    def http(self, path: str = "/", *, timeout_s: float = 20, **event: Any) -> dict[str, Any]:
        """A visitor's request in payload format 2.0, and its answer."""
        answer = self.api.invoke(request(path, **event), timeout_s=timeout_s).answer()
        assert isinstance(answer, dict)
        return answer


def request(path: str, *, method: str = "GET", query: str = "", **more: Any) -> dict[str, Any]:
    """An event of an HTTP API, payload format 2.0, as API Gateway makes it."""
    headers = {"host": "api.example", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "isBase64Encoded": False,
        "requestContext": {
            "domainName": "api.example",
            "stage": "$default",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
            },
        },
        **more,
        "headers": headers | more.get("headers", {}),
    }


def start(
    image: str,
    api: RuntimeApi,
    directory: Path,
    *,
    role: str = "http",
    files: dict[str, str] | None = None,
    files_of: int | None = None,
    manifest: dict[str, Any] | None = None,
    tmp: Path | None = None,
    **environment: str,
) -> Function:
    """Starts a container as in Lambda: nobody's user, nothing writable but /tmp.

    `files` are put over the image's own, relative to /var/task; `files_of` is their date, in Unix
    time; `tmp` is a directory of this machine that the container has as its /tmp.
    """
    name = f"hover-runtime-test-{uuid.uuid4().hex[:12]}"
    contents = {"hover_runtime/manifest.json": json.dumps(manifest or MANIFEST)} | (files or {})
    mounts = []
    for i, (path, content) in enumerate(contents.items()):
        file = directory / f"{name}-{i}"
        file.write_text(content)
        if files_of is not None:
            os.utime(file, (files_of, files_of))
        mounts += ["--volume", f"{file}:/var/task/{path}:ro"]
    variables = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "probe-http",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "a/session+token==",
        "HOVER_ROLE": role,
        "APP_ENV": "testing",
        **environment,
    }
    docker(
        "run", "--detach", "--name", name, "--network", "host",
        "--read-only", "--user", "993:990",
        *(["--volume", f"{tmp}:/tmp"] if tmp else ["--tmpfs", "/tmp:mode=1777"]),  # noqa: S108
        *mounts,
        *(part for key, value in variables.items() for part in ("--env", f"{key}={value}")),
        image,
    )  # fmt: skip
    return Function(api, name)
