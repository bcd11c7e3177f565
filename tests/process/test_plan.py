"""A plan of the next deploy, on the fake cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.plan import plan_build
from hover_async.deploy.plan_stack import THIS_BUILD
from hover_async.deploy.planned import Plan
from hover_async.deploy.records import LIVE_KEY
from hover_async.errors import AccessDenied, DeployError, OutcomeUnknown
from hover_async.events import Warned
from hover_async.ports import Document, ForeseenChange, PushedImage
from hover_async.template.difference import Action
from hover_async.testing import RecordingReporter
from hover_async.testing.queues import FakeQueue
from hover_async.values import Digest, FunctionName
from tests.process.stage import MANIFEST, Stage

READS = {
    "assets.keys",
    "documents.read",
    "functions.state",
    "logs.find",
    "queues.find",
    "queues.tags",
    "registry.find",
    "stacks.describe",
    "stacks.functions",
    "stacks.templates",
}
CHANGE_SET_CALLS = {
    "change_sets.create",
    "change_sets.describe",
    "change_sets.delete",
    "change_sets.names",
}


async def plan(stage: Stage) -> Plan:
    stage.report = RecordingReporter()
    stage.cloud.world.calls.clear()
    return await plan_build(stage.build(), stage.cloud.ports, stage.report)


def kept(stage: Stage) -> Mapping[str, object]:
    """Everything that a plan must leave as it was."""
    cloud = stage.cloud
    return {
        "bucket": cloud.assets.bucket_exists,
        "objects": dict(cloud.assets.objects),
        "documents": dict(cloud.documents.documents),
        "images": dict(cloud.registry.images),
        "stacks": {name: stack.body for name, stack in cloud.stacks.stacks.items()},
        "change sets": dict(cloud.change_sets.kept),
        "live": stage.live(),
        "queues": copy.deepcopy(cloud.queues.queues),
        "log groups": dict(cloud.logs.groups),
    }


@pytest.fixture
def live(stage: Stage) -> Stage:
    """A stage whose first build is live."""
    stage.run(stage.deploy)
    return stage


def changed(found: Plan, action: Action) -> list[str]:
    return [change.logical_id for change in found.stack.changes if change.action is action]


def test_a_stage_that_does_not_exist_is_created(stage: Stage) -> None:
    """Of nothing, everything is created; and nothing stands afterwards either."""
    before = kept(stage)
    found = stage.run(lambda: plan(stage))
    assert found.stack.does == "create"
    assert {change.action for change in found.stack.changes} == {Action.CREATE}
    assert found.stack.confirmed
    assert {function.does for function in found.functions} == {"new"}
    assert found.assets.send.files == 3
    assert not found.image.in_registry
    assert list(found.commands) == ["php artisan migrate --force", "php artisan cache:clear"]
    assert found.exit_code == 2
    assert kept(stage) == before


def test_a_build_that_is_live_changes_nothing(stage: Stage) -> None:
    """Planning what is live says so: exit code 0, every function stays, assets are there."""
    stage.manifest_text = MANIFEST + VARIABLES
    order = stage.build()
    stage.run(lambda: stage.deploy(order))
    found = stage.run(lambda: plan_build(order, stage.cloud.ports, RecordingReporter()))
    assert not found.stack.changes
    assert list(found.environment.unchanged) == ["API_KEY", "APP_NAME", "KEPT"]
    assert not found.environment.unknown
    assert {function.does for function in found.functions} == {"nothing"}
    assert {function.live for function in found.functions} == {"1"}
    assert found.assets.keep.files == 3
    assert found.image.in_registry
    assert found.exit_code == 0


def test_another_template_of_the_same_build_makes_new_versions(stage: Stage) -> None:
    """A newer hover-async may give a function other settings: its code alone does not tell."""
    order = stage.build()
    stage.run(lambda: stage.deploy(order))
    standing = stage.cloud.stacks.stacks["shop-dev"]
    standing.template["Resources"]["CliFunction"]["Properties"]["Timeout"] = 1
    standing.body = json.dumps(standing.template)
    found = stage.run(lambda: plan_build(order, stage.cloud.ports, RecordingReporter()))
    does = {function.name: function.does for function in found.functions}
    assert does[FunctionName("shop-dev-cli")] == "new-version"
    assert does[FunctionName("shop-dev-http")] == "nothing"


def test_a_new_build_changes_the_image_of_every_function(live: Stage) -> None:
    """Of an unchanged manifest only the image is another; unchanged assets are copied."""
    live.write("js/new.js", b"as long as the svg"[:6])
    found = live.run(lambda: plan(live))
    assert changed(found, Action.MODIFY) == ["CliFunction", "HttpFunction", "QueueJobsFunction"]
    for change in found.stack.changes:
        (image,) = change.properties
        assert image.path == "Code.ImageUri"
        assert image.after == THIS_BUILD
    assert {function.does for function in found.functions} == {"new-version"}
    assert (found.assets.copy.files, found.assets.send.files) == (3, 1)
    assert found.assets.send.size_bytes == 6
    assert found.exit_code == 2


def test_a_plan_only_reads(live: Stage) -> None:
    """Beside a change set that is deleted again, no call changes anything."""
    before = kept(live)
    live.run(lambda: plan(live))
    assert set(live.cloud.world.names()) <= READS | CHANGE_SET_CALLS
    assert kept(live) == before


def test_what_a_deploy_does_is_what_was_planned(live: Stage) -> None:
    """The numbers of a plan are those of the deploy that follows it."""
    live.write("js/new.js", b"four")
    live.manifest_text = MANIFEST.replace("warm: 3", "warm: 3, memory: 2048")
    order = live.build()
    found = live.run(lambda: plan_build(order, live.cloud.ports, RecordingReporter()))
    deployment = live.run(lambda: live.deploy(order))
    uploaded = deployment.artifacts.uploaded
    assert (uploaded.sent, uploaded.copied) == (found.assets.send.files, found.assets.copy.files)
    assert uploaded.sent_bytes == found.assets.send.size_bytes
    moved = {move.before.function for move in deployment.activation.moves if move.is_due}
    assert moved == {f.name for f in found.functions if f.does == "new-version"}
    assert live.run(lambda: plan_build(order, live.cloud.ports, RecordingReporter())).exit_code == 0


def test_a_changed_memory_is_shown_before_and_after(live: Stage) -> None:
    """A property that changes has its value now and then."""
    live.manifest_text = MANIFEST.replace("warm: 3", "warm: 3, memory: 2048")
    found = live.run(lambda: plan(live))
    (http,) = [change for change in found.stack.changes if change.logical_id == "HttpFunction"]
    values = {prop.path: (prop.before, prop.after) for prop in http.properties}
    assert values["MemorySize"] == ("1024", "2048")


# Beside the stack


def fates(found: Plan) -> dict[str, str]:
    """What becomes of each queue and log group."""
    queues = {queue.name: str(queue.does) for queue in found.beside.queues}
    return queues | {group.name: str(group.does) for group in found.beside.logs}


LOGS = "/aws/lambda/shop-dev"
ACCESS_LOG = "/aws/vendedlogs/apis/shop-dev"


def test_queues_and_log_groups_are_made_before_the_stack(stage: Stage) -> None:
    """Of a stage that is not there all of them are made."""
    found = stage.run(lambda: plan(stage))
    assert fates(found) == dict.fromkeys(
        ["default-shop-dev", f"{LOGS}-http", f"{LOGS}-cli", f"{LOGS}-jobs-queue", ACCESS_LOG],
        "made",
    )


def test_a_removed_queue_stays_with_its_messages(live: Stage) -> None:
    """Its consumer and its function are deleted; queue and logs stay on AWS with what they hold."""
    live.cloud.queues.queues["default-shop-dev"].messages = 7
    live.manifest_text = MANIFEST.partition("queue:")[0]
    found = live.run(lambda: plan(live))
    assert "ConsumerDefault" in changed(found, Action.DELETE)
    (queue,) = found.beside.queues
    assert (queue.name, queue.does, queue.messages) == ("default-shop-dev", "left", 7)
    assert fates(found)[f"{LOGS}-jobs-queue"] == "left"
    (gone,) = [function for function in found.functions if function.does == "removed"]
    assert (gone.name, gone.live) == ("shop-dev-jobs-queue", "1")


def test_a_renamed_queue_is_another_queue(live: Stage) -> None:
    """The new one is made, the old one stays with what is in it; only the consumer is another."""
    live.manifest_text = MANIFEST.replace("default", "emails")
    found = live.run(lambda: plan(live))
    assert changed(found, Action.CREATE) == ["ConsumerEmails"]
    assert changed(found, Action.DELETE) == ["ConsumerDefault"]
    assert fates(found)["emails-shop-dev"] == "made"
    assert fates(found)["default-shop-dev"] == "left"


def test_a_queue_that_changes_hands_has_another_consumer(live: Stage) -> None:
    """A renamed function: the plan shows the stack when all is done, and the queue as it is."""
    live.manifest_text = MANIFEST.replace("jobs:", "mails:")
    found = live.run(lambda: plan(live))
    assert "QueueMailsFunction" in changed(found, Action.CREATE)
    assert "QueueJobsFunction" in changed(found, Action.DELETE)
    assert fates(found)["default-shop-dev"] == "stays"


def test_a_queue_that_is_there_already_is_taken_over(live: Stage) -> None:
    """With its messages, and with what is changed of it; one of another stage is refused."""
    queues = live.cloud.queues.queues
    queues["emails-shop-dev"] = FakeQueue({"VisibilityTimeout": "30"}, {}, messages=3)
    queues["foreign-shop-dev"] = FakeQueue({}, {"hover-async": "dev"})
    live.manifest_text = MANIFEST.replace("default", "default, emails, foreign")
    found = live.run(lambda: plan(live))
    by_name = {queue.name: queue for queue in found.beside.queues}
    taken = by_name["emails-shop-dev"]
    assert (taken.does, taken.messages) == ("taken over", 3)
    changes = {change.path: (change.before, change.after) for change in taken.changes}
    assert changes["VisibilityTimeout"] == ("30", "360")
    refused = by_name["foreign-shop-dev"]
    assert refused.does == "refused"
    assert "belongs to stage 'dev'" in refused.problem


def test_a_queue_that_comes_back_is_taken_over(live: Stage) -> None:
    """It left with a message in it; that will be worked on when it returns."""
    live.manifest_text = MANIFEST.partition("queue:")[0]
    live.run(live.deploy)
    live.cloud.queues.queues["default-shop-dev"].messages = 1
    live.manifest_text = MANIFEST
    found = live.run(lambda: plan(live))
    (queue,) = found.beside.queues
    assert (queue.does, queue.messages) == ("taken over", 1)
    assert fates(found)[f"{LOGS}-jobs-queue"] == "adopted"


def test_dead_letters_are_made_and_named_by_their_queue(live: Stage) -> None:
    """Where failed jobs go is a change of the queue that they come from."""
    live.manifest_text = MANIFEST.replace("[default]", "[default], dead-letter: on, timeout: 120")
    found = live.run(lambda: plan(live))
    by_name = {queue.name: queue for queue in found.beside.queues}
    assert by_name["default-shop-dev-dead"].does == "made"
    queue = by_name["default-shop-dev"]
    assert queue.does == "changed"
    assert {(change.path, change.before, change.after) for change in queue.changes} == {
        ("RedrivePolicy", None, "default-shop-dev-dead after 1000 receives"),
        ("VisibilityTimeout", "360", "720"),
    }
    assert found.exit_code == 2


def test_logs_that_are_kept_for_less_are_told(live: Stage) -> None:
    """What is older than the new retention is deleted by CloudWatch; longer loses nothing."""
    for days, loses in ((7, True), (365, False)):
        live.manifest_text = f"log-retention: {days}\n{MANIFEST}"
        logs = live.run(lambda: plan(live)).beside.logs
        assert {(group.does, group.days_before, group.days) for group in logs} == {
            ("changed", 30, days)
        }
        assert {group.loses for group in logs} == {loses}


def test_what_stands_beside_is_as_it_was_planned(live: Stage) -> None:
    """A deploy does to queues and log groups what the plan said, and then nothing is left."""
    live.manifest_text = "log-retention: 7\n" + MANIFEST.replace(
        "[default]", "[default, emails], dead-letter: on, timeout: 120"
    )
    order = live.build()
    found = live.run(lambda: plan_build(order, live.cloud.ports, RecordingReporter()))
    live.run(lambda: live.deploy(order))
    names = live.cloud.world.names()
    made = [name for name, fate in fates(found).items() if fate == "made"]
    assert sorted(made) == ["default-shop-dev-dead", "emails-shop-dev", "emails-shop-dev-dead"]
    assert names.count("queues.create") == len(made)
    kept = [group for group in found.beside.logs if group.does == "changed"]
    assert names.count("logs.keep") == len(kept)
    after = live.run(lambda: plan_build(order, live.cloud.ports, RecordingReporter()))
    assert set(fates(after).values()) == {"stays"}
    assert after.exit_code == 0


# Nested stacks


MANY = 150


def many(*names: str) -> str:
    return (
        MANIFEST.partition("queue:")[0]
        + "queue:\n"
        + "".join(f"  {name}: {{}}\n" for name in names)
    )


def test_nested_stacks_are_planned_as_part_of_the_stack(stage: Stage) -> None:
    """What changes in one is told with its place; a new image is seen where it has its effect."""
    names = [f"q{number:03}" for number in range(MANY)]
    stage.manifest_text = many(*names)
    order = stage.build()
    found = stage.run(lambda: plan_build(order, stage.cloud.ports, RecordingReporter()))
    assert {change.stack for change in found.stack.changes} == {"", "Workers1"}
    assert "a plan uploads nothing" in found.stack.unconfirmed
    stage.run(lambda: stage.deploy(order))
    found = stage.run(lambda: plan_build(order, stage.cloud.ports, RecordingReporter()))
    assert (found.stack.confirmed, found.exit_code) == (True, 0)

    last = f"QueueQ{MANY - 1}Function"
    found = stage.run(lambda: plan(stage))
    (image,) = [change for change in found.stack.changes if change.logical_id == last]
    assert (image.stack, image.action) == ("Workers1", Action.MODIFY)
    assert [prop.after for prop in image.properties] == [THIS_BUILD]
    (nested,) = [change for change in found.stack.changes if change.logical_id == "Workers1"]
    assert [prop.after for prop in nested.properties] == [THIS_BUILD]
    assert {function.does for function in found.functions} == {"new-version"}

    stage.manifest_text = many(*names[:-1])
    found = stage.run(lambda: plan(stage))
    deleted = [change for change in found.stack.changes if change.action is Action.DELETE]
    assert {change.stack for change in deleted} == {"Workers1"}
    assert last in {change.logical_id for change in deleted}


def test_a_stack_of_somebody_else_is_an_obstacle(live: Stage) -> None:
    """A deploy would refuse to update it; the plan says so and why."""
    live.cloud.stacks.stacks["shop-dev"].outputs.clear()
    found = live.run(lambda: plan(live))
    assert "hover-async has not made" in found.stack.obstacle


def test_a_renamed_stage_is_another_stage(live: Stage) -> None:
    """The stack of the old name is not touched, a new one is created."""
    live.manifest_text = MANIFEST.replace("shop-dev", "shop-two")
    found = live.run(lambda: plan(live))
    assert found.stack.does == "create"
    assert found.stack.name == "shop-two"
    assert "shop-two" not in live.cloud.stacks.stacks
    assert {function.name for function in found.functions} == {
        "shop-two-http",
        "shop-two-cli",
        "shop-two-jobs-queue",
    }


LARGE = (
    MANIFEST.partition("queue:")[0]
    + "queue:\n"
    + "".join(f"  q{number}: {{}}\n" for number in range(60))
)
VARIABLES = "environment: {APP_NAME: Shop, API_KEY: s3cr3t-of-the-shop, KEPT: same}\n"


def test_variables_are_told_by_name_and_never_by_value(stage: Stage) -> None:
    """Added and removed names are told; of those in both it is honest not to know."""
    stage.manifest_text = MANIFEST + VARIABLES
    stage.run(stage.deploy)
    stage.manifest_text = MANIFEST + "environment: {NEW: n3w-secret, KEPT: other}\n"
    found = stage.run(lambda: plan(stage))
    environment = found.environment
    assert list(environment.added) == ["NEW"]
    assert list(environment.removed) == ["API_KEY", "APP_NAME"]
    assert list(environment.unknown) == ["KEPT"]
    told = json.dumps(found.as_json()) + str(stage.cloud.documents.documents)
    assert "s3cr3t-of-the-shop" not in told
    assert "n3w-secret" not in told


def test_a_record_without_variable_names_is_said_to_have_none(live: Stage) -> None:
    """A release of an earlier hover-async does not tell; then nothing is made up."""
    document = live.cloud.documents.documents[LIVE_KEY]
    record = json.loads(document.body)
    del record["environment"]
    body = json.dumps(record).encode()
    live.cloud.documents.documents[LIVE_KEY] = Document(body, document.etag)
    live.manifest_text = MANIFEST + VARIABLES
    environment = live.run(lambda: plan(live)).environment
    assert not environment.is_known
    assert list(environment.unknown) == ["API_KEY", "APP_NAME", "KEPT"]
    assert not environment.added


def test_a_deploy_that_is_running_is_told(live: Stage) -> None:
    """What is planned now may be another thing once it is done; a lock that has expired is none."""
    for seconds, told in ((60, True), (-60, False)):
        expires = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        holder = Holder("run", "b1", "ada", "laptop", "", expires)
        body = json.dumps(asdict(holder)).encode()
        live.cloud.documents.documents[LOCK_KEY] = Document(body, "etag")
        found = live.run(lambda: plan(live))
        assert (found.deploying is not None) is told


def test_an_image_that_lambda_would_refuse_is_told(live: Stage) -> None:
    """What is in the registry under this build's tag may not be what Lambda takes."""
    order = live.build()
    pushed = PushedImage(Digest(f"sha256:{'1' * 64}"), "is an index")
    live.cloud.registry.images[order.build.build_id] = pushed
    found = live.run(lambda: plan_build(order, live.cloud.ports, RecordingReporter()))
    assert found.image.problem == "is an index"


