"""What stands beside the stack: queues on SQS, log groups of CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Queues(Protocol):
    """Queues on SQS, by name; attributes by SQS's own names. Nothing here deletes one."""

    def arn(self, name: str) -> str:
        """The ARN that a queue of this name has, whether there is one or not."""

    async def find(self, name: str) -> Mapping[str, str] | None:
        """The queue's attributes, or None."""

    async def create(
        self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """Repeating it does nothing. Raises `Conflict` when it is there with other attributes."""

    async def change(self, name: str, attributes: Mapping[str, str]) -> None:
        """Set these attributes and no others; repeating it sets the same again."""

    async def tags(self, name: str) -> Mapping[str, str]: ...

    async def tag(self, name: str, tags: Mapping[str, str]) -> None: ...


class LogGroups(Protocol):
    async def find(self, prefix: str) -> Mapping[str, int | None]:
        """Every group whose name begins so, with the days it keeps logs (None: for ever)."""

    async def create(self, name: str, tags: Mapping[str, str]) -> None:
        """A group that is there already counts as done."""

    async def keep(self, name: str, *, days: int) -> None: ...
