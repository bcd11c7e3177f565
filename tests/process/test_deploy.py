"""The deploy on a fake cloud: what it does when all goes well."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from hover_async.deploy.upload import upload_assets
from hover_async.events import AliasMoved, ContainerWarmed, Output, Step, Warned
from hover_async.ports import StackRequest
from hover_async.testing.lambdas import Container
from tests.process.stage import Stage, build_id

FUNCTIONS = ["shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue"]


def test_first_deploy_makes_everything_live(stage: Stage) -> None:
    """After a first deploy every function's live is version 1 and holds this build's image."""
    deployment = stage.run(stage.deploy)
    assert stage.live() == dict.fromkeys(FUNCTIONS, "1")
    assert deployment.url == "https://d111111abcdef8.cloudfront.net"
    images = {function.image_uri for function in stage.cloud.lambdas.functions.values()}
    assert images == {deployment.artifacts.image.uri}
    assert "@sha256:" in deployment.artifacts.image.uri


def test_assets_stand_under_the_build_id(stage: Stage) -> None:
    """Every asset is an object in the build's directory, typed and immutable."""
    stage.run(stage.deploy)
    stored = stage.cloud.assets.objects[f"{build_id(1)}/build/assets/app-1234.css"]
    assert stored.body == b"body { color: teal }"
    assert stored.headers.content_type == "text/css; charset=utf-8"
    assert stored.headers.cache_control == "public, max-age=31536000, immutable"
    assert len(stage.cloud.assets.objects) == 3


def test_upload_and_image_branch_overlap(stage: Stage) -> None:
    """A later deploy's makespan is its longest branch, not the sum: assets cost nothing."""
    stage.run(stage.deploy)
    world = stage.cloud.world
    world.latency_s["assets.put"] = 10.0
    for path in ("a.css", "b.css", "c.css"):
        stage.write(path, path.encode())
    slow_assets = stage.run(stage.deploy)
    assert slow_assets.artifacts.uploaded.sent == 3
    upload, stack = (
        next(timed for timed in slow_assets.steps if timed.step is step)
        for step in (Step.UPLOAD, Step.STACK)
    )
    assert upload.seconds > 10
    assert upload.start_s < stack.start_s < upload.end_s
    assert not upload.critical
    assert stack.critical


def test_first_stack_waits_for_the_assets(stage: Stage) -> None:
    """Where nothing was ever live the stack is the going live, so the assets stand before it."""
    stage.cloud.world.latency_s["assets.put"] = 30.0
    stage.run(stage.deploy)
    began_at_s = {call.name: call.at_s for call in stage.cloud.world.calls}  # the last of a name
    assert began_at_s["stacks.create"] >= began_at_s["assets.put"] + 30


def test_nothing_moves_before_everything_succeeded(stage: Stage) -> None:
    """The first alias moves after stack, versions, warming, commands and health."""
    stage.run(stage.deploy)
    order = stage.report.finished()
    for step in (Step.UPLOAD, Step.STACK, Step.PUBLISH, Step.WARM, Step.COMMANDS, Step.HEALTH):
        assert order.index(step) < order.index(Step.ACTIVATE)
    names = stage.cloud.world.names()
    assert names.index("functions.move_alias") > max(
        index for index, name in enumerate(names) if name == "functions.invoke"
    )


def test_consumers_move_before_producers(stage: Stage) -> None:
    """The queue function flips first, then cli, then http."""
    stage.run(stage.deploy)
    moved = [event.function for event in stage.report.of(AliasMoved)]
    assert moved == ["shop-dev-jobs-queue", "shop-dev-cli", "shop-dev-http"]


def test_versions_are_published_concurrently(stage: Stage) -> None:
    """All functions' versions are published at the same time."""
    stage.run(stage.deploy)
    assert stage.cloud.world.most_at_once["functions.publish"] == 3


def test_warm_containers_are_distinct(stage: Stage) -> None:
    """Warming asks until as many different containers as wanted have answered."""
    deployment = stage.run(stage.deploy)
    assert deployment.rehearsal.warmth.warm == 3
    instances = [event.instance for event in stage.report.of(ContainerWarmed)]
    assert len(set(instances)) == 3