# CloudFormation's own word


def test_without_the_right_to_change_sets_the_templates_tell(live: Stage) -> None:
    """Refused a change set, the plan says so and has every change all the same."""
    for call in CHANGE_SET_CALLS:
        live.cloud.world.fail(call, lambda: AccessDenied("may not"), times=1000)
    found = live.run(lambda: plan(live))
    assert not found.stack.confirmed
    assert "may not" in found.stack.unconfirmed
    assert changed(found, Action.MODIFY) == ["CliFunction", "HttpFunction", "QueueJobsFunction"]
    assert not live.report.of(Warned)


def test_a_change_set_that_fails_is_told(live: Stage) -> None:
    """CloudFormation's reason stands in the plan, and nothing is left behind."""
    live.cloud.change_sets.failure = "Unresolved resource dependencies"
    found = live.run(lambda: plan(live))
    assert "Unresolved resource dependencies" in found.stack.unconfirmed
    assert not live.cloud.change_sets.kept


def test_what_cloudformation_knows_better_is_taken(live: Stage) -> None:
    """A replacement that only CloudFormation foresees is in the plan, and what it loses."""
    live.cloud.change_sets.extra = [
        ForeseenChange(
            "", "Table", "AWS::DynamoDB::Table", "Modify", "True", "ReplaceAndDelete", ["X"]
        ),
        ForeseenChange("", "CliLive", "AWS::Lambda::Alias", "Modify", is_certain=False),
    ]
    found = live.run(lambda: plan(live))
    (table,) = [change for change in found.stack.changes if change.logical_id == "Table"]
    assert (table.action, table.loses) == (Action.REPLACE, True)
    assert "CliLive" not in [change.logical_id for change in found.stack.changes]
    assert any("CliLive" in remark for remark in found.stack.remarks)


