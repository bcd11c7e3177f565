"""Queues: Laravel's own worker on each message, and SQS told what is not done."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.aws_api import AwsApi
from tests.runtime.conftest import Start
from tests.runtime.containers import MANIFEST, Function

pytestmark = pytest.mark.every_base  # what touches most of Laravel

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:default-probe"
Bodies = Callable[..., list[str]]


@pytest.fixture(scope="session")
def bodies(cli: Function) -> Bodies:
    """Message bodies as the application's Laravel makes them."""

    def made(*wishes: dict[str, Any]) -> list[str]:
        printed = cli.run("php", "/var/task/make-payload.php", json.dumps(wishes))
        messages = json.loads(printed)
        assert isinstance(messages, list)
        return messages

    return made


@pytest.fixture
def queue(function: Start) -> Function:
    return function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL="http://127.0.0.1:9")


def records(
    messages: list[str], *, attempt: int = 1, arn: str = QUEUE, groups: str = ""
) -> dict[str, Any]:
    """An event of SQS; the messages are called m0, m1, ..."""
    return {
        "Records": [
            {
                "messageId": f"m{i}",
                "receiptHandle": f"handle-{i}",
                "body": message,
                "attributes": {"ApproximateReceiveCount": str(attempt)}
                | ({"MessageGroupId": groups[i]} if groups else {}),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
            }
            for i, message in enumerate(messages)
        ]
    }


def work(queue: Function, event: dict[str, Any], *, timeout_s: float = 20) -> list[str]:
    """The ids of the messages that come again."""
    answer = queue.api.invoke(event, timeout_s=timeout_s).answer()
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_jobs_are_worked_off_in_one_laravel(queue: Function, bodies: Bodies) -> None:
    """A batch is done in order by one booted process, and so is the next."""
    messages = bodies(*({"what": "succeed", "label": str(i)} for i in range(10)))
    assert work(queue, records(messages)) == []
    assert work(queue, records(messages[:1])) == []
    lines = [m.split() for m in queue.messages() if m.startswith("job")]
    assert [line[1] for line in lines] == [*map(str, range(10)), "0"]
    assert len({line[-1] for line in lines}) == 1
    assert lines[0][2:6] == ["attempt", "1", "on", "default-probe"]


def test_only_what_fails_comes_again(queue: Function, bodies: Bodies) -> None:
    """Two of ten throw: those two are named, the others are done."""
    wishes = [{"what": "throw" if i in {3, 7} else "succeed"} for i in range(10)]
    assert work(queue, records(bodies(*wishes))) == ["m3", "m7"]


@pytest.mark.parametrize(("attempt", "delay"), [(1, 5), (2, 10)])
def test_job_that_throws_comes_again_after_its_backoff(
    function: Start, bodies: Bodies, attempt: int, delay: int
) -> None:
    """The manifest's backoff becomes the message's visibility timeout."""
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL=aws.endpoint)
        assert work(queue, records(bodies({"what": "throw"}), attempt=attempt)) == ["m0"]
        (call,) = aws.calls
    assert call.target == "AmazonSQS.ChangeMessageVisibility"
    assert call.json == {
        "QueueUrl": f"{aws.endpoint}/123456789012/default-probe",
        "ReceiptHandle": "handle-0",
        "VisibilityTimeout": delay,
    }
    assert call.is_signed("sqs", "eu-central-1")


def test_released_job_comes_again_when_it_wishes(function: Start, bodies: Bodies) -> None:
    """release(17) in a job: 17 seconds."""
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL=aws.endpoint)
        assert work(queue, records(bodies({"what": "release"}))) == ["m0"]
        assert aws.calls[0].json["VisibilityTimeout"] == 17


def test_long_release_is_one_that_sqs_takes(function: Start, bodies: Bodies) -> None:
    """SQS counts its twelve hours from when Lambda took the message: a little less is asked for."""
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL=aws.endpoint)
        assert work(queue, records(bodies({"what": "release", "label": "long"}))) == ["m0"]
        assert 41_000 < aws.calls[0].json["VisibilityTimeout"] < 43_200 - 900


