"""The local AWS of the end-to-end tests, and the program as a user runs it.

The instance is the one HOVER_LOCAL_INSTANCE names, else `test`: a developer's own is never
touched. It is started for the first test that needs it and stopped after the last; one that ran
before is used, and left running.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import pytest

from hover_async import local
from hover_async.local.places import INSTANCE_VARIABLE

if TYPE_CHECKING:
    from tests.e2e.stage import Stage

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = ROOT / "examples" / "laravel"
COMMAND_WITHIN_S: Final = 600


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """aioboto3 and aiodocker run on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def instance() -> Iterator[str]:
    """The name of the tests' local AWS, for this process and for every program it runs."""
    with pytest.MonkeyPatch.context() as patch:
        name = os.environ.get(INSTANCE_VARIABLE) or "test"
        patch.setenv(INSTANCE_VARIABLE, name)
        yield name


@pytest.fixture(scope="session")
def local_aws(instance: str) -> Iterator[local.LocalAws]:
    """The tests' local AWS, running."""
    ran_before = local.endpoint(instance) is not None
    try:
        yield anyio.run(_up, instance)
    finally:
        if not ran_before:
            anyio.run(_down, instance)


async def _up(instance: str) -> local.LocalAws:
    return await local.up(print, instance=instance)


async def _down(instance: str) -> None:
    await local.down(print, instance=instance)


@dataclass(frozen=True)
class HoverAsync:
    """The program `hover-async`, run in a directory and an environment of its own."""

    directory: Path
    environment: Mapping[str, str]

    def argv(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "hover_async", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Running, its output in pipes; the caller waits for it."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """To its end, whatever its exit code; no test hangs on it."""
        return subprocess.run(
            self.argv(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Its stdout; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def hover_async(instance: str, tmp_path: Path) -> HoverAsync:
    """The program, as run in an empty directory by a user who has nothing set."""
    del instance  # it has put its name into the environment
    return HoverAsync(tmp_path, users_environment())


def users_environment() -> Mapping[str, str]:
    """Of a user who has nothing set that the program reads, but for the instance."""
    dropped = ("AWS_", "HOVER_LOCAL_PORT")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def busybox() -> Path:
    """A program that needs no library, for images of one file."""
    found = shutil.which("busybox")
    assert found, "install busybox-static (Debian, Ubuntu: apt-get install busybox-static)"
    return Path(found)


@pytest.fixture(scope="session")
def base_image(local_aws: local.LocalAws) -> str:
    """The example's base image, in the engine that `local_aws` runs on."""
    del local_aws
    done = subprocess.run(
        [EXAMPLE / "base-image"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return "hover-example-base"


@pytest.fixture
def project(base_image: str, tmp_path: Path) -> Path:
    """A copy of the example application, ready to be built and changed."""
    del base_image
    return copy_of_the_example(tmp_path)


@pytest.fixture
def stage(
    project: Path,
    hover_async: HoverAsync,
    local_aws: local.LocalAws,
    request: pytest.FixtureRequest,
) -> Stage:
    """The example under a name of this test's own."""
    from tests.e2e.stage import Stage, own_name

    name = own_name(request.node.name)
    stage = Stage(name, project, HoverAsync(project, hover_async.environment), local_aws)
    stage.manifest(r"hover-example(?!-base)", name)
    return stage


def copy_of_the_example(directory: Path) -> Path:
    """The example application in `directory`/project."""
    copy = directory / "project"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("out"))
    return copy


@dataclass(frozen=True)
class Answer:
    """What a URL answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def fetch(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Ask a URL below `localhost` as a browser does: Python's resolver does not know the name."""
    parts = urlsplit(url)
    connection = HTTPConnection("127.0.0.1", parts.port or 80, timeout=60)
    try:
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request(method, path, headers={"Host": parts.netloc, **(headers or {})})
        answer = connection.getresponse()
        named = {name.lower(): text for name, text in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
    finally:
        connection.close()
