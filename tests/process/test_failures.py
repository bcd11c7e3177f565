"""The deploy on a fake cloud: whatever fails or is interrupted, nothing live has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.process import deploy_build
from hover_async.errors import (
    AccessDenied,
    ActivationMixed,
    ActivationRestored,
    AssetChanged,
    BuildMissing,
    CommandFailed,
    Conflict,
    EndpointUnreachable,
    HealthFailed,
    HoverError,
    LockHeld,
    OutcomeUnknown,
    PushFailed,
    StackFailed,
    StackUnusable,
    Throttled,
    VersionFailed,
    WarmingFailed,
    WorkersNotStarted,
)
from hover_async.events import AliasMoved, Event, LiveNow, Output, Step, Warned
from hover_async.ports import Alias, Document, StackEvent, StackRequest
from hover_async.testing.stacks import Operation
from hover_async.values import Version
from tests.process.stage import Stage, build_id

FUNCTIONS = ["shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue"]
LIVE_1 = dict.fromkeys(FUNCTIONS, "1")
LIVE_2 = dict.fromkeys(FUNCTIONS, "2")

EVERY_CALL_BEFORE_THE_FLIP = [
    "assets.ensure_bucket",
    "assets.put",
    "documents.create",
    "documents.read",
    "documents.replace",
    "functions.alias",
    "functions.invoke",
    "functions.publish",
    "functions.state",
    "images.inspect",
    "images.push",
    "logs.find",
    "queues.find",
    "registry.ensure_repository",
    "registry.find",
    "registry.login",
    "stacks.describe",
    "stacks.events",
    "stacks.functions",
    "stacks.update",
]


def fails(stage: Stage, kind: type[HoverError]) -> HoverError:
    """Deploy a second build, which must fail with `kind` and leave the first one live."""

    async def attempt() -> HoverError:
        with pytest.raises(kind) as caught:
            await stage.deploy()
        return caught.value

    error = stage.run(attempt)
    assert type(error) is kind
    assert stage.live() == LIVE_1
    assert stage.report.of(LiveNow)[-1].versions == LIVE_1
    assert "functions.move_alias" not in stage.cloud.world.names()
    assert LOCK_KEY not in stage.cloud.documents.documents
    assert not stage.cloud.assets.open_uploads
    return error


@pytest.fixture
def live(stage: Stage) -> Stage:
    """A stage whose first build is live, with new assets for the second."""
    stage.run(stage.deploy)
    stage.write("js/new.js", b"new")
    return stage


@pytest.mark.parametrize("call", EVERY_CALL_BEFORE_THE_FLIP)
def test_a_refused_call_stops_the_deploy(live: Stage, call: str) -> None:
    """Whichever call before the flip is refused for good, no alias moves and the lock is free."""
    live.cloud.world.fail(call, lambda: AccessDenied("may not"), times=1000)

    async def attempt() -> None:
        with pytest.raises(HoverError):
            await live.deploy()

    live.run(attempt)
    assert live.live() == LIVE_1
    assert "functions.move_alias" not in live.cloud.world.names()
    assert not live.cloud.assets.open_uploads


@pytest.mark.parametrize("call", EVERY_CALL_BEFORE_THE_FLIP)
def test_an_interrupt_at_any_call_leaves_nothing_behind(live: Stage, call: str) -> None:
    """Cancelled in the middle of any call before the flip: no alias moves, no lock, no upload."""
    live.cloud.world.latency_s[call] = 5.0

    async def attempt() -> None:
        async with anyio.create_task_group() as group:
            live.cloud.world.calls.clear()
            reached = live.cloud.world.reached(call)
            group.start_soon(live.deploy)
            await reached.wait()
            await anyio.sleep(0.01)
            interrupted_at = anyio.current_time()
            group.cancel_scope.cancel()
        assert anyio.current_time() - interrupted_at < 20

    live.run(attempt)
    assert live.live() == LIVE_1
    assert "functions.move_alias" not in live.cloud.world.names()
    assert LOCK_KEY not in live.cloud.documents.documents
    assert not live.cloud.assets.open_uploads


def test_interrupted_multipart_upload_is_aborted(live: Stage) -> None:
    """A cancelled upload of a large file leaves no multipart upload open."""
    live.write("video.mp4", bytes(20 * 1024 * 1024))
    live.cloud.world.latency_s["assets.put_part"] = 1000.0

    async def attempt() -> None:
        async with anyio.create_task_group() as group:
            reached = live.cloud.world.reached("assets.put_part")
            group.start_soon(live.deploy)
            await reached.wait()
            assert live.cloud.assets.open_uploads
            group.cancel_scope.cancel()

    live.run(attempt)
    assert not live.cloud.assets.open_uploads
    assert "assets.abort_multipart" in live.cloud.world.names()


def test_failing_command_cancels(live: Stage) -> None:
    """A command that exits 3 is shown, nothing runs after it, and the deploy fails."""
    live.cloud.lambdas.ran.clear()
    live.cloud.lambdas.commands = lambda _: (3, "no table\n")
    error = fails(live, CommandFailed)
    assert isinstance(error, CommandFailed)
    assert error.exit_status == 3
    assert str(error) == "'php artisan migrate --force' exited with 3"
    assert [event.text for event in live.report.of(Output)] == ["no table\n"]
    assert live.cloud.lambdas.ran == [["migrate", "--force"]]


def test_command_with_unknown_outcome_is_never_sent_again(live: Stage) -> None:
    """A command whose answer is lost cancels the deploy, having been sent exactly once."""
    live.cloud.lambdas.ran.clear()
    live.cloud.world.fail(
        "functions.invoke",
        lambda: OutcomeUnknown("no answer"),
        subject="shop-dev-cli",
        after_effect=True,
    )
    error = fails(live, CommandFailed)
    assert "not known" in str(error)
    assert live.cloud.lambdas.ran == [["migrate", "--force"]]


def test_image_that_cannot_boot_fails_with_its_own_words(live: Stage) -> None:
    """Warming fails with the container's own message."""
    live.cloud.lambdas.boot_error = "PHP Parse error: unexpected token in index.php"
    error = fails(live, WarmingFailed)
    assert "PHP Parse error: unexpected token in index.php" in str(error)


