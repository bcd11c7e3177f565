"""The images of a build: the one that goes live, the tests', and the one that compiles assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from hover_async.build.public_files import prepare_public_files
from hover_async.build.scan import require_safe
from hover_async.build_record import APPLICATION, HOVER
from hover_async.errors import ImageBuildFailed, TestsFailed
from hover_async.events import Output, Reporter, Step
from hover_async.ports import BuildRequest, ImageBuilder, ImageInfo
from hover_async.steps import step
from hover_async.values import Architecture, BuildId

PUBLIC = "/var/task/public"
MEGABYTE = 1_000_000

_BUILD_STEPS = ("vendor", "assets")
"""Scripts of the project's own in `.hover` that the Dockerfile runs instead of composer and npm."""

NEVER_SENT: Sequence[str] = (
    f"{HOVER}/*",
    *(f"!{HOVER}/{name}" for name in _BUILD_STEPS),
    "**/.git",
    "**/.env",
    "**/.env.*",
    "**/.envrc",
    "!.env.example",
    "**/*-secrets.plain.env",
    "public/hot",  # with it in the image, @vite would send visitors to a developer's machine
)
"""What Docker never gets to see, whatever .dockerignore says: it cannot get into any layer."""


@dataclass(frozen=True)
class ImagePlan:
    """What all images of a build share. `application` is the directory grafted into the context."""

    project: Path
    stage: str
    build_id: BuildId
    dockerfile: str
    architecture: Architecture
    build_args: Mapping[str, str]
    application: Path

    @property
    def name(self) -> str:
        return f"{self.stage}:{self.build_id}"

    @property
    def asset_url(self) -> str:
        return f"/{self.build_id}"

    def request(self, target: str | None, *tags: str) -> BuildRequest:
        """Every target gets the same arguments, so that the engine shares the stages they share."""
        return BuildRequest(
            context=self.project,
            dockerfile=str(HOVER / self.dockerfile),
            target=target,
            tags=tags,
            build_args={**self.build_args, "ASSET_URL": self.asset_url},
            architecture=self.architecture,
            never_sent=NEVER_SENT,
            grafts={str(APPLICATION): self.application},
        )


async def build_image(plan: ImagePlan, engine: ImageBuilder, report: Reporter) -> ImageInfo:
    """The image that goes live, tagged with its build id and as the stage's latest."""
    with step(report, Step.IMAGE) as sum_up:
        request = plan.request(None, plan.name, f"{plan.stage}:latest")
        built = await engine.build(request, _output(report, Step.IMAGE, "image"))
        if built.architecture is not plan.architecture:
            raise _wrong_architecture(plan, built)
        sum_up(f"{built.size_bytes / MEGABYTE:.0f} MB")
    return built


def _wrong_architecture(plan: ImagePlan, built: ImageInfo) -> ImageBuildFailed:
    return ImageBuildFailed(
        f"the image is for {built.architecture}, the manifest asks for {plan.architecture}",
        hint="use a base image of that architecture, or change 'architecture' in the manifest",
    )


async def scan_image(
    plan: ImagePlan, image: ImageInfo, engine: ImageBuilder, report: Reporter
) -> None:
    """Refuse an image with secrets or a developer's files in any layer. Raises `ImageUnsafe`."""
    allowed = [str(APPLICATION), *(str(HOVER / name) for name in (plan.dockerfile, *_BUILD_STEPS))]
    with step(report, Step.SCAN) as sum_up:
        layers = await engine.files(image.id)
        count = require_safe(layers, plan.name, allowed=allowed)
        sum_up(f"{count} files in {len(layers)} layers, none unsafe")


async def run_tests(plan: ImagePlan, engine: ImageBuilder, report: Reporter) -> None:
    """Build the `tests` target and run what it runs. Raises `TestsFailed` if that fails."""
    with step(report, Step.TESTS) as sum_up:
        tag = f"{plan.stage}:tests"
        built = await engine.build(
            plan.request("tests", tag), _output(report, Step.TESTS, "tests image")
        )
        status = await engine.run(built.id, _output(report, Step.TESTS, "tests"))
        if status != 0:
            raise TestsFailed(
                f"the application's tests failed with exit status {status}",
                hint="their output is above; --skip-tests builds without them",
            )
        sum_up("passed")


async def compile_assets(
    plan: ImagePlan, target: str | None, engine: ImageBuilder, report: Reporter, assets: Path
) -> None:
    """Build `target` and copy what browsers may fetch of its public directory to `assets`."""
    with step(report, Step.ASSETS_BUILD) as sum_up:
        tags = [f"{plan.stage}:assets"] if target else []
        built = await engine.build(
            plan.request(target, *tags), _output(report, Step.ASSETS_BUILD, "assets")
        )
        await engine.copy_out(built.id, PUBLIC, assets)
        count = await to_thread.run_sync(prepare_public_files, assets, plan.asset_url)
        sum_up(f"{count} files")


def _output(report: Reporter, name: Step, source: str) -> Callable[[str], None]:
    return lambda line: report(Output(name, source, line))
