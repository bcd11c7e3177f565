"""Queue functions that are added, renamed and removed on a stage that is live."""

from __future__ import annotations

import json
from dataclasses import dataclass

import anyio
import pytest

from hover_async.deploy.queues import TAGGING_AT_ONCE
from hover_async.errors import (
    AccessDenied,
    CommandFailed,
    HoverError,
    QueueTaken,
    StackFailed,
    UsageError,
    WorkersNotStarted,
)
from hover_async.events import Step, Warned
from hover_async.ports import Document, StackEvent, StackRequest
from hover_async.values import FunctionName
from tests.process.stage import Stage

HTTP, CLI = "shop-dev-http", "shop-dev-cli"
JOBS, MAILS = "shop-dev-jobs-queue", "shop-dev-mails-queue"
HEAD = """
name: shop-dev
region: us-east-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
deploy-commands: [migrate]
"""
DEFAULT = "default-shop-dev"


@dataclass(frozen=True)
class Standing:
    """What the stack was made to be by one operation: who works on which queue, and who is live;
    and for how long each queue hides messages meanwhile."""

    consumers: dict[str, str]
    live: dict[str, str]
    hidden_s: dict[str, str]


@dataclass
class Watched:
    """A stage of which every stack operation is looked at."""

    stage: Stage
    operations: list[Standing]

    def deploy(self, queues: str) -> None:
        self.stage.manifest_text = HEAD + queues
        self.operations.clear()
        self.stage.run(self.stage.deploy)

    def fail(self, queues: str, kind: type[HoverError] = CommandFailed) -> HoverError:
        """A deploy that must fail so, for a command that fails unless another reason is there."""
        self.stage.manifest_text = HEAD + queues
        self.operations.clear()
        lambdas = self.stage.cloud.lambdas
        succeeding, lambdas.commands = lambdas.commands, lambda _: (1, "no\n")

        async def attempt() -> HoverError:
            with pytest.raises(kind) as caught:
                await self.stage.deploy()
            return caught.value

        error = self.stage.run(attempt)
        lambdas.commands = succeeding
        return error

    def functions(self) -> set[str]:
        return set(self.stage.cloud.lambdas.functions)

    def attribute(self, queue: str, name: str) -> str | None:
        return self.stage.cloud.queues.queues[queue].attributes.get(name)


@pytest.fixture
def watched(stage: Stage) -> Watched:
    stacks, operations = stage.cloud.stacks, list[Standing]()
    create, update = stacks.create, stacks.update

    def look() -> None:
        live = {str(name): str(version) for name, version in stage.live().items()}
        hidden_s = {
            name: queue.attributes.get("VisibilityTimeout", "")
            for name, queue in stage.cloud.queues.queues.items()
        }
        operations.append(Standing(stacks.consumers("shop-dev"), live, hidden_s))

    async def created(request: StackRequest) -> None:
        await create(request)
        look()

    async def updated(request: StackRequest) -> bool:
        is_under_way = await update(request)
        if is_under_way:
            look()
        return is_under_way

    stacks.create, stacks.update = created, updated  # type: ignore[method-assign]
    watched = Watched(stage, operations)
    watched.deploy("queue: {jobs: {queues: [default]}}")
    return watched


def test_a_renamed_function_hands_its_queue_over_at_the_flip(watched: Watched) -> None:
    """The old function works on until the new one is live; then the queue changes hands at once."""
    watched.deploy("queue: {mails: {queues: [default]}}")
    growing, settled = watched.operations
    assert growing.consumers == {DEFAULT: "QueueJobsLive"}
    assert growing.live[JOBS] == "1"
    assert settled.consumers == {DEFAULT: "QueueMailsLive"}
    assert settled.live[MAILS] == "1"
    assert watched.functions() == {HTTP, CLI, MAILS}


