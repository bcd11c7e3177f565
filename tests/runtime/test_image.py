"""The image that the Dockerfile makes, and the emulator around it."""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.runtime.conftest import EXAMPLE, ROOT
from tests.runtime.containers import BUILD_ID, MANIFEST, docker, request
from tests.runtime.images import build, context

VERSIONS = {
    "hover-example-base": ("8.83.", "8.2."),
    "hover-example-base-trixie": ("10.48.", "8.4."),
}
"""Laravel and PHP of every base image."""

STUBS = ROOT / "hover_async" / "stubs"


def run(image: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in place of the image's entry point."""
    variables = [part for k, v in environment.items() for part in ("--env", f"{k}={v}")]
    return subprocess.run(
        ["docker", "run", "--rm", *variables, "--entrypoint", command[0], image, *command[1:]],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def emulated(example_image: str, emulator: Path) -> Iterator[str]:
    """The example's address, under AWS's emulator, as a local AWS runs it."""
    name = f"hover-runtime-test-{uuid.uuid4().hex[:12]}"
    docker(
        "run", "--detach", "--name", name, "--publish", "127.0.0.1::8080",
        "--volume", f"{emulator}:/usr/local/bin/aws-lambda-rie:ro",
        "--env", "HOVER_ROLE=http", "--env", "APP_ENV=dev", "--env", "HOVER_ASSET_DOMAIN=d1.x",
        "--env", "AWS_LAMBDA_FUNCTION_TIMEOUT=30", example_image,
    )  # fmt: skip
    address = docker("port", name, "8080").split()[-1]
    yield f"http://{address}/2015-03-31/functions/function/invocations"
    docker("rm", "--force", "--volumes", name)


def invoke(url: str, event: object) -> dict[str, object]:
    for _ in range(50):
        try:
            with urlopen(Request(url, json.dumps(event).encode()), timeout=20) as response:  # noqa: S310
                answer = json.load(response)
        except (ConnectionError, OSError):
            time.sleep(0.1)
        else:
            assert isinstance(answer, dict)
            return answer
    raise AssertionError("the emulator does not listen")


@pytest.mark.every_base
def test_example_runs_under_awss_emulator(emulated: str, base_image: str) -> None:
    """The entry point starts the emulator: ping, page with its versions, build and assets."""
    ping = invoke(emulated, {"warmer_ping": True, "hold_ms": 0})
    assert ping["cold"] is True
    page = invoke(emulated, request("/"))
    assert page["statusCode"] == 200
    body = str(page["body"])
    for version in VERSIONS[base_image]:
        assert version in body
    assert f"https://d1.x/{BUILD_ID}/css/app.css" in body
    assert f"https://d1.x/{BUILD_ID}/images/hover.svg" in body
    assert str(ping["instance"]) in body


def test_missing_emulator_is_a_clear_error(example_image: str) -> None:
    """Outside Lambda, without the emulator: what to mount."""
    done = run(example_image, "/bin/sh", "/var/task/hover_runtime/bootstrap")
    assert done.returncode == 1
    assert "docker run -v /path/to/aws-lambda-rie:/usr/local/bin/aws-lambda-rie:ro" in done.stderr


def test_example_uses_the_default_dockerfile() -> None:
    """The example is built by the very files that a new project gets."""
    for mine, default in ((".hover/Dockerfile", "Dockerfile"), (".dockerignore", "dockerignore")):
        assert (EXAMPLE / mine).read_bytes() == (STUBS / default).read_bytes()


def run_default(image: str) -> subprocess.CompletedProcess[str]:
    """Runs the image's own command."""
    command = ["docker", "run", "--rm", image]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.every_base
def test_tests_of_the_example_pass(base_image: str) -> None:
    """The `tests` target's command runs the application's tests."""
    image = build(
        context(EXAMPLE, MANIFEST), "hover-runtime-test-tests", base=base_image, target="tests"
    )
    done = run_default(image)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\(5 tests|Tests: 5,", done.stdout), done.stdout


def test_failing_test_fails_the_tests_image(base_image: str) -> None:
    """A failing test is a non-zero exit of the `tests` target's command."""
    files = context(EXAMPLE, MANIFEST)
    files["routes/web.php"] = files["routes/web.php"].replace(
        b"response('up', 200", b"response('up', 418"
    )
    image = build(files, "hover-runtime-test-failing", base=base_image, target="tests")
    done = run_default(image)
    assert done.returncode == 1
    assert "Expected response status code [200] but received 418" in done.stdout


@pytest.mark.every_base
def test_assets_are_addressed_below_the_build(base_image: str) -> None:
    """The `assets` target compiles with the ASSET_URL it is given."""
    image = build(
        context(EXAMPLE, MANIFEST),
        "hover-runtime-test-assets",
        base=base_image,
        target="assets",
        arguments={"ASSET_URL": f"/{BUILD_ID}"},
    )
    style = run(image, "cat", "/var/task/public/css/app.css").stdout
    assert re.search(rf'url\("?/{BUILD_ID}/css/contours-', style)
    assert "\n" not in style.strip()


def test_image_carries_no_more_than_it_should(example_image: str) -> None:
    """The runtime, but no tests, build steps or compiled assets; all readable by anyone."""
    files = run(example_image, "find", "/var/task", "-xdev").stdout.split()
    assert "/var/task/hover_runtime/loop.php" in files
    assert "/var/task/public/mix-manifest.json" in files
    for name in ("tests", ".hover", ".env", "node_modules", ".git", "public/css"):
        assert f"/var/task/{name}" not in files
    unreadable = run(example_image, "find", "/var/task", "!", "-perm", "-o=r", "!", "-type", "l")
    assert unreadable.stdout == ""


def test_image_brings_what_a_container_would_compile(example_image: str) -> None:
    """Compiled ahead: the application, what it boots with, what comes next, every template."""
    files = run(example_image, "find", "/var/task/hover_runtime", "-type", "f").stdout
    for script in (
        "/var/task/public/index.php",
        "/var/task/app/Http/Controllers/HomeController.php",
        "/var/task/routes/web.php",
        "/Illuminate/Foundation/Application.php",
        "/Illuminate/Routing/Router.php",
        "/Illuminate/Http/Response.php",
        "/Illuminate/Console/Command.php",
        "/Illuminate/Queue/Worker.php",
    ):
        assert f"{script}.bin\n" in files, script
    templates = re.findall(r"/hover_runtime/views/(\w+\.php)\n", files)
    assert templates
    assert all(f"/hover_runtime/views/{name}.bin\n" in files for name in templates)


def test_application_that_does_not_boot_without_its_environment_still_builds(
    base_image: str,
) -> None:
    """Compiling ahead is tried with what there is: a build says what it lacks, and goes on."""
    files = context(EXAMPLE, MANIFEST)
    files["app/Http/Kernel.php"] = b"<?php throw new RuntimeException('no database');"
    image = build(files, "hover-runtime-test-unbootable", base=base_image)
    compiled = run(image, "find", "/var/task/hover_runtime/opcache", "-name", "*.bin").stdout
    assert "/var/task/routes/web.php.bin\n" in compiled


def test_only_the_last_layer_is_of_the_build(base_image: str) -> None:
    """The same application in another build differs in its last layer alone."""
    layers = []
    for build_id in ("b20261123T063100Z-00000001", "b20261123T063101Z-00000002"):
        manifest = MANIFEST | {"build_details": {"id": build_id, "hash": "", "time": ""}}
        image = build(context(EXAMPLE, manifest), "hover-runtime-test-layers", base=base_image)
        layers.append(json.loads(docker("inspect", "--format", "{{json .RootFS.Layers}}", image)))
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_project_without_anything_builds(base_image: str) -> None:
    """Neither composer.json nor package.json, tests or build steps: still an image."""
    files = {
        name: data for name, data in context(EXAMPLE, MANIFEST).items() if "hover_runtime" in name
    }
    files |= {
        ".hover/Dockerfile": (STUBS / "Dockerfile").read_bytes(),
        "public/index.php": b"<?php echo 'hi';",
    }
    image = build(files, "hover-runtime-test-bare", base=base_image)
    assert run(image, "cat", "/var/task/public/index.php").stdout == "<?php echo 'hi';"
    tests = build(files, "hover-runtime-test-bare-tests", base=base_image, target="tests")
    assert run(tests, "sh", "-c", "true").returncode == 0
