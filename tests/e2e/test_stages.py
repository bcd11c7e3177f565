"""Stages of several sizes, and queue functions that come and go, on an AWS that runs them."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from hover_async.local import LocalAws, engine
from tests.e2e.tiny import TinyStage, tiny_stage

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage(local_aws: LocalAws, busybox: Path, tmp_path: Path) -> AsyncIterator[TinyStage]:
    async with tiny_stage(local_aws, busybox, tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("functions", [3, 19])
async def test_a_stage_is_deployed_updated_and_deleted(stage: TinyStage, functions: int) -> None:
    """Every function is published and flipped in each deploy; deleting the stack leaves the
    queues, and a new stack takes them over.

    `benchmarks/stages.py` does the same with hundreds of functions in nested stacks.
    """
    queue: dict[str, object] = {f"jobs-{number}": {} for number in range(functions - 2)}
    await stage.deploy(queue)
    first = await stage.live()
    assert len(first) == functions
    assert set(first.values()) == {"1"}

    await stage.deploy(queue)
    assert set((await stage.live()).values()) == {"2"}

    await stage.delete()
    assert await stage.cloud.stacks.functions(stage.name) == {}
    assert await stage.cloud.queues.find(f"jobs-0-{stage.name}")
    await stage.deploy(queue)
    assert len(await stage.live()) == functions


async def test_functions_come_and_go_and_no_job_is_lost(
    stage: TinyStage, local_aws: LocalAws
) -> None:
    """While jobs are sent all the time: a function is added, another renamed, then one removed; at
    last a queue leaves the manifest with a job in it, and comes back. Every job is worked on, and
    none by a version that was not live."""
    gateway = (await engine.find()).gateway
    assert gateway
    with witness(gateway) as seen:
        stage.witness = seen.url
        await stage.deploy({"old": {"queues": ["default"]}})
        jobs = Jobs(local_aws, f"default-{stage.name}")
        with jobs.sending():
            await stage.deploy({"old": {"queues": ["default"]}, "other": {}})
            await stage.deploy({"new": {"queues": ["default"]}, "other": {}})
            await stage.deploy({"new": {"queues": ["default"]}})
        jobs.wait_until_done()
        await stage.deploy({})
        jobs.send()
        await stage.deploy({"again": {"queues": ["default"]}})
        jobs.wait_until_done()
    assert set(seen.jobs) == set(range(jobs.sent))
    workers = {worker for workers in seen.jobs.values() for worker in workers}
    old, new, again = (f"{stage.name}-{name}-queue" for name in ("old", "new", "again"))
    assert {function for function, _ in workers} == {old, new, again}
    assert seen.jobs[jobs.sent - 1] == [(again, "1")]
    assert "$LATEST" not in {version for _, version in workers}
    live = {str(name) for name in await stage.live()}
    assert live == {f"{stage.name}-http", f"{stage.name}-cli", again}


@dataclass
class Seen:
    """Which functions, of which version, have worked on each job."""

    url: str
    jobs: dict[int, list[tuple[str, str]]] = field(default_factory=dict)


@contextmanager
def witness(gateway: str) -> Iterator[Seen]:
    """A server at `gateway`, which the functions' containers tell what they are given."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = self.rfile.read(int(self.headers["Content-Length"])).decode()
            _, function, version = self.path.split("/")
            for number in re.findall(r'\{\\"job\\": (\d+)\}', event):
                seen.jobs.setdefault(int(number), []).append((function, version))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody wants to read of each."""

    with ThreadingHTTPServer((gateway, 0), Listener) as server:
        seen = Seen(f"http://{gateway}:{server.server_port}")
        threading.Thread(target=server.serve_forever).start()
        try:
            yield seen
        finally:
            server.shutdown()


@dataclass
class Jobs:
    """Numbered messages in a queue, five a second."""

    aws: LocalAws
    queue: str
    sent: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def sending(self) -> Iterator[None]:
        sender = threading.Thread(target=self._send)
        sender.start()
        try:
            yield
        finally:
            self._over.set()
            sender.join()

    def _send(self) -> None:
        while not self._over.wait(0.2):
            self.send()

    def send(self) -> None:
        sqs, url = self._queue()
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"job": self.sent}))
        self.sent += 1

    def wait_until_done(self) -> None:
        """Until the queue is empty, and nobody holds a message of it."""
        sqs, url = self._queue()
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + 60
        left: dict[str, str] = {"": "1"}
        while any(int(number) for number in left.values()):
            assert time.monotonic() < deadline, left
            time.sleep(0.5)
            left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]

    def _queue(self) -> tuple[Any, str]:
        sqs = botocore.session.get_session().create_client(
            "sqs",
            region_name=self.aws.region,
            endpoint_url=self.aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - what every local AWS takes
        )
        return sqs, sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]
