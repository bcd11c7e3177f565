"""The deploy over the real adapters, whose clients are in memory: what a call's failure becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hover_async.deploy.deployment import Deployment
from hover_async.deploy.process import deploy_build
from hover_async.errors import AccessDenied
from hover_async.testing import RecordingReporter
from hover_async.testing.clients import ports_over, refused, throttled
from hover_async.values import Lane
from tests.process.stage import Stage

LARGE = "\nqueue:\n" + "".join(f"  jobs-{number}: {{}}\n" for number in range(160))


def deploy(stage: Stage, times: int = 1) -> list[Deployment]:
    """Deploy `times` builds, one after the other."""
    ports = ports_over(stage.cloud)

    async def work() -> list[Deployment]:
        return [
            await deploy_build(stage.build(), ports, stage.cloud.images, RecordingReporter())
            for _ in range(times)
        ]

    return stage.run(work)


def test_a_deploy_through_the_clients(stage: Stage) -> None:
    """Two builds go live through botocore's own names and answers, as they do through the ports."""
    _, second = deploy(stage, times=2)
    assert stage.live() == second.artifacts.versions.by_function
    assert set(stage.live().values()) == {"2"}
    assert second.artifacts.uploaded.copied == 3


@pytest.mark.parametrize("fault", [None, "before", "after", "rate"])
def test_the_direct_lane_through_the_clients(stage: Stage, fault: str | None) -> None:
    """An image is given by itself, also where the answer is lost or the call refused at first."""
    deploy(stage)
    if fault:
        stage.cloud.world.fail(
            "lambda.UpdateFunctionCode",
            lambda: throttled("x") if fault == "rate" else refused("ServiceException", 500),
            after_effect=fault == "after",
            times=2,
        )
    order = replace(stage.build(), lane=Lane.DIRECT)
    ports, images = ports_over(stage.cloud), stage.cloud.images
    second = stage.run(lambda: deploy_build(order, ports, images, RecordingReporter()))
    assert stage.live() == second.artifacts.versions.by_function
    held = {function.image_uri for function in stage.cloud.lambdas.functions.values()}
    assert held == {second.artifacts.image.uri}
    assert set(stage.live().values()) == {"2"}


def test_a_stage_of_nested_stacks_through_the_clients(stage: Stage) -> None:
    """Functions of nested stacks are found over several pages, and go live with the others."""
    stage.manifest_text = stage.manifest_text.partition("queue:")[0] + LARGE
    first, second = deploy(stage, times=2)
    assert len(first.artifacts.versions.by_function) == 162
    assert stage.live() == second.artifacts.versions.by_function


@pytest.mark.parametrize(
    "operation",
    ["lambda.PublishVersion", "lambda.UpdateAlias", "cloudformation.UpdateStack", "s3.GetObject"],
)
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_lost_answer_is_survived(stage: Stage, operation: str, *, after_effect: bool) -> None:
    """A 500 before or after the effect of a repeatable call changes nothing at the end."""
    deploy(stage)
    stage.cloud.world.fail(
        operation, lambda: refused("ServiceException", 500), after_effect=after_effect
    )
    (second,) = deploy(stage)
    assert stage.live() == second.artifacts.versions.by_function


@pytest.mark.parametrize(
    "operation", ["lambda.UpdateAlias", "lambda.GetFunction", "s3.PutObject", "sqs.TagQueue"]
)
def test_a_refusal_for_its_rate_is_survived(stage: Stage, operation: str) -> None:
    """A call that is refused for its rate a few times is sent again until it passes."""
    stage.cloud.world.fail(operation, lambda: throttled(operation), times=3)
    (first,) = deploy(stage)
    assert stage.live() == first.artifacts.versions.by_function


@pytest.mark.parametrize("operation", ["lambda.PublishVersion", "cloudformation.UpdateStack"])
def test_a_denied_call_ends_the_deploy(stage: Stage, operation: str) -> None:
    """AccessDenied is raised at once, and nothing live has moved."""
    deploy(stage)
    before = stage.live()
    stage.cloud.world.fail(operation, lambda: refused("AccessDeniedException", 403))
    with pytest.raises(AccessDenied):
        deploy(stage)
    assert stage.live() == before