def test_a_rename_that_fails_has_taken_nothing_away(watched: Watched) -> None:
    """The old function is still there, live and at work; and the next deploy succeeds."""
    watched.fail("queue: {mails: {queues: [default]}}")
    (growing,) = watched.operations
    assert growing.consumers == {DEFAULT: "QueueJobsLive"}
    assert watched.stage.live().items() >= {JOBS: "1"}.items()
    watched.deploy("queue: {mails: {queues: [default]}}")
    assert [each.consumers for each in watched.operations] == [
        {DEFAULT: "QueueJobsLive"},
        {DEFAULT: "QueueMailsLive"},
    ]


def test_a_removed_function_works_until_the_flip(watched: Watched) -> None:
    """It leaves after the new build is live, and its queue stays with its messages."""
    watched.fail("")
    assert JOBS in watched.functions()
    assert watched.stage.cloud.stacks.consumers("shop-dev") == {DEFAULT: "QueueJobsLive"}
    watched.deploy("")
    assert watched.functions() == {HTTP, CLI}
    assert watched.stage.cloud.stacks.consumers("shop-dev") == {}
    assert DEFAULT in watched.stage.cloud.queues.queues


def test_what_has_left_may_be_listed_until_the_stack_is_clean(watched: Watched) -> None:
    """CloudFormation deletes a function after the update is decided, and lists it until then: that
    is no failure, and the next deploy waits for it."""
    watched.stage.cloud.stacks.cleanup_s = 300.0
    watched.deploy("")
    watched.deploy("queue: {jobs: {queues: [default]}}")
    assert watched.stage.cloud.stacks.consumers("shop-dev") == {DEFAULT: "QueueJobsLive"}
    assert watched.stage.live()[FunctionName(JOBS)] == "1"


def test_a_function_that_the_stack_lacks_stops_the_deploy(watched: Watched) -> None:
    """A stack that says it is done, and has not every function of its template, is not taken."""
    stacks = watched.stage.cloud.stacks
    listed, told = stacks.functions, stacks.told

    def silent(name: str, token: str | None) -> list[StackEvent]:
        return [event for event in told(name, token) if event.physical_id != JOBS]

    async def lacking(name: str) -> dict[FunctionName, str]:
        return {each: place for each, place in (await listed(name)).items() if each != JOBS}

    stacks.functions = lacking  # type: ignore[method-assign]
    stacks.told = silent  # type: ignore[method-assign]
    failed = watched.fail("queue: {jobs: {queues: [default]}}", StackFailed)
    assert str(failed) == f"stack 'shop-dev' lacks functions of its template: {JOBS}"


def test_a_queue_that_comes_back_is_the_same_queue(watched: Watched) -> None:
    """A queue that left the manifest is taken over again, without a word: it is the stage's own."""
    watched.deploy("")
    created = watched.stage.cloud.world.about("queues.create")
    watched.deploy("queue: {jobs: {queues: [default], timeout: 100}}")
    assert watched.stage.cloud.world.about("queues.create") == created == []
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "600"
    assert not watched.stage.report.of(Warned)


def test_a_queue_between_two_live_functions_changes_hands_at_the_flip(watched: Watched) -> None:
    """Also where both functions are live already: it is new code that expects the queue."""
    watched.deploy("queue: {jobs: {queues: [default]}, mails: {queues: [mails]}}")
    watched.deploy("queue: {jobs: {queues: [other]}, mails: {queues: [mails, default]}}")
    growing, settled = watched.operations
    assert growing.consumers[DEFAULT] == "QueueJobsLive"
    assert growing.live[MAILS] == "1"
    assert settled.consumers[DEFAULT] == "QueueMailsLive"
    assert settled.consumers["other-shop-dev"] == "QueueJobsLive"


def test_a_new_function_starts_after_the_flip_and_others_do_not_notice(watched: Watched) -> None:
    """The consumer of a function that was never live is off until it is; the others stay on."""
    watched.deploy("queue: {jobs: {queues: [default]}, mails: {}}")
    growing, settled = watched.operations
    assert growing.consumers == {DEFAULT: "QueueJobsLive"}
    assert settled.consumers == {DEFAULT: "QueueJobsLive", "mails-shop-dev": "QueueMailsLive"}


