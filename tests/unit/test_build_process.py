"""The build process on an engine that is played: what it asks for, in which order, what it leaves.

On both event loops: the core knows none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from anyio import Event, get_cancelled_exc_class, sleep

from hover_async.build.process import build_stage
from hover_async.build_record import APPLICATION, ASSETS, MANIFEST, BuildRecord, read_record
from hover_async.errors import BuildMissing, ImageBuildFailed, ImageUnsafe, TestsFailed
from hover_async.events import Event as Told
from hover_async.events import Output, Step, StepFailed, StepFinished, StepStarted, Warned
from hover_async.manifest import Manifest, load_manifest
from hover_async.ports import BuildRequest, ImageInfo
from hover_async.secrets.envelope import Envelope
from hover_async.values import Architecture

pytestmark = pytest.mark.anyio

SEALED = Envelope("dev", "alias/x", b"wrapped", bytes(12), bytes(17))
DOCKERFILE = "FROM x AS base\nFROM base AS assets\nFROM base AS tests\nFROM base\n"
YAML = """\
name: shop-dev  # a comment that stays
region: eu-central-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
build-args: {BASE_IMAGE: 'php:8.3-fpm', ASSET_URL: mine}
http: {memory: 512}
"""


@dataclass
class PlayedEngine:
    """An `ImageBuilder` whose images hold what the test says; keeps what it was asked."""

    tests_exit: int = 0
    failing_target: str | None = ""
    carries: Sequence[str] = ("var/task/index.php",)
    own: Architecture = Architecture.X86_64
    requests: list[BuildRequest] = field(default_factory=list)
    runtime_files: set[str] = field(default_factory=set)
    manifest_in_image: Mapping[str, object] = field(default_factory=dict)
    at_once: int = 0
    most_at_once: int = 0
    cancelled: list[str | None] = field(default_factory=list)
    hold: Event | None = None

    async def architecture(self) -> Architecture:
        return self.own

    async def build(self, request: BuildRequest, on_output: Callable[[str], None]) -> ImageInfo:
        self.requests.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        (grafted,) = request.grafts.values()
        self.runtime_files = {
            path.relative_to(grafted).as_posix() for path in grafted.rglob("*") if path.is_file()
        }
        manifest = grafted / "hover_runtime/manifest.json"
        self.manifest_in_image = json.loads(manifest.read_text())
        on_output(f"#1 building {request.target}")
        try:
            await sleep(0.01)
            if request.target == self.failing_target:
                raise ImageBuildFailed("step 'RUN x' failed", output="why", hint="correct it")
            if self.hold is not None:
                await self.hold.wait()
        except get_cancelled_exc_class():
            self.cancelled.append(request.target)
            raise
        self.at_once -= 1
        return ImageInfo(f"sha256:{request.target}", request.architecture, 266_000_000)

    async def run(self, image: str, on_output: Callable[[str], None]) -> int:
        assert image == "sha256:tests"
        on_output("OK (1 test)")
        return self.tests_exit

    async def copy_out(self, image: str, path: str, destination: Path) -> None:
        assert path == "/var/task/public"
        (destination / "app.css").write_text("a{b:url(/i.png)}")
        (destination / "index.php").write_text("<?php")
        (destination / "from").write_text(image)

    async def files(self, image: str) -> Mapping[str, Sequence[str]]:
        assert image == "sha256:None"
        return {"layer": self.carries}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".hover").mkdir()
    (tmp_path / ".hover/Dockerfile").write_text(DOCKERFILE)
    (tmp_path / ".hover/dev.yml").write_text(YAML)
    (tmp_path / ".hover/dev-secrets.json").write_bytes(SEALED.to_json())
    return tmp_path


def manifest_of(project: Path) -> Manifest:
    return load_manifest(project / ".hover/dev.yml")


async def build(
    project: Path,
    engine: PlayedEngine,
    told: list[Told] | None = None,
    *,
    skip_tests: bool = False,
) -> BuildRecord:
    report = [] if told is None else told
    return await build_stage(
        project,
        "dev",
        manifest_of(project),
        engine,
        report.append,
        skip_tests=skip_tests,
        build_args={"BASE_IMAGE": "local:1"},
    )


async def test_a_build_leaves_all_that_a_deploy_needs(project: Path) -> None:
    """Record, manifest as written, and the assets alone, moved to the build's directory."""
    record = await build(project, PlayedEngine())
    assert read_record(project) == record
    assert record.image == f"dev:{record.build_id}"
    assert record.image_id == "sha256:None"
    assert (project / MANIFEST).read_text() == YAML
    assets = project / ASSETS
    assert sorted(path.name for path in assets.iterdir()) == ["app.css", "from"]
    assert (assets / "app.css").read_text() == f"a{{b:url(/{record.build_id}/i.png)}}"
    assert (assets / "from").read_text() == "sha256:assets"


