"""What `Queues` and `LogGroups` promise, whoever keeps the promise."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

import pytest

from hover_async.deploy.queues import ensure_queues, settle_queues, wanted_queues
from hover_async.errors import AwsError, Conflict, NotFound
from hover_async.events import Event
from hover_async.manifest import Manifest
from hover_async.ports import Cloud
from hover_async.testing import FakeCloud
from tests.contract.conftest import Backend
from tests.unit.manifests import manifest

pytestmark = pytest.mark.anyio

ATTRIBUTES = {"VisibilityTimeout": "60", "MessageRetentionPeriod": "1209600"}


@pytest.fixture(params=["ministack", "fake"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The real adapters, and the fake that other tests believe."""
    if request.param == "fake":
        return FakeCloud().ports
    backend: Backend = request.getfixturevalue("backend")
    return backend.cloud


@pytest.fixture
def name() -> str:
    """A name that nobody has used yet."""
    return f"n-{secrets.token_hex(4)}"


async def test_no_queue(cloud: Cloud, name: str) -> None:
    """A queue that is not there is None, and cannot be changed."""
    assert await cloud.queues.find(name) is None
    with pytest.raises(NotFound):
        await cloud.queues.change(name, {"VisibilityTimeout": "10"})


async def test_a_queue(cloud: Cloud, name: str) -> None:
    """A queue has the attributes and the tags that it was made with, and the ARN of its name."""
    await cloud.queues.create(name, ATTRIBUTES, {"hover-async": "shop"})
    found = await cloud.queues.find(name)
    assert found is not None
    assert ATTRIBUTES.items() <= found.items()
    assert found["QueueArn"] == cloud.queues.arn(name)
    assert await cloud.queues.tags(name) == {"hover-async": "shop"}


async def test_the_same_queue_again(cloud: Cloud, name: str) -> None:
    """Made again with the same attributes it is the same queue; with others it is a conflict."""
    await cloud.queues.create(name, ATTRIBUTES, {})
    await cloud.queues.create(name, ATTRIBUTES, {})
    with pytest.raises(Conflict):
        await cloud.queues.create(name, {**ATTRIBUTES, "VisibilityTimeout": "61"}, {})


async def test_a_change(cloud: Cloud, name: str) -> None:
    """Attributes that are named change, and no others; tags are added to those there are."""
    await cloud.queues.create(name, ATTRIBUTES, {"a": "b"})
    await cloud.queues.change(name, {"VisibilityTimeout": "90"})
    await cloud.queues.tag(name, {"c": "d"})
    found = await cloud.queues.find(name)
    assert found is not None
    assert {**ATTRIBUTES, "VisibilityTimeout": "90"}.items() <= found.items()
    assert await cloud.queues.tags(name) == {"a": "b", "c": "d"}


async def test_a_wrong_attribute(backend: Backend, name: str) -> None:
    """What SQS does not take is refused."""
    with pytest.raises(AwsError):
        await backend.cloud.queues.create(name, {"VisibilityTimeout": "43201"}, {})


async def test_a_stages_queues(cloud: Cloud, name: str) -> None:
    """All that the manifest asks for, FIFO and dead letters included; once it stands nothing is
    left to do, and a change of the manifest is done in part before the flip, the rest after it."""
    told: list[Event] = []

    async def ensure(stage: Manifest) -> Mapping[str, Mapping[str, str]]:
        standing = await ensure_queues(stage, cloud.queues, told.append)
        await settle_queues(standing, cloud.queues)
        return standing.due

    jobs = {"queues": ["default", "mails.fifo"], "timeout": 20, "tries": 3, "dead-letter": True}
    stage = manifest(name=name, queue={"jobs": jobs})
    assert await ensure(stage) == {}
    assert await ensure(stage) == {}
    for queue in wanted_queues(stage):
        found = await cloud.queues.find(queue.name)
        assert found is not None
        assert queue.name.endswith(".fifo") is (found.get("FifoQueue") == "true")
    dead = await cloud.queues.find(f"mails-{name}.fifo")
    assert dead is not None
    policy = json.loads(dead["RedrivePolicy"])
    assert policy["deadLetterTargetArn"] == cloud.queues.arn(f"mails-{name}-dead.fifo")
    assert int(policy["maxReceiveCount"]) == 1000

    changed = manifest(name=name, queue={"jobs": {**jobs, "timeout": 10, "dead-letter": False}})
    due = {"VisibilityTimeout": "60", "RedrivePolicy": ""}
    assert await ensure(changed) == {f"default-{name}": due, f"mails-{name}.fifo": due}
    assert await ensure(changed) == {}
    longer = manifest(name=name, queue={"jobs": {**jobs, "timeout": 30, "dead-letter": False}})
    assert await ensure(longer) == {}
    found = await cloud.queues.find(f"default-{name}")
    assert found is not None
    assert found["VisibilityTimeout"] == "180"
    assert "RedrivePolicy" not in found
    assert not told


async def test_log_groups(cloud: Cloud, name: str) -> None:
    """A group that is there already counts as made; without a word it keeps logs for ever."""
    group, longer = f"/aws/lambda/{name}-http", f"/aws/lambda/{name}-http2"
    assert await cloud.logs.find(f"/aws/lambda/{name}-") == {}
    for made in (group, group, longer):
        await cloud.logs.create(made, {"team": "shop"})
    await cloud.logs.keep(group, days=7)
    assert await cloud.logs.find(f"/aws/lambda/{name}-") == {group: 7, longer: None}


async def test_log_groups_of_every_page(cloud: Cloud, name: str) -> None:
    """All of them are found, beyond a page of fifty."""
    groups = [f"/aws/lambda/{name}-{number:03}" for number in range(120)]
    for group in groups:
        await cloud.logs.create(group, {})
    assert list(await cloud.logs.find(f"/aws/lambda/{name}-")) == groups