def test_a_large_template_is_not_uploaded_for_a_plan(stage: Stage) -> None:
    """Above what CloudFormation takes inline, the plan is from the templates, and says why."""
    stage.manifest_text = LARGE
    before = kept(stage)
    found = stage.run(lambda: plan(stage))
    assert "a plan uploads nothing" in found.stack.unconfirmed
    assert not CHANGE_SET_CALLS & set(stage.cloud.world.names())
    assert len(found.functions) == 62
    assert kept(stage) == before


def test_a_large_template_that_stands_in_the_bucket_is_asked_about(stage: Stage) -> None:
    """Where an earlier deploy has put the very same one, nothing need be uploaded to ask."""
    stage.manifest_text = LARGE
    order = stage.build()
    stage.run(lambda: stage.deploy(order))
    before = kept(stage)
    found = stage.run(lambda: plan_build(order, stage.cloud.ports, RecordingReporter()))
    assert found.stack.confirmed
    assert found.exit_code == 0
    assert kept(stage) == before


def test_a_deployed_template_of_another_kind_leaves_cloudformations_word(live: Stage) -> None:
    """A stack that somebody updated with a template in YAML is told by its change set."""
    live.cloud.stacks.stacks["shop-dev"].body = "Resources: {}"
    found = live.run(lambda: plan(live))
    assert found.stack.source == "change-set"
    assert changed(found, Action.MODIFY) == ["CliFunction", "HttpFunction", "QueueJobsFunction"]