def test_no_alias_moves_before_activation(watched: Watched) -> None:
    """Whatever the stack adds or lets go of, every alias stays until the flip."""
    watched.fail("queue: {mails: {queues: [default]}, more: {}}")
    assert "functions.move_alias" not in watched.stage.cloud.world.names()
    assert watched.stage.live().items() >= dict.fromkeys((HTTP, CLI, JOBS), "1").items()


def test_an_unchanged_manifest_is_one_operation(watched: Watched) -> None:
    """A deploy that changes nothing but the image updates the stack once, and no queue."""
    watched.deploy("queue: {jobs: {queues: [default]}}")
    assert len(watched.operations) == 1
    assert Step.WORKERS not in watched.stage.report.started()
    names = watched.stage.cloud.world.names()
    assert not {"queues.create", "queues.change", "queues.tags", "logs.create"} & set(names)


def test_what_was_not_finished_is_finished_by_the_next_deploy(watched: Watched) -> None:
    """A stack that could not be cut after the flip is cut by the same build's next deploy."""
    stage = watched.stage
    stage.manifest_text = HEAD + "queue: {mails: {queues: [default]}}"
    order = stage.build()
    second_update = iter([False, True, False])
    update = stage.cloud.stacks.update

    async def refused_once(request: StackRequest) -> bool:
        if next(second_update):
            raise AccessDenied("no")
        return await update(request)

    stage.cloud.stacks.update = refused_once  # type: ignore[method-assign]

    async def twice() -> None:
        with pytest.raises(WorkersNotStarted):
            await stage.deploy(order)
        assert JOBS in watched.functions()
        await stage.deploy(order)

    stage.run(twice)
    assert watched.functions() == {HTTP, CLI, MAILS}
    assert stage.cloud.stacks.consumers("shop-dev") == {DEFAULT: "QueueMailsLive"}


@pytest.mark.parametrize("record", [b"", b"[]", b'{"build_id": "b"}', b'{"manifest": {"name": 1}}'])
def test_what_no_record_names_leaves_with_a_warning(watched: Watched, record: bytes) -> None:
    """Where it is not known what was live, a live function that leaves does so before the flip:
    that is told while it still works."""
    watched.stage.cloud.documents.documents["hover/live.json"] = Document(record, "other")
    watched.deploy("")
    (warned,) = watched.stage.report.of(Warned)
    assert warned.message.endswith(f"leave before this build is live: {JOBS}")
    watched.deploy("queue: {jobs: {queues: [default]}}")
    assert not watched.stage.report.of(Warned)


# The queues themselves


def test_a_queue_hides_messages_for_longer_before_the_flip_and_shorter_after(
    watched: Watched,
) -> None:
    """A longer timeout is there before its function is; a shorter one waits for the flip."""
    watched.fail("queue: {jobs: {queues: [default], timeout: 100}}")
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "600"
    watched.deploy("queue: {jobs: {queues: [default], timeout: 100}}")
    watched.fail("queue: {jobs: {queues: [default], timeout: 10}}")
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "600"
    watched.deploy("queue: {jobs: {queues: [default], timeout: 10}}")
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "60"


def test_a_queue_hides_messages_long_enough_for_whoever_has_it(watched: Watched) -> None:
    """A queue that goes to a quicker function hides messages as long as the slower one needs until
    that has handed it over: a job would be received twice, and Lambda would refuse the way back."""
    watched.deploy("queue: {jobs: {queues: [default], timeout: 100}}")
    watched.deploy("queue: {mails: {queues: [default], timeout: 10}}")
    growing, settled = watched.operations
    assert growing.hidden_s[DEFAULT] == settled.hidden_s[DEFAULT] == "600"
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "60"


