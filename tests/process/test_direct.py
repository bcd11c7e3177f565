"""The direct lane on a fake cloud: a new image without the stack, and back to the stack again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from hover_async.deploy.deployment import Deployment, Order
from hover_async.deploy.plan import plan_build
from hover_async.doctor.direct import direct_check
from hover_async.doctor.machine import Patient
from hover_async.errors import (
    AccessDenied,
    CommandFailed,
    Conflict,
    DirectRefused,
    HoverError,
    VersionFailed,
)
from hover_async.events import CodeUpdated, Step
from hover_async.values import FunctionName, Lane, Version
from tests.process.stage import MANIFEST, Stage

FUNCTIONS = ["shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue"]
CLI = FunctionName("shop-dev-cli")


@pytest.fixture
def live(stage: Stage) -> Stage:
    """A stage whose first build is live, by its stack."""
    stage.run(stage.deploy)
    return stage


def direct(order: Order) -> Order:
    return replace(order, lane=Lane.DIRECT)


def deployed(stage: Stage, order: Order) -> Deployment:
    return stage.run(lambda: stage.deploy(order))


def refusal(stage: Stage, order: Order, kind: type[HoverError] = DirectRefused) -> HoverError:
    """The failure of a deploy; nothing live has changed by it."""
    before = stage.live()

    async def attempt() -> HoverError:
        with pytest.raises(kind) as caught:
            await stage.deploy(order)
        return caught.value

    error = stage.run(attempt)
    assert stage.live() == before
    return error


def template_image(stage: Stage) -> str:
    """The image that the deployed template names."""
    template = stage.cloud.stacks.stacks["shop-dev"].template
    return str(template["Resources"]["HttpFunction"]["Properties"]["Code"]["ImageUri"])


def images(stage: Stage) -> set[str]:
    """What `$LATEST` of the functions holds."""
    return {function.image_uri for function in stage.cloud.lambdas.functions.values()}


def live_images(stage: Stage) -> set[str]:
    return {
        function.versions[function.live.version].image_uri
        for function in stage.cloud.lambdas.functions.values()
    }


def test_only_the_image_without_the_stack(live: Stage) -> None:
    """Every function gets a version of the new image and goes live, and no stack is touched."""
    before = template_image(live)
    deployment = deployed(live, direct(live.build()))
    assert live.live() == dict.fromkeys(FUNCTIONS, "2")
    assert live_images(live) == {deployment.artifacts.image.uri}
    assert "stacks.update" not in live.cloud.world.names()
    assert template_image(live) == before != deployment.artifacts.image.uri
    assert {event.function for event in live.report.of(CodeUpdated)} == set(FUNCTIONS)
    assert Step.STACK not in live.report.started()
    assert deployment.url == "https://d111111abcdef8.cloudfront.net"


def test_it_is_faster_than_the_stack(live: Stage) -> None:
    """What is left out is the stack's operation."""
    by_stack = deployed(live, live.build()).seconds
    assert deployed(live, direct(live.build())).seconds < by_stack - 10


def test_the_critical_path_leads_through_the_versions(live: Stage) -> None:
    """Without a stack, the versions have waited for the lock."""
    steps = {timed.step: timed for timed in deployed(live, direct(live.build())).steps}
    assert steps[Step.PUBLISH].critical
    assert steps[Step.LOCK].critical


def test_the_release_says_how(live: Stage) -> None:
    """The record names the lane, and still the manifest that the stack was made of."""
    recorded = live.cloud.documents.documents["hover/live.json"].body
    assert b'"lane": "stack"' in recorded
    deployed(live, direct(live.build()))
    assert b'"lane": "direct"' in live.cloud.documents.documents["hover/live.json"].body


def test_the_same_build_twice(live: Stage) -> None:
    """Deploying a build directly once more gives no function the image again, and no version."""
    order = direct(live.build())
    deployed(live, order)
    deployed(live, order)
    assert "functions.update_code" not in live.cloud.world.names()
    assert live.live() == dict.fromkeys(FUNCTIONS, "2")