def test_a_template_that_may_not_be_read_leaves_cloudformations_word(live: Stage) -> None:
    """Without the right to read it, the change set tells; and the plan says so."""
    live.cloud.world.fail("stacks.templates", lambda: AccessDenied("may not read"))
    found = live.run(lambda: plan(live))
    assert (found.stack.source, found.stack.unreadable) == ("change-set", "may not read")
    assert changed(found, Action.MODIFY) == ["CliFunction", "HttpFunction", "QueueJobsFunction"]


def test_no_plan_is_better_than_an_empty_one(live: Stage) -> None:
    """Where neither the template nor a change set tells, the plan fails, and says why for both."""
    live.cloud.world.fail("stacks.templates", lambda: AccessDenied("may not read"))
    live.cloud.world.fail("change_sets.create", lambda: AccessDenied("may not ask"))

    async def attempt() -> None:
        with pytest.raises(DeployError, match=r"may not read.*may not ask"):
            await plan(live)

    live.run(attempt)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS"])
def test_a_stack_that_cannot_be_updated_is_an_obstacle(live: Stage, status: str) -> None:
    """The plan says that a deploy could not begin, and asks for no change set."""
    live.cloud.stacks.stacks["shop-dev"].ended = status
    found = live.run(lambda: plan(live))
    assert status in found.stack.obstacle
    assert not CHANGE_SET_CALLS & set(live.cloud.world.names())