def test_a_rival_that_went_live_meanwhile_may_have_changed_queues(watched: Watched) -> None:
    """What a queue is like is asked again with the lock held, if a rival has had it since."""
    stage = watched.stage
    stage.manifest_text = HEAD + "queue: {jobs: {queues: [default], timeout: 100}}"
    stage.run(stage.deploy)
    slow = stage.build()
    stage.manifest_text = HEAD + "queue: {jobs: {queues: [default], timeout: 10}}"
    quick = stage.build()

    async def race() -> None:
        async with anyio.create_task_group() as group:
            reached = stage.cloud.world.reached("images.push")
            stage.cloud.world.latency_s["images.push"] = 300.0
            group.start_soon(stage.deploy, slow)
            await reached.wait()
            await anyio.sleep(1)
            del stage.cloud.world.latency_s["images.push"]
            await stage.deploy(quick)
            assert watched.attribute(DEFAULT, "VisibilityTimeout") == "60"

    stage.run(race)
    assert watched.operations[-1].hidden_s[DEFAULT] == "600"
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == "600"


@pytest.mark.parametrize("to", ["", ", mails: {queues: [default], timeout: 10}"])
def test_a_queue_that_leaves_a_function_that_becomes_slower(watched: Watched, to: str) -> None:
    """Until the flip it is still the function's, which may take longer already: the queue hides
    messages for as long as that one needs, whoever gets it then."""
    watched.deploy(f"queue: {{jobs: {{queues: [other], timeout: 100}}{to}}}")
    growing, _ = watched.operations
    assert growing.consumers[DEFAULT] == "QueueJobsLive"
    assert growing.hidden_s[DEFAULT] == "600"
    assert watched.attribute(DEFAULT, "VisibilityTimeout") == ("60" if to else "600")


def test_dead_letters_come_and_go_with_the_flip(watched: Watched) -> None:
    """Their queue is there before it is named, and stays when it is no longer."""
    watched.fail("queue: {jobs: {queues: [default], dead-letter: on}}")
    assert f"{DEFAULT}-dead" in watched.stage.cloud.queues.queues
    assert watched.attribute(DEFAULT, "RedrivePolicy") is None
    watched.deploy("queue: {jobs: {queues: [default], dead-letter: on}}")
    policy = json.loads(watched.attribute(DEFAULT, "RedrivePolicy") or "")
    assert policy["maxReceiveCount"] == 1000
    assert policy["deadLetterTargetArn"].endswith(f":{DEFAULT}-dead")
    watched.deploy("queue: {jobs: {queues: [default]}}")
    assert watched.attribute(DEFAULT, "RedrivePolicy") is None
    assert f"{DEFAULT}-dead" in watched.stage.cloud.queues.queues


def test_a_new_queue_with_dead_letters_waits_until_those_can_be_named(watched: Watched) -> None:
    """SQS refuses to name a queue as dead letters that it has made a moment ago."""
    watched.deploy("queue: {jobs: {queues: [default, other], dead-letter: on}}")
    policy = json.loads(watched.attribute("other-shop-dev", "RedrivePolicy") or "")
    assert policy["deadLetterTargetArn"].endswith(":other-shop-dev-dead")


def test_another_stages_queue_is_refused(watched: Watched) -> None:
    """Stage `dev`'s queue `a-shop` is called as stage `shop-dev`'s queue `a`: one may have it."""
    queues = watched.stage.cloud.queues

    async def make() -> None:
        await queues.create("a-shop-dev", {}, {"hover-async": "dev"})

    watched.stage.run(make)
    error = watched.fail("queue: {a: {}}", QueueTaken)
    assert str(error) == "queue 'a-shop-dev' belongs to stage 'dev'"
    assert error.hint
    assert not watched.operations


def test_a_queue_of_nobodys_is_taken_over_and_told(watched: Watched) -> None:
    """A queue that was there before, as another tool leaves it, keeps its messages."""
    queues = watched.stage.cloud.queues

    async def make() -> None:
        await queues.create("a-shop-dev", {"VisibilityTimeout": "70"}, {})

    watched.stage.run(make)
    watched.deploy("queue: {jobs: {queues: [default]}, a: {}}")
    warned = [event.message for event in watched.stage.report.of(Warned)]
    assert warned == ["queue 'a-shop-dev' was there already: its messages will be worked on"]
    assert queues.queues["a-shop-dev"].tags == {"hover-async": "shop-dev"}
    assert watched.attribute("a-shop-dev", "MessageRetentionPeriod") == "1209600"