# Back to the stack


def test_the_stack_catches_up_with_the_same_build(live: Stage) -> None:
    """By the stack the same build again: the template gets its image, and no version is made."""
    order = live.build()
    deployment = deployed(live, direct(order))
    deployed(live, order)
    assert "stacks.update" in live.cloud.world.names()
    assert template_image(live) == deployment.artifacts.image.uri
    assert live.live() == dict.fromkeys(FUNCTIONS, "2")


def test_the_stack_catches_up_with_the_next_build(live: Stage) -> None:
    """By the stack another build: all is that build's, the template included."""
    deployed(live, direct(live.build()))
    deployment = deployed(live, live.build())
    assert {template_image(live)} == images(live) == live_images(live)
    assert live_images(live) == {deployment.artifacts.image.uri}


def test_the_build_that_the_stack_has_already(stage: Stage) -> None:
    """By the stack the build from before the direct one: CloudFormation sees no change, and still
    everything is that build's."""
    first = stage.build()
    deployment = deployed(stage, first)
    deployed(stage, direct(stage.build()))
    again = deployed(stage, first)
    assert again.artifacts.stack.done == "unchanged"
    assert live_images(stage) == images(stage) == {deployment.artifacts.image.uri}
    assert stage.live() == dict.fromkeys(FUNCTIONS, "3")


def test_the_build_that_the_stack_has_without_the_right(stage: Stage) -> None:
    """Who may not give a function its image is told which right it takes; nothing live changes."""
    first = stage.build()
    deployed(stage, first)
    deployed(stage, direct(stage.build()))
    stage.cloud.world.fail("functions.update_code", lambda: AccessDenied("no"), times=9)
    error = refusal(stage, first, VersionFailed)
    assert "iam deployer --direct" in str(error.hint)


def test_a_direct_deploy_that_failed_leaves_nothing_behind(stage: Stage) -> None:
    """After a cancelled direct deploy, the live build deployed again by the stack is live whole."""
    first = stage.build()
    deployment = deployed(stage, first)
    stage.cloud.lambdas.commands = lambda _: (1, "no")
    refusal(stage, direct(stage.build()), CommandFailed)
    stage.cloud.lambdas.commands = lambda _: (0, "ok")
    deployed(stage, first)
    assert live_images(stage) == images(stage) == {deployment.artifacts.image.uri}


def test_the_image_in_the_template_is_kept(stage: Stage) -> None:
    """However many direct deploys follow, the build whose image the stack would roll back to is not
    taken away; once the stack has another one, it is."""
    stage.manifest_text = f"{MANIFEST}retain: 2\n"
    first = stage.build()
    deployed(stage, first)
    others = [stage.build() for _ in range(5)]
    for order in others:
        deployed(stage, direct(order))
    built = [order.build.build_id for order in (first, *others)]
    assert set(stage.cloud.registry.images) & set(built) == {built[0], *built[-2:]}
    deployed(stage, stage.build())
    assert built[0] not in stage.cloud.registry.images


# Cancelled and refused


def test_a_failing_command_cancels(live: Stage) -> None:
    """As in the stack lane: no alias moves."""
    live.cloud.lambdas.commands = lambda _: (3, "no")
    refusal(live, direct(live.build()), CommandFailed)
    assert "functions.move_alias" not in live.cloud.world.names()


def test_a_rival_that_changes_a_function(live: Stage) -> None:
    """A function that somebody changed since it was read is not given the image."""
    live.cloud.world.fail("functions.update_code", lambda: Conflict("changed"), subject=CLI)
    refusal(live, direct(live.build()), Conflict)