def test_commands_run_in_order_once_on_the_new_version(stage: Stage) -> None:
    """Deploy commands run once each, in order, and their output is reported."""
    stage.run(stage.deploy)
    assert stage.cloud.lambdas.ran == [["migrate", "--force"], ["cache:clear"]]
    outputs = [event.text for event in stage.report.of(Output)]
    assert outputs == ["ran migrate --force\n", "ran cache:clear\n"]


def test_workers_start_only_after_activation(stage: Stage) -> None:
    """The first stack has its event sources off; they are on once the functions are live."""
    states = []
    create = stage.cloud.stacks.create

    async def watched(request: StackRequest) -> None:
        states.append(enabled(json.loads(request.template)))
        await create(request)

    stage.cloud.stacks.create = watched  # type: ignore[method-assign]
    stage.run(stage.deploy)
    assert states == [{"ConsumerDefault": False}]
    template = stage.cloud.stacks.stacks["shop-dev"].template
    assert enabled(template) == {"ConsumerDefault": True}
    steps = stage.report.finished()
    assert steps.index(Step.ACTIVATE) < steps.index(Step.WORKERS)


def enabled(template: dict[str, Any]) -> dict[str, bool]:
    return {
        name: resource["Properties"]["Enabled"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    }


def test_second_deploy_changes_only_the_image(stage: Stage) -> None:
    """With an unchanged manifest the template differs in ImageUri alone, and workers stay on."""
    stage.run(stage.deploy)
    before = stage.cloud.stacks.stacks["shop-dev"]
    first = before.body.replace(uri(before.template), "IMAGE")
    stage.run(stage.deploy)
    after = stage.cloud.stacks.stacks["shop-dev"]
    assert after.body.replace(uri(after.template), "IMAGE") == first
    assert Step.WORKERS not in stage.report.started()
    assert stage.live() == dict.fromkeys(FUNCTIONS, "2")


def uri(template: dict[str, Any]) -> str:
    return str(template["Resources"]["HttpFunction"]["Properties"]["Code"]["ImageUri"])


def test_same_build_twice_changes_nothing(stage: Stage) -> None:
    """Deploying a build that is live already sends nothing and makes no version."""
    order = stage.build()

    async def twice() -> None:
        await stage.deploy(order)
        await stage.deploy(order)

    stage.run(twice)
    names = stage.cloud.world.names()
    assert "assets.put" not in names
    assert "images.push" not in names
    assert "functions.move_alias" not in names
    assert stage.live() == dict.fromkeys(FUNCTIONS, "1")


def test_unchanged_assets_are_copied_not_sent(stage: Stage) -> None:
    """A later build sends only the files whose content is new."""
    stage.run(stage.deploy)
    stage.write("images/logo.svg", b"<svg>new</svg>")
    deployment = stage.run(stage.deploy)
    assert (deployment.artifacts.uploaded.sent, deployment.artifacts.uploaded.copied) == (1, 2)
    stored = stage.cloud.assets.objects
    assert stored[f"{build_id(2)}/images/logo.svg"].body == b"<svg>new</svg>"
    assert stored[f"{build_id(2)}/js/app.js"].body == b"console.log(1)"


def test_large_asset_goes_in_parallel_parts(stage: Stage) -> None:
    """A file above the part size arrives whole, in parts sent at the same time."""
    content = bytes(range(256)) * 4096 * 20
    stage.write("video.mp4", content)
    cloud, order = stage.cloud, stage.build()
    cloud.assets.bucket_exists = True
    cloud.world.latency_s["assets.put_part"] = 0.3

    async def upload() -> None:
        build = order.build.build_id
        await upload_assets(order.assets, build, cloud.assets, cloud.documents, stage.report)

    anyio.run(upload)  # in real time: files are read in threads, which no virtual clock waits for
    assert cloud.assets.objects[f"{build_id(1)}/video.mp4"].body == content
    assert cloud.world.most_at_once["assets.put_part"] == 3
    assert not cloud.assets.open_uploads


def test_release_is_recorded(stage: Stage) -> None:
    """A finished deploy leaves its release, names it live, and no lock or activation record."""
    stage.run(stage.deploy)
    documents = stage.cloud.documents.documents
    record = json.loads(documents["hover/live.json"].body)
    assert record["build_id"] == build_id(1)
    assert record["versions"] == dict.fromkeys(FUNCTIONS, "1")
    assert f"hover/releases/{build_id(1)}.json" in documents
    assert "hover/lock.json" not in documents
    assert "hover/activation.json" not in documents


@pytest.mark.parametrize("free", [1, 2])
def test_too_little_concurrency_is_told_not_fatal(stage: Stage, free: int) -> None:
    """Warming takes half of what the account has, and says why fewer containers are warm."""
    stage.cloud.lambdas.free_concurrency = free
    stage.run(stage.deploy)
    (warning,) = stage.report.of(Warned)
    assert warning.message == (
        f"1 of 3 containers are warm: the account leaves {free} executions unreserved, "
        "and warming takes half of them"
    )
    assert "Service Quotas" in str(warning.hint)
    assert stage.live() == dict.fromkeys(FUNCTIONS, "1")


def test_a_reserve_smaller_than_what_shall_be_warm_is_told(stage: Stage) -> None:
    """Four of ten are warm, because the manifest's own number is four; what to change is said."""
    stage.manifest_text = stage.manifest_text.replace("warm: 3", "warm: 10, concurrency: 4")
    deployment = stage.run(stage.deploy)
    assert str(deployment.rehearsal.warmth) == "4 of 10 containers, slowest boot 1200 ms"
    assert stage.cloud.world.most_at_once["functions.invoke"] <= 4 + len(["a command"])
    (warning,) = stage.report.of(Warned)
    assert warning.message == (
        "4 of 10 containers are warm: http.concurrency is 4, and no more can run at once"
    )
    assert warning.hint == "raise http.concurrency, or lower http.warm to 4"


def test_a_reserve_that_visitors_use_is_told(stage: Stage) -> None:
    """Pings that are throttled start nothing; what was reached is told with Lambda's words."""
    without_commands = re.sub(r"deploy-commands:\n(  - .*\n)+", "", stage.manifest_text)
    stage.manifest_text = without_commands.replace("warm: 3", "warm: 3, concurrency: 3")
    stage.cloud.lambdas.free_concurrency = 2
    deployment = stage.run(stage.deploy)
    assert deployment.rehearsal.warmth.warm == 2
    (warning,) = stage.report.of(Warned)
    assert warning.message.startswith(
        "2 of 3 containers are warm: no more concurrency is free (Rate Exceeded"
    )
    assert warning.hint is None


def test_containers_that_are_met_again_are_counted_once(stage: Stage) -> None:
    """However many pings one container answers, it is one that is warm."""

    async def answer(event: Mapping[str, Any], container: Container, *, cold: bool) -> object:
        named = await real(event, container, cold=cold)
        return {**named, "instance": "the only one"} if "instance" in named else named

    real = stage.cloud.lambdas._answer
    stage.cloud.lambdas._answer = answer  # type: ignore[assignment, method-assign]
    stage.run(stage.deploy)
    (warning,) = stage.report.of(Warned)
    assert warning.message == ("1 of 3 containers are warm: the same ones answered in every round")


def test_large_template_goes_through_s3(stage: Stage) -> None:
    """A template above CloudFormation's 51,200 bytes is an object that the request names."""
    queues = "".join(f"  q{number}: {{queues: [queue{number}]}}\n" for number in range(45))
    stage.manifest_text = stage.manifest_text.replace("queue:\n", f"queue:\n{queues}")
    deployment = stage.run(stage.deploy)
    assert len(deployment.artifacts.stack.functions) == 48
    assert any(key.startswith("hover/templates/") for key in stage.cloud.assets.objects)
