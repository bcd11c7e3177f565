"""SQS: the stage's queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hover_async.aws.retry import CREATE, READ, SETTLE, Policy
from hover_async.aws.service import Answer, Service
from hover_async.errors import NotFound


class SqsQueues:
    """`Queues` over SQS; ARNs and URLs of queues begin so, and end with a queue's name."""

    def __init__(self, sqs: Service, *, arn_prefix: str, url_prefix: str) -> None:
        self._sqs = sqs
        self._arn_prefix = arn_prefix
        self._url_prefix = url_prefix

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
        await self._sqs.call(
            CREATE,
            "CreateQueue",
            f"queue '{name}'",
            QueueName=name,
            Attributes=dict(attributes),
            tags=dict(tags),
        )

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        await self._of(SETTLE, "SetQueueAttributes", name, Attributes=dict(attributes))

    async def tags(self, name: str) -> Mapping[str, str]:
        answer = await self._of(READ, "ListQueueTags", name)
        tags: Mapping[str, str] = answer.get("Tags", {})
        return tags

    async def tag(self, name: str, tags: Mapping[str, str]) -> None:
        await self._of(SETTLE, "TagQueue", name, Tags=dict(tags))

    async def _of(self, policy: Policy, operation: str, name: str, **parameters: Any) -> Answer:
        url = f"{self._url_prefix}{name}"
        return await self._sqs.call(
            policy, operation, f"queue '{name}'", QueueUrl=url, **parameters
        )