async def test_the_image_gets_runtime_secrets_and_manifest(project: Path) -> None:
    """hover_runtime holds the PHP files, the sealed secrets and the manifest with its build."""
    engine = PlayedEngine()
    record = await build(project, engine)
    assert {"hover_runtime/bootstrap", "hover_runtime/secrets.json"} <= engine.runtime_files
    assert engine.manifest_in_image["name"] == "shop-dev"
    assert engine.manifest_in_image["build_details"] == {
        "id": record.build_id,
        "hash": record.manifest_hash,
        "time": record.created_at.isoformat(),
    }


async def test_lambdas_user_may_read_the_secrets(project: Path) -> None:
    """However private the file is here, in the image it is readable: Lambda chooses the user."""
    (project / ".hover/dev-secrets.json").chmod(0o600)
    await build(project, PlayedEngine())
    carried = project / APPLICATION / "hover_runtime/secrets.json"
    assert carried.read_bytes() == SEALED.to_json()
    assert carried.stat().st_mode & 0o777 == 0o644


async def test_all_targets_build_at_once_with_the_same_arguments(project: Path) -> None:
    """Three targets run side by side; given arguments win over the manifest's, ours over both."""
    engine = PlayedEngine()
    record = await build(project, engine)
    assert engine.most_at_once == 3
    assert {request.target for request in engine.requests} == {None, "assets", "tests"}
    for request in engine.requests:
        asset_url = f"/{record.build_id}"
        assert request.build_args == {"BASE_IMAGE": "local:1", "ASSET_URL": asset_url}
        assert {".hover/*", "**/.env", "**/.git"} <= set(request.never_sent)
    tags = {request.target: request.tags for request in engine.requests}
    assert tags[None] == (record.image, "dev:latest")


async def test_steps_and_output_are_told(project: Path) -> None:
    """Each step is told from start to finish with a summary, and what the engine prints."""
    told: list[Told] = []
    await build(project, PlayedEngine(), told)
    steps = {Step.RUNTIME, Step.IMAGE, Step.TESTS, Step.ASSETS_BUILD, Step.SCAN}
    assert {event.step for event in told if isinstance(event, StepStarted)} == steps
    finished = {event.step: event.summary for event in told if isinstance(event, StepFinished)}
    assert finished.keys() == steps
    assert finished[Step.IMAGE] == "266 MB"
    assert all(finished.values())
    assert Output(Step.TESTS, "tests", "OK (1 test)") in told


@pytest.mark.parametrize("skip_tests", [True, False])
async def test_tests_are_left_out_when_asked_or_absent(project: Path, *, skip_tests: bool) -> None:
    """With --skip-tests, or without such a target in the Dockerfile, no tests are built or run."""
    if not skip_tests:
        (project / ".hover/Dockerfile").write_text("FROM x AS assets\nFROM x\n")
    engine = PlayedEngine(tests_exit=1)
    await build(project, engine, skip_tests=skip_tests)
    assert "tests" not in {request.target for request in engine.requests}


async def test_without_an_assets_target_the_image_gives_its_own(project: Path) -> None:
    """A Dockerfile that compiles nothing still gives its public files to the assets."""
    (project / ".hover/Dockerfile").write_text("FROM x\n")
    await build(project, PlayedEngine())
    assert (project / ASSETS / "from").read_text() == "sha256:None"


@pytest.mark.parametrize(
    ("engine", "error", "step"),
    [
        (PlayedEngine(tests_exit=2), TestsFailed, Step.TESTS),
        (PlayedEngine(failing_target=None), ImageBuildFailed, Step.IMAGE),
        (PlayedEngine(failing_target="assets"), ImageBuildFailed, Step.ASSETS_BUILD),
        (PlayedEngine(failing_target="tests"), ImageBuildFailed, Step.TESTS),
        (PlayedEngine(carries=["var/task/.env"]), ImageUnsafe, Step.SCAN),
    ],
    ids=["tests fail", "image fails", "assets fail", "tests do not build", "unsafe"],
)
async def test_a_failed_build_leaves_none_and_the_last_one(
    project: Path, engine: PlayedEngine, error: type[Exception], step: Step
) -> None:
    """Whatever fails, its own error is raised, and the build before is still the one to deploy."""
    told: list[Told] = []
    with pytest.raises(error):
        await build(project, engine, told)
    assert step in {event.step for event in told if isinstance(event, StepFailed)}
    with pytest.raises(BuildMissing):
        read_record(project)
    before = await build(project, PlayedEngine())
    engine.requests.clear()
    with pytest.raises(error):
        await build(project, engine)
    assert read_record(project) == before
    assert not (project / ".hover/out.new").exists()


async def test_one_failure_stops_the_other_builds(project: Path) -> None:
    """When a target fails, the engine is not left building the others."""
    engine = PlayedEngine(failing_target="assets", hold=Event())
    with pytest.raises(ImageBuildFailed):
        await build(project, engine)
    assert set(engine.cancelled) == {None, "tests"}


async def test_another_architecture_is_warned_of(project: Path) -> None:
    """An engine of another architecture than the manifest's builds, with a word of warning."""
    told: list[Told] = []
    await build(project, PlayedEngine(own=Architecture.ARM64), told)
    assert any(isinstance(event, Warned) and "emulated" in event.message for event in told)
    told.clear()
    await build(project, PlayedEngine(), told)
    assert not any(isinstance(event, Warned) for event in told)
