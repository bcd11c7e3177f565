"""SQS's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.testing.clients.refusals import refused
from hover_async.testing.clients.wire import Wire
from hover_async.testing.queues import FakeQueues

Answer = Mapping[str, Any]
REFUSALS = {
    NotFound: ("AWS.SimpleQueueService.NonExistentQueue", 400),
    Conflict: ("QueueAlreadyExists", 400),
    Rejected: ("InvalidParameterValue", 400),
}


class SqsClient:
    """botocore's `sqs`, as far as a deploy uses it."""

    def __init__(self, queues: FakeQueues, wire: Wire) -> None:
        self._queues = queues
        self._wire = wire

    async def get_queue_attributes(self, **asked: Any) -> Answer:
        name = _name(asked)
        async with self._wire.request("sqs.GetQueueAttributes", name):
            found = self._queues.attributes(name)
            if found is None:
                raise refused(*REFUSALS[NotFound])
            return {"Attributes": found}

    async def create_queue(self, **asked: Any) -> Answer:
        async with self._wire.request("sqs.CreateQueue", asked["QueueName"]):
            try:
                self._queues.make(asked["QueueName"], asked["Attributes"], asked["tags"])
            except (Conflict, Rejected) as error:
                raise refused(*REFUSALS[type(error)], str(error)) from error
            return {}

    async def set_queue_attributes(self, **asked: Any) -> Answer:
        async with self._wire.request("sqs.SetQueueAttributes", _name(asked)):
            try:
                self._queues.alter(_name(asked), asked["Attributes"])
            except (NotFound, Rejected) as error:
                raise refused(*REFUSALS[type(error)], str(error)) from error
            return {}

    async def list_queue_tags(self, **asked: Any) -> Answer:
        async with self._wire.request("sqs.ListQueueTags", _name(asked)):
            return {"Tags": dict(self._queue(asked).tags)}

    async def tag_queue(self, **asked: Any) -> Answer:
        async with self._wire.request("sqs.TagQueue", _name(asked)):
            self._queue(asked).tags |= asked["Tags"]
            return {}

    def _queue(self, asked: Mapping[str, Any]) -> Any:
        found = self._queues.queues.get(_name(asked))
        if found is None:
            raise refused(*REFUSALS[NotFound])
        return found


def _name(asked: Mapping[str, Any]) -> str:
    return str(asked["QueueUrl"]).rpartition("/")[2]