def test_a_failed_first_creation_would_be_made_anew(stage: Stage) -> None:
    """A stack that never came to be holds nothing that could be compared."""
    stage.cloud.stacks.failure = ("HttpFunction", "no image")

    async def fail() -> None:
        with pytest.raises(Exception, match="no image"):
            await stage.deploy()

    stage.run(fail)
    found = stage.run(lambda: plan(stage))
    assert found.stack.does == "create"
    assert found.stack.status == "ROLLBACK_COMPLETE"
    assert {change.action for change in found.stack.changes} == {Action.CREATE}


# Nothing is left behind


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("call", sorted(CHANGE_SET_CALLS - {"change_sets.names"}))
def test_an_interrupt_leaves_no_change_set_and_no_empty_stack(
    stage: Stage, call: str, *, first: bool
) -> None:
    """Cancelled in the middle of any call, the change set goes, and the stack made for it."""
    if not first:
        stage.run(stage.deploy)
    before = kept(stage)
    stage.cloud.world.latency_s[call] = 5.0

    async def attempt() -> None:
        async with anyio.create_task_group() as group:
            reached = stage.cloud.world.reached(call)
            group.start_soon(plan, stage)
            await reached.wait()
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    stage.run(attempt)
    assert kept(stage) == before


@pytest.mark.parametrize("first", [True, False])
def test_a_lost_answer_leaves_no_change_set(stage: Stage, *, first: bool) -> None:
    """The change set whose answer never came is deleted as well."""
    if not first:
        stage.run(stage.deploy)
    before = kept(stage)
    stage.cloud.world.fail(
        "change_sets.create", lambda: OutcomeUnknown("no answer"), after_effect=True
    )
    found = stage.run(lambda: plan(stage))
    assert "no answer" in found.stack.unconfirmed
    assert kept(stage) == before


