"""The image that the tests run, and the containers that they start."""

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.containers import MANIFEST, Function, docker, start
from tests.runtime.images import WRITTEN_AT, build, context
from tests.runtime.lambda_api import RuntimeApi

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "laravel"
OVERLAY = Path(__file__).parent / "overlay"
SAM_CLI = "aws-sam-cli==1.170.0"

SUITES = {"bookworm": "hover-example-base", "trixie": "hover-example-base-trixie"}
"""Debian's releases, and their base images: PHP 8.2 with Laravel 8, PHP 8.4 with Laravel 10."""

Start = Callable[..., Function]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test on the first base image, or on all if it is marked so."""
    if "base_image" in metafunc.fixturenames:
        everywhere = metafunc.definition.get_closest_marker("every_base") is not None
        suites = list(SUITES) if everywhere else list(SUITES)[:1]
        metafunc.parametrize("base_image", suites, indirect=True, scope="session")


@pytest.fixture(scope="session")
def base_image(request: pytest.FixtureRequest) -> str:
    """PHP and Laravel of a release of Debian."""
    command = [EXAMPLE / "base-image", request.param]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return SUITES[request.param]


@pytest.fixture(scope="session")
def example_image(base_image: str) -> str:
    """The example, built by its Dockerfile as a deployment builds it."""
    return build(context(EXAMPLE, MANIFEST), "hover-runtime-test-example", base=base_image)


@pytest.fixture(scope="session")
def image(example_image: str) -> str:
    """The example, with the probes that the tests need instead of its own routes."""
    files = {
        path.relative_to(OVERLAY).as_posix(): path.read_bytes()
        for path in OVERLAY.rglob("*")
        if path.is_file()
    }
    dockerfile = f"FROM {example_image}\nCOPY . /var/task/\nRUN rm /var/task/Dockerfile\n"
    return build(
        files | {"Dockerfile": dockerfile.encode()},
        "hover-runtime-test",
        dockerfile="Dockerfile",
        written_at=WRITTEN_AT + 1,
    )


@pytest.fixture(scope="session")
def starter(image: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[ExitStack], Start]:
    directory = tmp_path_factory.mktemp("mounts")
    directory.chmod(0o755)

    def starts(stack: ExitStack) -> Start:
        def one(**wishes: Any) -> Function:
            api = stack.enter_context(RuntimeApi())
            function = start(image, api, directory, **wishes)
            stack.callback(docker, "rm", "--force", "--volumes", function.name)
            return function

        return one

    return starts


@pytest.fixture
def function(starter: Callable[[ExitStack], Start]) -> Iterator[Start]:
    """Starts containers, and stops them after the test."""
    with ExitStack() as stack:
        yield starter(stack)


@pytest.fixture(scope="session")
def shared(starter: Callable[[ExitStack], Start]) -> Iterator[Start]:
    """Starts containers that last as long as all tests."""
    with ExitStack() as stack:
        yield starter(stack)


@pytest.fixture(scope="session")
def web(shared: Start) -> Function:
    """A website's container, for tests that leave it as it was."""
    return shared(role="http", HOVER_ASSET_DOMAIN="d111.cloudfront.net")


@pytest.fixture(scope="session")
def cli(shared: Start) -> Function:
    return shared(role="cli")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AWS's Runtime Interface Emulator, out of the wheel of aws-sam-cli."""
    directory = tmp_path_factory.mktemp("emulator")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", SAM_CLI]
    subprocess.run(pip, check=True, cwd=directory)
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        member = "samcli/local/rapid/aws-lambda-rie-x86_64"
        program = Path(wheel.extract(member, directory))
    program.chmod(0o755)
    return program