CHANGES: Mapping[str, tuple[Callable[[str], str], str]] = {
    "memory": (
        lambda text: text.replace("health: /up", "health: /up, memory: 2048"),
        "function 'shop-dev-http': MemorySize 1024 -> 2048",
    ),
    "a tag": (lambda text: f"{text}tags: {{team: shop}}\n", "its tags are others"),
    "a new function": (
        lambda text: f"{text}  mails: {{}}\n",
        "function 'shop-dev-mails-queue' was never live",
    ),
    "a function less": (
        lambda text: re.sub(r"queue:\n.*\n", "", text),
        "functions leave, or queues change hands",
    ),
    "another queue": (
        lambda text: text.replace("[default]", "[default, mails]"),
        "would be created",
    ),
    "the schedule": (lambda text: f"{text}cli: {{schedule: off}}\n", "would be deleted"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_but_the_image_is_refused(live: Stage, change: str) -> None:
    """The refusal says what differs and how to go on, before image or assets are all sent."""
    edit, reason = CHANGES[change]
    live.manifest_text = edit(MANIFEST)
    error = refusal(live, direct(live.build()))
    assert isinstance(error, DirectRefused)
    assert any(reason in told for told in error.reasons), error.reasons
    assert error.hint == "deploy with --stack: it changes everything that differs"
    assert "functions.update_code" not in live.cloud.world.names()
    live.run(lambda: live.deploy(live.build()))  # as the hint says


def test_a_first_deploy_is_refused(stage: Stage) -> None:
    """Without a stack there is no function to give an image to."""
    error = refusal(stage, direct(stage.build()))
    assert "the first deploy makes it" in error.message


def test_functions_that_were_never_live_are_refused(stage: Stage) -> None:
    """A `live` that is still at $LATEST would show visitors the image before the flip."""
    stage.cloud.lambdas.commands = lambda _: (1, "no")
    assert isinstance(failure(stage), CommandFailed)
    error = refusal(stage, direct(stage.build()))
    assert "was never live" in error.message


def failure(stage: Stage) -> HoverError:
    async def attempt() -> HoverError:
        with pytest.raises(HoverError) as caught:
            await stage.deploy()
        return caught.value

    return stage.run(attempt)


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_FAILED"]
)
def test_a_busy_stack_is_refused(live: Stage, status: str) -> None:
    """While CloudFormation works on the functions, or could not finish, nobody else does."""
    stack = live.cloud.stacks.stacks["shop-dev"]
    stack.ended = status
    error = refusal(live, direct(live.build()))
    assert status in error.message


def test_a_stack_that_was_rolled_back_is_refused(live: Stage) -> None:
    """What such a template says may not be what stands: the stack has to put it right."""
    live.cloud.stacks.failure = ("CliFunction", "no")
    failure(live)
    assert "UPDATE_ROLLBACK_COMPLETE" in refusal(live, direct(live.build())).message


@pytest.mark.parametrize("body", ["Resources: {}", "[]", '{"Resources": {"A": 1}}'])
def test_a_template_that_cannot_be_read_is_refused(live: Stage, body: str) -> None:
    """What somebody deployed by hand is not taken for ours."""
    live.cloud.stacks.stacks["shop-dev"].body = body
    assert "its template cannot be read" in refusal(live, direct(live.build())).message


def test_without_the_right_to_read_the_template(live: Stage) -> None:
    """What cannot be compared is not taken to be equal."""
    live.cloud.world.fail("stacks.templates", lambda: AccessDenied("no"), times=9)
    assert "its template cannot be read" in refusal(live, direct(live.build())).message


def test_a_stack_changed_during_the_push_is_found_out(live: Stage) -> None:
    """The comparison before the push does not count: with the lock held it is made again."""
    templates = live.cloud.stacks.templates
    asked: list[str] = []

    async def changed(name: str) -> Mapping[str, str]:
        asked.append(name)
        found = await templates(name)
        if len(asked) == 1:
            return found
        return {"": found[""].replace('"MemorySize":1024', '"MemorySize":512')}

    live.cloud.stacks.templates = changed  # type: ignore[method-assign]
    error = refusal(live, direct(live.build()))
    assert "MemorySize 512 -> 1024" in error.message
    assert "images.push" in live.cloud.world.names()


def test_a_refusal_does_not_wait_for_the_push(live: Stage) -> None:
    """A memory that differs is told within a second, however long the image takes."""
    live.cloud.world.latency_s["images.push"] = 300.0
    live.manifest_text = MANIFEST.replace("health: /up", "health: /up, memory: 2048")
    before = live.clock.current_time()
    refusal(live, direct(live.build()))
    assert live.clock.current_time() - before < 2


# Foretold


@pytest.mark.parametrize(
    ("edit", "health", "words"),
    [("", "ok", "nothing but the image would change"), (", memory: 2048", "warning", "MemorySize")],
)
def test_the_doctor_tells_before(live: Stage, edit: str, health: str, words: str) -> None:
    """Where the manifest asks for the direct lane, the doctor says whether it takes a deploy."""
    text = MANIFEST.replace("health: /up", f"health: /up{edit}")
    live.manifest_text = f"{text}deploy: {{code: direct}}\n"
    order = live.build()
    patient = Patient(live.root, "dev", order.manifest, order.edge)
    found = live.run(direct_check(patient, live.cloud.ports).examine)
    assert (found.health, words in found.found) == (health, True), found


def functions_of(stage: Stage, order: Order) -> dict[str, tuple[Version | None, str]]:
    async def ask() -> dict[str, tuple[Version | None, str]]:
        plan = await plan_build(order, stage.cloud.ports, stage.report)
        return {each.name: (each.live, each.does) for each in plan.functions}

    return stage.run(ask)


def test_a_plan_of_a_direct_deploy(live: Stage) -> None:
    """The stack stays, every function gets a version, and CloudFormation is not asked."""
    order = direct(live.build())
    live.cloud.world.calls.clear()
    plan = live.run(lambda: plan_build(order, live.cloud.ports, live.report))
    assert (plan.lane, plan.stack.does, plan.stack.refused) == (Lane.DIRECT, "nothing", ())
    assert {function.does for function in plan.functions} == {"new-version"}
    assert plan.exit_code == 2
    assert "change_sets.create" not in live.cloud.world.names()


def test_a_plan_of_a_direct_deploy_that_would_be_refused(live: Stage) -> None:
    """It says why, and what a deploy by the stack would do instead."""
    live.manifest_text = MANIFEST.replace("health: /up", "health: /up, memory: 2048")
    order = direct(live.build())
    plan = live.run(lambda: plan_build(order, live.cloud.ports, live.report))
    assert list(plan.stack.refused) == ["function 'shop-dev-http': MemorySize 1024 -> 2048"]
    assert plan.stack.does == "update"


def test_a_plan_after_a_direct_deploy_is_true(live: Stage) -> None:
    """By the stack the same build would bring the template up to date, and make no version."""
    order = live.build()
    deployed(live, direct(order))
    plan = live.run(lambda: plan_build(order, live.cloud.ports, live.report))
    assert plan.stack.does == "update"
    assert {function.does for function in plan.functions} == {"nothing"}


def test_a_plan_after_a_direct_deploy_that_was_cancelled_is_true(stage: Stage) -> None:
    """The live build deployed again makes new versions, since `$LATEST` has another image."""
    first = stage.build()
    deployed(stage, first)
    assert set(functions_of(stage, first).values()) == {("1", "nothing")}
    stage.cloud.lambdas.commands = lambda _: (1, "no")
    refusal(stage, direct(stage.build()), CommandFailed)
    assert set(functions_of(stage, first).values()) == {("1", "new-version")}
    stage.cloud.lambdas.commands = lambda _: (0, "ok")
    deployed(stage, first)
    assert stage.live() == dict.fromkeys(FUNCTIONS, "3")
