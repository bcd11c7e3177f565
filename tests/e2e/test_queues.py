"""Queues: SQS hands messages to the queue function's container, and gets back what is not done.

One deploy for all. Every message is sent at the beginning, so that the tests wait for their
retries at the same time; what happened stands in the application's store and in SQS.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hover_async.local import LocalAws
from hover_async.manifest.names import DEAD, sqs_name
from tests.e2e.conftest import fetch
from tests.e2e.stage import Stage, eventually, new_stage

ONE_PROVIDER, TESTS_PROVIDER = (
    f"App\\Providers\\{name}ServiceProvider::class," for name in ("App", "Test")
)
OVERLAY = Path(__file__).with_name("overlay")
QUEUES = """\
queue:
  jobs:
    tries: 3
    backoff: "5, 10"
    queues: [default]
  ten:
    timeout: 5
    tries: 2
    backoff: 1
    batch: 10
    max-concurrency: 2
    queues: [ten]
  brief:
    timeout: 2
    tries: 2
    backoff: 1
    batch: 3
    max-concurrency: 2
    queues: [brief, orders.fifo]
  dead:
    timeout: 5
    tries: 2
    backoff: 1
    max-concurrency: 2
    dead-letter: on
    queues: [doomed]
"""
VISIBILITY_S = 6 * 2 * 3
"""Of the queues whose function has 2 seconds for each of three jobs."""
FIRST_WITHIN_S = 30
"""From a message to its first attempt: a container boots, beside others."""
AGAIN_WITHIN_S = VISIBILITY_S + 20

NO_JSON = "this is no JSON"
UNKNOWN_CLASS = json.dumps({"job": "App\\Jobs\\Nobody@fire", "data": []})


@dataclass(frozen=True)
class Queues:
    """The stage's queues, and what its application has noted."""

    stage: Stage
    url: str

    def send(self, queue: str, *bodies: str, groups: str = "") -> None:
        """All in one SendMessageBatch, and received together: the mapping is off until then."""
        lambdas, sqs = self.stage.client("lambda"), self.stage.client("sqs")
        (mapping,) = [
            found["UUID"]
            for found in lambdas.list_event_source_mappings()["EventSourceMappings"]
            if found["EventSourceArn"].endswith(f":{self.name(queue)}")
        ]
        lambdas.update_event_source_mapping(UUID=mapping, Enabled=False)
        entries = [
            {"Id": str(index), "MessageBody": body}
            | ({"MessageGroupId": groups[index]} if groups else {})
            for index, body in enumerate(bodies)
        ]
        answer = sqs.send_message_batch(QueueUrl=self._queue_url(queue), Entries=entries)
        assert len(answer["Successful"]) == len(bodies), answer
        lambdas.update_event_source_mapping(UUID=mapping, Enabled=True)

    def attempts(self, label: str) -> list[Mapping[str, Any]]:
        """What each attempt at a wish noted, in order of time."""
        notes = self._notes(f"attempt-{label}-")
        return sorted(notes, key=lambda note: float(note["at"]))

    def after(self, label: str, count: int, *, within_s: float) -> list[Mapping[str, Any]]:
        """The attempts at a wish, once there have been `count`."""
        return eventually(
            lambda: notes if len(notes := self.attempts(label)) >= count else None,
            within_s=within_s,
        )

    def failed(self, queue: str) -> list[Mapping[str, Any]]:
        """The application's failed jobs of a queue."""
        return [note for note in self._notes("failed-") if note["queue"] == self.name(queue)]

    def left(self, queue: str) -> int:
        """How many messages SQS has, visible or not."""
        counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self.stage.client("sqs").get_queue_attributes(
            QueueUrl=self._queue_url(queue), AttributeNames=list(counts)
        )["Attributes"]
        return sum(int(found[count]) for count in counts)

    def drained(self, queue: str, *, within_s: float) -> None:
        """Wait until SQS has no message of a queue left."""
        eventually(lambda: True if self.left(queue) == 0 else None, within_s=within_s)

    def dead_letters(self, queue: str) -> list[Mapping[str, Any]]:
        answer = self.stage.client("sqs").receive_message(
            QueueUrl=self._queue_url(queue, DEAD),
            MaxNumberOfMessages=10,
            AttributeNames=["ApproximateReceiveCount"],
            VisibilityTimeout=0,
        )
        return list(answer.get("Messages", []))

    def name(self, queue: str, suffix: str = "") -> str:
        return sqs_name(self.stage.name, queue, suffix=suffix)

    def _queue_url(self, queue: str, suffix: str = "") -> str:
        name = self.name(queue, suffix)
        return str(self.stage.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def _notes(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        s3, bucket = self.stage.client("s3"), f"{self.stage.name}-assets"
        keys = s3.list_objects_v2(Bucket=bucket, Prefix=f"example/{prefix}").get("Contents", [])
        return [
            json.loads(s3.get_object(Bucket=bucket, Key=key["Key"])["Body"].read()) for key in keys
        ]


def wish(label: str, *wishes: str) -> str:
    """The body of a job that does what is wished at each attempt, and then succeeds."""
    return json.dumps({"job": "App\\Jobs\\Wish@fire", "data": {"label": label, "wishes": wishes}})


DOOMED = wish("doomed", *["throw"] * 9)
OWN_TRIES = json.dumps({**json.loads(wish("own", *["throw"] * 9)), "maxTries": 4})


@pytest.fixture(scope="module")
def queues(
    base_image: str, local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Queues:
    """The example with these queues, live; every test's messages are sent."""
    del base_image
    name = f"queues-{secrets.token_hex(2)}"
    stage = new_stage(name, tmp_path_factory.mktemp("queues"), local_aws)
    shutil.copytree(OVERLAY, stage.project, dirs_exist_ok=True)
    stage.edit(
        "config/app.php",
        lambda text: text.replace(ONE_PROVIDER, f"{ONE_PROVIDER}\n        {TESTS_PROVIDER}"),
    )
    stage.manifest(r"^queue:\n(?: .*\n)*", QUEUES)
    stage.manifest("warm: 3", "warm: 1")
    stage.build("--skip-tests")
    queues = Queues(stage, stage.deploy().result["url"])
    fetch(f"{queues.url}/greetings/Ada", method="POST")
    queues.send("default", wish("backoff", "throw", "throw"), wish("released", "release 2"))
    queues.send("brief", wish("failing", *["throw"] * 9), wish("killer", "die"), wish("neighbour"))
    queues.send("ten", *(wish(f"ten-{i}", *["throw"] * (i in {3, 7})) for i in range(10)))
    orders = [wish("a1", "throw"), wish("a2"), wish("b1"), wish("a3"), wish("b2")]
    queues.send("orders.fifo", *orders, groups="aabab")
    queues.send("doomed", DOOMED, OWN_TRIES, NO_JSON, UNKNOWN_CLASS, wish("innocent"))
    return queues


def test_a_dispatched_job_runs_in_the_live_container(queues: Queues) -> None:
    """What the application dispatched is done by a container of the live queue function."""
    url = f"{queues.url}/greetings/Ada"
    greeted = eventually(
        lambda: json.loads(answer.body) if (answer := fetch(url)).status == 200 else None,
        within_s=FIRST_WITHIN_S,
    )
    running = queues.stage.running("jobs-queue")
    versions = {container.instance: container.version for container in running}
    assert versions[greeted["container"]] == queues.stage.live()["jobs-queue"]
    assert (greeted["greeting"], greeted["attempt"]) == ("Hello, Ada!", 1)


def test_a_job_comes_again_after_its_backoff_and_not_before(queues: Queues) -> None:
    """The manifest's "5, 10": five seconds after the first attempt, ten after the second."""
    first, second, third = queues.after("backoff", 3, within_s=FIRST_WITHIN_S + 20)
    assert [note["attempt"] for note in (first, second, third)] == [1, 2, 3]
    assert 5 <= second["at"] - first["at"] < 10
    assert 10 <= third["at"] - second["at"] < 15


def test_a_released_job_comes_again_when_it_wished(queues: Queues) -> None:
    """release(2) is two seconds, and not the manifest's backoff."""
    first, second = queues.after("released", 2, within_s=FIRST_WITHIN_S)
    assert 2 <= second["at"] - first["at"] < 5


def test_only_what_failed_of_a_batch_comes_again(queues: Queues) -> None:
    """Two of ten that were received together throw: these two are tried again, the others not."""
    for label in ("ten-3", "ten-7"):
        queues.after(label, 2, within_s=FIRST_WITHIN_S)
    queues.drained("ten", within_s=AGAIN_WITHIN_S)
    counts = {i: len(queues.attempts(f"ten-{i}")) for i in range(10)}
    assert counts == {i: 2 if i in {3, 7} else 1 for i in range(10)}
    assert len({queues.attempts(f"ten-{i}")[0]["container"] for i in range(10)}) == 1
    assert queues.failed("ten") == []


def test_a_job_that_kills_its_process_is_tried_again(queues: Queues) -> None:
    """SQS gives it again; what was received with it is done, by a new process."""
    (neighbour,) = queues.after("neighbour", 1, within_s=FIRST_WITHIN_S)
    first, second = queues.after("killer", 2, within_s=AGAIN_WITHIN_S)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert neighbour["container"] == first["container"]
    assert neighbour["process"] != first["process"]


def test_a_job_that_always_fails_is_tried_as_often_as_told(queues: Queues) -> None:
    """Two tries, then one failed job, and SQS has it no longer."""
    queues.after("failing", 2, within_s=FIRST_WITHIN_S)
    queues.drained("brief", within_s=AGAIN_WITHIN_S)
    assert [note["attempt"] for note in queues.attempts("failing")] == [1, 2]
    (failed,) = queues.failed("brief")
    assert failed["payload"] == wish("failing", *["throw"] * 9)
    assert failed["exception"] == "attempt 2 of failing fails as wished"


def test_a_fifo_queue_keeps_the_order_of_a_group(queues: Queues) -> None:
    """What follows a failed message of its group waits for its backoff; other groups go on."""
    queues.drained("orders.fifo", within_s=FIRST_WITHIN_S)
    notes = [note for label in ("a1", "a2", "a3", "b1", "b2") for note in queues.attempts(label)]
    order = [note["label"] for note in sorted(notes, key=lambda note: float(note["at"]))]
    assert order == ["a1", "b1", "b2", "a1", "a2", "a3"]
    first, second = queues.attempts("a1")
    assert 1 <= second["at"] - first["at"] < VISIBILITY_S / 2
    assert [queues.attempts(label)[0]["attempt"] for label in ("a2", "a3")] == [1, 1]


def test_what_failed_for_good_is_a_dead_letter_at_once(queues: Queues) -> None:
    """A job that always throws, with the tries of the manifest or more of its own; a body that is
    no JSON, and one of no class: each once, and no other message is harmed."""
    buried = {DOOMED, OWN_TRIES, NO_JSON, UNKNOWN_CLASS}
    dead = eventually(
        lambda: found if len(found := queues.dead_letters("doomed")) == len(buried) else None,
        within_s=FIRST_WITHIN_S,
    )
    assert {message["Body"] for message in dead} == buried
    queues.drained("doomed", within_s=FIRST_WITHIN_S)
    assert [note["attempt"] for note in queues.attempts("doomed")] == [1, 2]
    assert [note["attempt"] for note in queues.attempts("own")] == [1, 2, 3, 4]
    assert len(queues.attempts("innocent")) == 1
    assert sorted(note["payload"] for note in queues.failed("doomed")) == sorted(buried)