def test_unhealthy_version_fails(live: Stage) -> None:
    """A health request that answers 500 stops the deploy."""
    live.cloud.lambdas.health_status = 500
    assert "/up of the new version answered 500" in str(fails(live, HealthFailed))


def test_rolled_back_stack_is_a_failure(live: Stage) -> None:
    """UPDATE_ROLLBACK_COMPLETE fails with the reason of the resource that failed."""
    live.cloud.stacks.failure = ("HttpFunction", "image not found")
    error = fails(live, StackFailed)
    assert "UPDATE_ROLLBACK_COMPLETE" in str(error)
    assert "HttpFunction (AWS::Lambda::Function): image not found" in str(error)


@pytest.mark.parametrize(
    "status",
    ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "UPDATE_IN_PROGRESS", "ROLLBACK_FAILED", "NEW_ONE"],
)
def test_stack_that_cannot_be_updated_is_refused(live: Stage, status: str) -> None:
    """A stack in a state no update can start from is an error that says what to do."""
    live.cloud.stacks.stacks["shop-dev"].ended = status
    error = fails(live, StackUnusable)
    assert status in str(error)
    assert error.hint
    assert "stacks.update" not in live.cloud.world.names()


def test_a_failure_that_is_told_late_is_told(live: Stage) -> None:
    """Why a stack failed is found also when its status can be read before its last events."""
    stacks = live.cloud.stacks
    stacks.failure = ("HttpFunction", "image not found")
    events = stacks.events

    async def late(
        name: str, *, token: str | None, since: str | None = None
    ) -> Sequence[StackEvent]:
        is_over = stacks.stacks[name].ends_at_s <= anyio.current_time() - 0.5
        return [
            event
            for event in await events(name, token=token, since=since)
            if is_over or not event.status.endswith("FAILED")
        ]

    stacks.events = late  # type: ignore[method-assign]
    stacks.world.latency_s["stacks.describe"] = 20.0
    assert "image not found" in str(fails(live, StackFailed))


