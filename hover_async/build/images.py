"""The images of a build: the one that goes live, the tests', and the one that compiles assets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anyio import to_thread

from hover_async.build.public_files import prepare_public_files
from hover_async.build.scan import require_safe
from hover_async.build_record import APPLICATION, HOVER
from hover_async.errors import ImageUnsafe, TestsFailed
from hover_async.events import Output, Reporter, Step
from hover_async.ports import BuildRequest, ImageBuilder, ImageInfo
from hover_async.steps import step
from hover_async.values import Architecture, BuildId

PUBLIC = "/var/task/public"
MEGABYTE = 1_000_000
TAIL_LINES = 40

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
    """The image that goes live, not tagged yet."""
    with step(report, Step.IMAGE) as sum_up:
        built = await engine.build(plan.request(None), _output(report, Step.IMAGE, "image"))
        if built.architecture is not plan.architecture:
            raise _wrong_architecture(plan, built)
        sum_up(f"{built.size_bytes / MEGABYTE:.0f} MB")
    return built