def test_release_that_sqs_refuses_still_comes_again(queue: Function, bodies: Bodies) -> None:
    """Without SQS the message is still named; its visibility timeout brings it back."""
    assert work(queue, records(bodies({"what": "release"}))) == ["m0"]
    assert any("after its visibility timeout" in line for line in queue.messages())


def test_last_try_is_the_last(queue: Function, bodies: Bodies) -> None:
    """The third of three tries fails the job for good: it does not come again."""
    assert work(queue, records(bodies({"what": "throw", "label": "pear"}), attempt=3)) == []
    assert any("m0 is failed: job pear throws" in line for line in queue.messages())


def test_tries_of_the_job_win(queue: Function, bodies: Bodies) -> None:
    """A job's own $tries count, not the manifest's."""
    (once,) = bodies({"what": "throw", "tries": 1})
    assert work(queue, records([once], attempt=1)) == []


@pytest.mark.parametrize("what", ["fail", "delete"])
def test_job_that_ends_itself_does_not_come_again(
    queue: Function, bodies: Bodies, what: str
) -> None:
    """fail() and delete() are final."""
    assert work(queue, records(bodies({"what": what}))) == []


def test_job_that_deletes_itself_stays_deleted(queue: Function, bodies: Bodies) -> None:
    """A job that throws after that, on its last try, does not come again, nor fails."""
    assert work(queue, records(bodies({"what": "delete and throw"}), attempt=3)) == []


WITH_DEAD_LETTERS = MANIFEST | {
    "queue": {"jobs": MANIFEST["queue"]["jobs"] | {"dead-letter": True}}
}


@pytest.mark.parametrize(
    ("fifo", "name", "more"),
    [
        ("", "default-probe-dead", {}),
        (
            ".fifo",
            "default-probe-dead.fifo",
            {"MessageGroupId": "a", "MessageDeduplicationId": "m0"},
        ),
    ],
)
def test_failed_job_goes_to_the_dead_letters(
    function: Start, bodies: Bodies, fifo: str, name: str, more: dict[str, str]
) -> None:
    """A job that gave up for good is put among the dead letters at once, and does not run again."""
    (body,) = bodies({"what": "fail"})
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(
            role="queue",
            HOVER_QUEUE="jobs",
            manifest=WITH_DEAD_LETTERS,
            AWS_ENDPOINT_URL=aws.endpoint,
        )
        assert work(queue, records([body], arn=QUEUE + fifo, groups="a" if fifo else "")) == []
        (call,) = aws.calls
    assert call.target == "AmazonSQS.SendMessage"
    url = f"{aws.endpoint}/123456789012/{name}"
    assert call.json == {"QueueUrl": url, "MessageBody": body} | more
    assert call.is_signed("sqs", "eu-central-1")


def test_dead_letter_that_sqs_refuses_is_not_lost(function: Start, bodies: Bodies) -> None:
    """Without SQS the message comes again, until SQS itself moves it."""
    queue = function(
        role="queue",
        HOVER_QUEUE="jobs",
        manifest=WITH_DEAD_LETTERS,
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
    )
    assert work(queue, records(bodies({"what": "fail"}))) == ["m0"]


FORGETFUL = """<?php
namespace App\\Providers;
class AppServiceProvider extends \\Illuminate\\Support\\ServiceProvider
{
    public function register(): void
    {
        $this->app->extend('queue.failer', fn () => throw new \\RuntimeException('gone'));
    }
}
"""


@pytest.mark.parametrize(
    ("manifest", "undone", "buried"), [(MANIFEST, ["m0"], 0), (WITH_DEAD_LETTERS, [], 1)]
)
def test_failed_job_that_cannot_be_recorded_is_not_lost(
    function: Start, bodies: Bodies, manifest: dict[str, Any], undone: list[str], buried: int
) -> None:
    """Without a record of failed jobs it comes again, or is among the dead letters."""
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(
            role="queue",
            HOVER_QUEUE="jobs",
            manifest=manifest,
            files={"app/Providers/AppServiceProvider.php": FORGETFUL},
            AWS_ENDPOINT_URL=aws.endpoint,
        )
        assert work(queue, records(bodies({"what": "fail"}))) == undone
        assert [call.target for call in aws.calls] == ["AmazonSQS.SendMessage"] * buried
    assert any("failed, but not recorded" in line for line in queue.messages())