def test_a_stack_that_is_not_ours_is_left_alone(live: Stage) -> None:
    """A stack of the stage's name that another tool made is not updated: that would empty it."""
    live.cloud.stacks.stacks["shop-dev"].outputs = {"CDNDomain": "d1.cloudfront.net"}
    error = fails(live, StackUnusable)
    assert "hover-async has not made" in str(error)
    assert error.hint
    assert "stacks.update" not in live.cloud.world.names()


def test_failed_first_creation_is_deleted_and_made_anew(stage: Stage) -> None:
    """A stack left in ROLLBACK_COMPLETE holds nothing: the next deploy replaces it."""
    stage.cloud.stacks.failure = ("Api", "no")

    async def attempt() -> None:
        with pytest.raises(StackFailed):
            await stage.deploy()
        await stage.deploy()

    stage.run(attempt)
    assert "stacks.delete" in stage.cloud.world.names()
    assert stage.live() == LIVE_1
    assert any("created anew" in event.message for event in stage.report.of(Warned))


def test_push_that_did_not_arrive_is_found_out(live: Stage) -> None:
    """An engine that ends its stream normally without a push does not pass for success."""
    live.cloud.images.drops_push = True
    assert "the registry does not hold it" in str(fails(live, PushFailed))


def test_missing_local_image_is_an_error(live: Stage) -> None:
    """A build whose image was removed from the engine says so before anything is pushed."""
    order = live.build()
    live.cloud.images.local.clear()
    live.build = lambda: order  # type: ignore[method-assign]
    fails(live, BuildMissing)
    assert "images.push" not in live.cloud.world.names()


def test_asset_that_changes_meanwhile_is_an_error(live: Stage) -> None:
    """A file that is rewritten after it was planned is never served half-and-half."""
    order = live.build()
    live.write("js/new.js", b"longer than it was")
    live.build = lambda: order  # type: ignore[method-assign]
    assert "js/new.js" in str(fails(live, AssetChanged))


def test_function_changed_by_a_rival_is_found_out(live: Stage) -> None:
    """A function that holds another image than this build's is not published."""
    decide = live.cloud.stacks.decide

    def rival(operation: Operation, *, at_s: float) -> None:
        decide(operation, at_s=at_s)
        live.cloud.lambdas.functions[FUNCTIONS[1]].image_uri = "other@sha256:0"  # type: ignore[index]

    live.cloud.stacks.decide = rival  # type: ignore[method-assign]
    assert "not this build's" in str(fails(live, VersionFailed))


# The flip


def test_refused_flip_puts_every_alias_back(live: Stage) -> None:
    """When one alias cannot move, those that moved go back and exit code 4 says so."""
    live.cloud.world.fail(
        "functions.move_alias", lambda: AccessDenied("no"), subject="shop-dev-http"
    )
    error = attempt(live, ActivationRestored)
    assert error.exit_code == 4
    assert live.live() == LIVE_1
    assert live.report.of(LiveNow)[-1].versions == LIVE_1
    assert "hover/activation.json" not in live.cloud.documents.documents


def test_flip_whose_answer_was_lost_is_put_back_by_what_aws_says(live: Stage) -> None:
    """An alias that moved although its call failed is found by reading, and put back."""
    live.cloud.world.fail(
        "functions.move_alias",
        lambda: EndpointUnreachable("reset"),
        subject="shop-dev-http",
        after_effect=True,
    )
    attempt(live, ActivationRestored)
    assert live.live() == LIVE_1