def test_a_change_set_that_cannot_be_deleted_is_named(live: Stage) -> None:
    """What is left behind after all is told, with the command that deletes it."""
    live.cloud.world.fail("change_sets.delete", lambda: AccessDenied("may not"), times=1000)
    live.run(lambda: plan(live))
    (warning,) = live.report.of(Warned)
    assert warning.hint is not None
    assert "delete-change-set --stack-name shop-dev" in warning.hint


def test_an_empty_stack_with_a_rivals_change_set_stays(stage: Stage) -> None:
    """Of two plans of a new stage at once, the first to end leaves the other its stack."""

    async def two() -> list[Plan]:
        orders = [stage.build(), stage.build()]
        found: list[Plan] = []

        async def one(order: Any, wait_s: float) -> None:
            await anyio.sleep(wait_s)
            found.append(await plan_build(order, stage.cloud.ports, RecordingReporter()))

        async with anyio.create_task_group() as group:
            group.start_soon(one, orders[0], 0)
            group.start_soon(one, orders[1], 0.5)
        return found

    assert [found.stack.confirmed for found in stage.run(two)] == [True, True]
    assert not stage.cloud.stacks.stacks


def test_a_slow_change_set_is_given_up(live: Stage) -> None:
    """A change set that never becomes ready ends in a plan without it."""
    live.cloud.change_sets.ready_s = 10_000
    found = live.run(lambda: plan(live))
    assert "not ready after" in found.stack.unconfirmed
