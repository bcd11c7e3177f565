"""The build's image to the registry, confirmed by the registry and named by its digest."""

from __future__ import annotations

from dataclasses import dataclass

from hover_async.build_record import BuildRecord
from hover_async.errors import BuildMissing, PushFailed
from hover_async.events import Progress, Reporter, Step
from hover_async.ports import ImagePusher, PushedImage, Registry
from hover_async.values import Digest, ImageRef


@dataclass(frozen=True)
class DeployableImage:
    """An image that the registry holds and Lambda will take; `uri` names it by digest."""

    uri: str
    digest: Digest
    pushed: bool

    def __str__(self) -> str:
        return "pushed" if self.pushed else "already there"


async def push_image(
    build: BuildRecord, repository: str, images: ImagePusher, registry: Registry, report: Reporter
) -> DeployableImage:
    """Push the image to `repository` under its build id and ask the registry what it holds now.

    A build id is never given twice, so a tag that stands already is this image: nothing is sent.
    The engine ends its stream normally even when the connection was cut; only the registry's
    answer counts. Raises `BuildMissing` when the local image is gone, `PushFailed` otherwise.
    """
    found = await registry.find(build.build_id)
    pushed = found is None
    if found is None:
        found = await _push(build, repository, images, registry, report)
    if found.problem:
        raise PushFailed(
            f"image {build.image} was pushed, but Lambda would refuse it: {found.problem}",
            hint="build it with 'hover-async build', which makes the one form that Lambda takes",
        )
    return DeployableImage(registry.deployable(found.digest), found.digest, pushed)


async def _push(
    build: BuildRecord, repository: str, images: ImagePusher, registry: Registry, report: Reporter
) -> PushedImage:
    local = await images.inspect(build.image)
    if local is None or local.id != build.image_id:
        raise BuildMissing(
            f"the image {build.image} of this build is not on this machine any more",
            hint=f"run 'hover-async build {build.stage}' again",
        )
    target = ImageRef(repository, tag=build.build_id)
    login = await registry.login()

    def on_progress(done_bytes: int, total_bytes: int) -> None:
        report(Progress(Step.PUSH, done_bytes, total_bytes, "bytes"))

    await images.push(build.image, target, login, on_progress)
    found = await registry.find(build.build_id)
    if found is None:
        raise PushFailed(
            f"the push of {target} ended, but the registry does not hold it",
            hint="the connection was probably cut; deploy again, layers that arrived are kept",
        )
    return found