def test_flip_that_cannot_be_undone_names_each_alias(live: Stage) -> None:
    """When putting back fails too, exit code 5 names where every alias points; a record stays."""
    live.cloud.world.fail(
        "functions.move_alias", lambda: Throttled("no"), subject="shop-dev-http", times=9
    )
    move = live.cloud.lambdas.move_alias
    moved: set[str] = set()

    async def only_once(alias: Alias, name: str, *, to: Version) -> Alias:
        if alias.function in moved:
            raise Throttled("no")
        moved.add(alias.function)
        return await move(alias, name, to=to)

    live.cloud.lambdas.move_alias = only_once  # type: ignore[method-assign]
    error = attempt(live, ActivationMixed)
    assert isinstance(error, ActivationMixed)
    assert error.exit_code == 5
    assert live.live() == {**LIVE_2, "shop-dev-http": "1"}
    assert error.live["shop-dev-http"] == "1"
    assert "hover/activation.json" in live.cloud.documents.documents
    del live.cloud.lambdas.move_alias
    live.cloud.world.faults.clear()
    live.run(live.deploy)
    assert set(live.live().values()) == {"3"}
    assert any("was interrupted" in event.message for event in live.report.of(Warned))
    assert "hover/activation.json" not in live.cloud.documents.documents


def test_rival_who_moves_an_alias_wins_it_but_is_told(live: Stage) -> None:
    """A rival's change of an alias between reading and flipping is a conflict, not overwritten."""
    live.cloud.world.fail(
        "functions.move_alias", lambda: Conflict("changed"), subject="shop-dev-jobs-queue"
    )
    attempt(live, ActivationRestored)
    assert live.live() == LIVE_1


def test_interrupt_during_the_flip_finishes_it(live: Stage) -> None:
    """Cancelled in the middle of the flip, every alias still reaches the new version."""
    live.cloud.world.latency_s["functions.move_alias"] = 3.0

    async def interrupt() -> None:
        async with anyio.create_task_group() as group:
            reached = live.cloud.world.reached("functions.move_alias")
            deploying = group.start_soon(live.deploy)
            await reached.wait()
            group.cancel_scope.cancel()
        assert deploying.return_value.build_id == build_id(2)

    live.run(interrupt)
    assert live.live() == LIVE_2
    assert json.loads(live.cloud.documents.documents["hover/live.json"].body)["versions"] == LIVE_2
    assert LOCK_KEY not in live.cloud.documents.documents


def test_interrupt_during_the_flip_finishes_it_on_asyncio(live: Stage) -> None:
    """The same in real time on the loop that programs have, where leaving a task group can end."""
    live.cloud.stacks.operation_s = live.cloud.stacks.cleanup_s = 0.1

    async def interrupt() -> None:
        async with anyio.create_task_group() as group:
            reached = live.cloud.world.reached("functions.move_alias")
            group.start_soon(live.deploy)
            await reached.wait()
            group.cancel_scope.cancel()

    anyio.run(interrupt)
    assert live.live() == LIVE_2


def test_workers_that_cannot_start_are_told_after_going_live(stage: Stage) -> None:
    """On a first deploy a failing second stack update leaves the build live, and says so."""
    stage.cloud.world.fail("stacks.update", lambda: AccessDenied("no"))
    error = attempt(stage, WorkersNotStarted)
    assert "is live" in str(error)
    assert stage.live() == LIVE_1


# The lock


def test_running_deploy_keeps_others_out(live: Stage) -> None:
    """A second deploy at the same time ends with the name of the first, and changes nothing."""
    outcomes: list[object] = []

    async def both() -> None:
        orders = [live.build(), live.build()]

        async def one(index: int) -> None:
            try:
                outcomes.append(await live.deploy(orders[index]))
            except LockHeld as error:
                outcomes.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(one, 0)
            group.start_soon(one, 1)

    live.run(both)
    refused = [outcome for outcome in outcomes if isinstance(outcome, LockHeld)]
    assert len(refused) == 1
    assert refused[0].exit_code == 3
    assert "deploying b20261123" in str(refused[0])
    assert len(set(live.live().values())) == 1


