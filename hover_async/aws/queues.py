"""SQS: the stage's queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hover_async.aws.retry import CREATE, READ, SETTLE, Policy
from hover_async.aws.service import Answer, Service
from hover_async.errors import NotFound


class SqsQueues:
    """`Queues` over SQS; `arn_prefix` is an ARN up to the queue's name."""

    def __init__(self, sqs: Service, *, arn_prefix: str) -> None:
        self._sqs = sqs
        self._arn_prefix = arn_prefix
        self._urls: dict[str, str] = {}

    def arn(self, name: str) -> str:
        return f"{self._arn_prefix}{name}"

    async def find(self, name: str) -> Mapping[str, str] | None:
        try:
            answer = await self._of(READ, "GetQueueAttributes", name, AttributeNames=["All"])
        except NotFound:
            return None
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    async def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        answer = await self._sqs.call(
            CREATE,
            "CreateQueue",
            f"queue '{name}'",
            QueueName=name,
            Attributes=dict(attributes),
            tags=dict(tags),
        )
        self._urls[name] = answer["QueueUrl"]

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        await self._of(SETTLE, "SetQueueAttributes", name, Attributes=dict(attributes))

    async def tags(self, name: str) -> Mapping[str, str]:
        answer = await self._of(READ, "ListQueueTags", name)
        tags: Mapping[str, str] = answer.get("Tags", {})
        return tags

    async def tag(self, name: str, tags: Mapping[str, str]) -> None:
        await self._of(SETTLE, "TagQueue", name, Tags=dict(tags))

    async def _of(self, policy: Policy, operation: str, name: str, **parameters: Any) -> Answer:
        """A call about the queue, by the URL that SQS itself gives it."""
        subject = f"queue '{name}'"
        if name not in self._urls:
            answer = await self._sqs.call(READ, "GetQueueUrl", subject, QueueName=name)
            self._urls[name] = answer["QueueUrl"]
        return await self._sqs.call(
            policy, operation, subject, QueueUrl=self._urls[name], **parameters
        )