def test_tags_are_asked_for_slowly(watched: Watched) -> None:
    """SQS allows few requests about tags: a stage of many queues that no release has named yet, as
    after a first deploy that failed, must not be throttled for longer than calls are repeated."""
    queues = "queue: {jobs: {queues: [default, " + ", ".join(f"q{n}" for n in range(60)) + "]}}"
    watched.fail(queues)
    watched.deploy(queues)
    world = watched.stage.cloud.world
    assert len(world.about("queues.tags")) == 60
    assert world.most_at_once["queues.tags"] == TAGGING_AT_ONCE
    assert world.most_at_once["queues.find"] > TAGGING_AT_ONCE


# Log groups


def test_log_groups_are_made_and_adopted(watched: Watched) -> None:
    """Every function has a log group that is kept as long as the manifest says, also one that
    Lambda had made by itself."""
    logs = watched.stage.cloud.logs
    assert logs.groups[f"/aws/lambda/{JOBS}"] == 30
    logs.groups[f"/aws/lambda/{MAILS}"] = None
    watched.deploy("log-retention: 7\nqueue: {mails: {queues: [default]}}")
    kept = {HTTP, CLI, MAILS}
    assert {name: logs.groups[f"/aws/lambda/{name}"] for name in kept} == dict.fromkeys(kept, 7)
    assert logs.groups[f"/aws/lambda/{JOBS}"] == 30
    assert logs.groups["/aws/vendedlogs/apis/shop-dev"] == 7


# Many functions


def test_three_hundred_functions_are_published_and_flipped(stage: Stage) -> None:
    """Every function, in whichever nested stack, gets its version and flips; a second deploy
    stores no nested template again under another key."""
    queues = "".join(f"  jobs-{number}: {{}}\n" for number in range(298))
    stage.manifest_text = f"{HEAD}http: {{warm: 0}}\nqueue:\n{queues}"
    stage.run(stage.deploy)
    assert len(stage.live()) == 300
    assert set(stage.live().values()) == {"1"}
    keys = {key for key in stage.cloud.assets.objects if key.startswith("hover/templates/")}
    stage.run(stage.deploy)
    assert set(stage.live().values()) == {"2"}
    again = {key for key in stage.cloud.assets.objects if key.startswith("hover/templates/")}
    assert len(again - keys) == 1


def test_a_failure_in_a_nested_stack_is_told_with_its_own_reason(stage: Stage) -> None:
    """The stage's stack only says that a nested one failed; which resource and why is told, too."""
    queues = "".join(f"  jobs-{number}: {{}}\n" for number in range(200))
    stage.manifest_text = f"{HEAD}queue:\n{queues}"
    stage.cloud.stacks.failure = ("Workers1/QueueJobsZ2d199Function", "the image is not there")

    async def attempt() -> StackFailed:
        with pytest.raises(StackFailed) as caught:
            await stage.deploy()
        return caught.value

    failed = stage.run(attempt)
    assert failed.reasons == (
        "Workers1/QueueJobsZ2d199Function (AWS::Lambda::Function): the image is not there",
    )


def test_more_than_cloudformation_does_at_once_is_refused(watched: Watched) -> None:
    """What is new counts whole, what stands as its function: a large stage gets there in steps."""

    def queues(count: int) -> str:
        names = "".join(f"  q{number}: {{dead-letter: on}}\n" for number in range(count))
        topic = "arn:aws:sns:us-east-1:123456789012:alarms"
        return f"http: {{warm: 0}}\nalarms: {{topic: '{topic}'}}\nqueue:\n{names}"

    error = watched.fail(queues(500), UsageError)
    assert "would create or update 2,5" in str(error)
    assert error.hint
    assert not watched.operations
    watched.deploy(queues(250))
    watched.deploy(queues(500))
    assert len(watched.functions()) == 502