def test_dead_runs_lock_is_taken_over_after_a_whole_lease(live: Stage) -> None:
    """A lock past its time is watched for a lease on our own clock, then taken over."""
    dead = Holder("dead", "b", "ann", "laptop", expires="2020-01-01T00:00:00+00:00")

    async def attempt() -> float:
        await live.cloud.documents.create(LOCK_KEY, json.dumps(vars(dead)).encode())
        began = anyio.current_time()
        await live.deploy()
        return anyio.current_time() - began

    assert live.run(attempt) > 60
    assert live.live() == LIVE_2


def test_lock_that_is_renewed_while_watched_is_respected(live: Stage) -> None:
    """A holder whose clock is wrong but who renews keeps the lock."""
    slow = Holder("slow", "b", "ann", "laptop", expires="2020-01-01T00:00:00+00:00")

    async def attempt() -> None:
        etag = await live.cloud.documents.create(LOCK_KEY, json.dumps(vars(slow)).encode())

        async def renew() -> None:
            nonlocal etag
            while True:
                await anyio.sleep(15)
                etag = await live.cloud.documents.replace(
                    LOCK_KEY, json.dumps(vars(slow)).encode(), etag
                )

        async with anyio.create_task_group() as group:
            group.start_soon(renew)
            with pytest.raises(LockHeld):
                await live.deploy()
            group.cancel_scope.cancel()

    live.run(attempt)
    assert live.live() == LIVE_1


def test_lost_lock_ends_the_deploy_before_the_flip(live: Stage) -> None:
    """When somebody else has taken the lock meanwhile, no alias is moved."""
    live.cloud.stacks.operation_s = 300

    async def attempt() -> None:
        async with anyio.create_task_group() as group:

            async def steal() -> None:
                await live.cloud.world.reached("stacks.update").wait()
                del live.cloud.documents.documents[LOCK_KEY]
                rival = Holder("rival", "b", "bob", "ci", expires="2999-01-01T00:00:00+00:00")
                await live.cloud.documents.create(LOCK_KEY, json.dumps(vars(rival)).encode())

            group.start_soon(steal)
            with pytest.raises(LockHeld, match="lost"):
                await live.deploy()

    live.run(attempt)
    assert live.live() == LIVE_1
    assert "functions.move_alias" not in live.cloud.world.names()
    assert b"rival" in live.cloud.documents.documents[LOCK_KEY].body


def attempt(stage: Stage, kind: type[HoverError]) -> HoverError:
    """Deploy, which must fail with exactly `kind`."""

    async def run() -> HoverError:
        with pytest.raises(kind) as caught:
            await stage.deploy()
        return caught.value

    error = stage.run(run)
    assert type(error) is kind
    return error


def test_failed_step_is_reported_as_failed(live: Stage) -> None:
    """The step that failed is told apart from those that were cancelled because of it."""
    live.cloud.stacks.failure = ("HttpFunction", "no")
    fails(live, StackFailed)
    assert live.report.failed() == [Step.STACK]


def test_lock_lost_during_the_flip_is_told_and_the_deploy_succeeds(live: Stage) -> None:
    """Once aliases move, a lost lock cannot become 'nothing live has changed'."""
    live.cloud.world.latency_s["functions.move_alias"] = 40.0

    async def attempt() -> None:
        async with anyio.create_task_group() as group:

            async def steal() -> None:
                await live.cloud.world.reached("functions.move_alias").wait()
                del live.cloud.documents.documents[LOCK_KEY]

            group.start_soon(steal)
            await live.deploy()

    live.run(attempt)
    assert live.live() == LIVE_2
    assert any("lock was lost" in event.message for event in live.report.of(Warned))


def test_lock_taken_at_the_moment_of_an_interrupt_is_given_back(live: Stage) -> None:
    """A lock whose creation was cancelled after its effect is found and deleted."""
    create = live.cloud.documents.create

    async def create_then_hang(key: str, body: bytes) -> str:
        etag = await create(key, body)
        if key == LOCK_KEY:
            await anyio.sleep(1000)
        return etag

    live.cloud.documents.create = create_then_hang  # type: ignore[method-assign]

    async def attempt() -> None:
        with anyio.move_on_after(30):
            await live.deploy()

    live.run(attempt)
    assert LOCK_KEY not in live.cloud.documents.documents