def test_more_attempts_than_tries_fails_without_running(queue: Function, bodies: Bodies) -> None:
    """A message that came too often (its containers died) is failed, not run."""
    assert work(queue, records(bodies({"what": "succeed", "label": "x"}), attempt=4)) == []
    assert not any(line.startswith("job x") for line in queue.messages())


@pytest.mark.parametrize("what", ["exit", "memory", "leave"])
def test_job_that_ends_the_process_harms_no_other(
    queue: Function, bodies: Bodies, what: str
) -> None:
    """exit(), a fatal error, a kill: that message comes again, a new process does the next."""
    messages = bodies({"what": "succeed"}, {"what": what}, {"what": "succeed", "label": "last"})
    assert work(queue, records(messages)) == ["m1"]
    assert any(line.startswith("job last") for line in queue.messages())


def test_job_that_prints_without_end_is_ended(queue: Function, bodies: Bodies) -> None:
    """However much comes, the job's end is not forgotten."""
    assert work(queue, records(bodies({"what": "flood"})), timeout_s=4) == ["m0"]


def test_worker_that_dies_between_events_is_replaced(queue: Function, bodies: Bodies) -> None:
    """A process that was ready, and was killed while nobody looked, costs no message a try."""
    messages = bodies({"what": "succeed", "label": "one"})
    assert work(queue, records(messages)) == []
    (pid,) = (line.split()[-1] for line in queue.messages() if line.startswith("job one"))
    queue.run("sh", "-c", f"kill -9 {pid}; sleep 0.2")
    assert work(queue, records(messages)) == []


def test_job_that_says_what_only_the_worker_may_ends_nothing(
    queue: Function, bodies: Bodies
) -> None:
    """What is written where the worker reports harms that process only."""
    work(queue, records(bodies({"what": "pretend"})))
    assert work(queue, records(bodies({"what": "succeed", "label": "next"}))) == []
    assert any(line.startswith("job next") for line in queue.messages())


def test_what_is_done_stays_done_when_the_worker_boots_no_more(
    function: Start, bodies: Bodies
) -> None:
    """A new process that does not boot, or not in time, undoes no message that was done before."""
    boots = """<?php
namespace App\\Providers;
class AppServiceProvider extends \\Illuminate\\Support\\ServiceProvider
{
    public function register(): void
    {
        if (is_file('/tmp/booted') && basename($_SERVER['argv'][0]) === 'worker.php') {
            %s;
        }
        touch('/tmp/booted');
    }
}
"""
    messages = bodies({"what": "succeed"}, {"what": "exit"}, {"what": "succeed"})
    for then in ("sleep(20)", "throw new \\RuntimeException('no more')"):
        provider = {"app/Providers/AppServiceProvider.php": boots % then}
        queue = function(role="queue", HOVER_QUEUE="jobs", files=provider)
        assert work(queue, records(messages), timeout_s=5) == ["m1", "m2"]


def test_sqs_that_does_not_answer_delays_no_answer(function: Start, bodies: Bodies) -> None:
    """What was done before it hung is done, and the batch is answered in time."""
    messages = bodies({"what": "succeed"}, {"what": "release"})

    def hang(_: object) -> tuple[int, object]:
        time.sleep(8)
        return 200, {}

    with AwsApi(hang) as aws:
        queue = function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL=aws.endpoint)
        reply = queue.api.invoke(records(messages), timeout_s=4)
    assert reply.seconds < 4
    assert [f["itemIdentifier"] for f in reply.answer()["batchItemFailures"]] == ["m1"]