def test_reporter_that_raises_does_not_decide_the_flip(live: Stage) -> None:
    """A log that is closed in the middle changes nothing about the deploy."""

    async def attempt() -> None:
        def closed(event: Event, /) -> None:
            if isinstance(event, AliasMoved):
                raise BrokenPipeError

        await deploy_build(live.build(), live.cloud.ports, live.cloud.images, closed)

    live.run(attempt)
    assert live.live() == LIVE_2


def test_workers_started_by_a_rival_stay_on(stage: Stage) -> None:
    """What a rival activated between our looking and our lock is not switched off."""
    orders = [stage.build(), stage.build()]
    templates: list[str] = []
    update = stage.cloud.stacks.update

    async def watched(request: StackRequest) -> bool:
        templates.append(request.template)
        return await update(request)

    stage.cloud.stacks.update = watched  # type: ignore[method-assign]

    async def both() -> None:
        stage.cloud.world.latency_s["registry.login"] = 0.05

        async def slow_push() -> None:
            push = stage.cloud.images.push

            async def later(*arguments: Any) -> None:
                await anyio.sleep(500)
                await push(*arguments)

            stage.cloud.images.push = later  # type: ignore[method-assign, assignment]
            await stage.deploy(orders[1])

        async with anyio.create_task_group() as group:
            group.start_soon(stage.deploy, orders[0])
            await stage.cloud.world.reached("stacks.create").wait()
            group.start_soon(slow_push)

    stage.run(both)
    mappings = [
        resource["Properties"]["Enabled"]
        for template in templates
        for resource in json.loads(template)["Resources"].values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    ]
    assert mappings
    assert all(mappings)
    assert stage.live() == LIVE_2


def test_stack_that_still_cleans_up_is_waited_for(live: Stage) -> None:
    """An update that is decided but still removes what it replaced is not an unusable stack."""
    stack = live.cloud.stacks.stacks["shop-dev"]
    stack.working, stack.ended = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"

    async def attempt() -> None:
        stack.ends_at_s = anyio.current_time() + 120
        await live.deploy()

    live.run(attempt)
    assert live.live() == LIVE_2


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "SOMETHING_NEW"])
def test_no_hint_tells_to_delete_a_stack_that_serves(live: Stage, status: str) -> None:
    """Whatever state a stack is in after updates, deleting it is not the way out."""
    live.cloud.stacks.stacks["shop-dev"].ended = status
    assert "delete" not in str(fails(live, StackUnusable).hint)


def test_version_that_was_idle_for_weeks_is_woken(live: Stage) -> None:
    """The same build again after weeks: an Inactive version is asked once, and then used."""
    order = live.build()

    async def again() -> None:
        await live.deploy(order)
        for function in live.cloud.lambdas.functions.values():
            function.versions[function.live.version].inactive = True
        await live.deploy(order)

    live.run(again)
    assert live.live() == LIVE_2


def test_failing_abort_does_not_hide_the_interrupt(live: Stage) -> None:
    """An abort that is denied leaves the cancellation a cancellation."""
    live.write("video.mp4", bytes(20 * 1024 * 1024))
    live.cloud.world.latency_s["assets.put_part"] = 1000.0
    live.cloud.world.fail("assets.abort_multipart", lambda: AccessDenied("no"), times=9)

    async def attempt() -> bool:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(live.deploy)
                await live.cloud.world.reached("assets.put_part").wait()
                scope.cancel()
        return scope.cancelled_caught

    assert live.run(attempt)


def test_damaged_ledger_is_as_good_as_none(live: Stage) -> None:
    """A ledger that cannot be read makes assets be sent, not the deploy fail."""
    for key in list(live.cloud.documents.documents):
        if key.startswith("hover/ledgers/"):
            live.cloud.documents.documents[key] = Document(b"{damaged", "etag")
    deployment = live.run(live.deploy)
    assert deployment.artifacts.uploaded.copied == 0
    assert live.live() == LIVE_2