def test_job_that_takes_too_long_comes_again_after_its_backoff(
    function: Start, bodies: Bodies
) -> None:
    """A job's own $timeout ends it as Laravel's worker would; it comes after its backoff."""
    messages = bodies({"what": "sleep", "timeout": 1}, {"what": "succeed", "label": "next"})
    with AwsApi(lambda _: (200, {})) as aws:
        queue = function(role="queue", HOVER_QUEUE="jobs", AWS_ENDPOINT_URL=aws.endpoint)
        assert work(queue, records(messages)) == ["m0"]
        assert [call.json["VisibilityTimeout"] for call in aws.calls] == [5]
    assert "message m0 is released: it took too long" in queue.messages()
    assert any(line.startswith("job next") for line in queue.messages())


def test_timeout_of_the_manifest_is_every_jobs(function: Start, bodies: Bodies) -> None:
    """A job without a $timeout of its own has the queue's."""
    jobs = MANIFEST["queue"]["jobs"] | {"timeout": 1}
    queue = function(
        role="queue", HOVER_QUEUE="jobs", manifest=MANIFEST | {"queue": {"jobs": jobs}}
    )
    assert work(queue, records(bodies({"what": "sleep"}, {"what": "succeed"}))) == ["m0"]


def test_job_that_takes_too_long_on_its_last_try_is_failed(queue: Function, bodies: Bodies) -> None:
    """Laravel gives it up at the timeout, not only when it comes once more."""
    assert work(queue, records(bodies({"what": "sleep", "timeout": 1}), attempt=3)) == []
    assert "message m0 is failed: it took too long" in queue.messages()


def test_exceptions_of_a_job_are_counted(queue: Function, bodies: Bodies) -> None:
    """A job with $maxExceptions is failed by that many, whatever its tries."""
    (body,) = bodies({"what": "throw", "maxExceptions": 2, "tries": 9})
    assert work(queue, records([body], attempt=1)) == ["m0"]
    assert work(queue, records([body], attempt=2)) == []


@pytest.mark.parametrize("wish", [{"what": "grow", "label": "500"}, {"what": "lose"}])
def test_worn_worker_leaves_its_place(
    queue: Function, bodies: Bodies, wish: dict[str, str]
) -> None:
    """A job took half of the memory, or lost the database: a new process does the next."""
    messages = bodies({"what": "succeed"}, wish, {"what": "succeed"})
    work(queue, records(messages))
    work(queue, records(bodies({"what": "succeed"})))
    first, second, third, fourth = (
        line.split()[-1] for line in queue.messages() if line.startswith("job")
    )
    assert first == second
    assert third == fourth != second


def test_batch_ends_before_the_deadline(queue: Function, bodies: Bodies) -> None:
    """A second before the deadline what is running and what is left comes again."""
    messages = bodies({"what": "succeed"}, {"what": "sleep"}, {"what": "succeed"})
    assert work(queue, records(messages), timeout_s=3) == ["m1", "m2"]


def test_fifo_group_keeps_its_order(queue: Function, bodies: Bodies) -> None:
    """After a message that comes again nothing of its group is done; other groups go on."""
    wishes = [{"what": "throw" if i == 1 else "succeed", "label": str(i)} for i in range(5)]
    event = records(bodies(*wishes), arn=f"{QUEUE}.fifo", groups="baaab")
    assert work(queue, event) == ["m1", "m2", "m3"]


def test_poison_message_is_not_worth_the_worker(queue: Function, bodies: Bodies) -> None:
    """A body that is no job comes again (and so to the dead letters), others are done."""
    broken = ["no json", '{"job": "No\\Such@class", "data": []}']
    messages = [*broken, *bodies({"what": "succeed"})]
    failures = work(queue, records(messages))
    assert "m2" not in failures
    assert "m1" in failures


def test_worker_that_cannot_boot_fails_the_invocation(function: Start, bodies: Bodies) -> None:
    """All messages come again, and the error is the application's own."""
    files = {"app/Providers/AppServiceProvider.php": "<?php nonsense here"}
    queue = function(role="queue", HOVER_QUEUE="jobs", files=files)
    error = queue.api.invoke(records(bodies({"what": "succeed"}))).error()
    assert "the queue worker does not boot" in error


def test_worker_sees_the_environment(queue: Function, bodies: Bodies) -> None:
    """The manifest's variables reach a job."""
    work(queue, records(bodies({"what": "env", "label": "FROM_MANIFEST"})))
    assert "value yes" in queue.messages()
