"""The account as the doctor looks at it: a port of facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hover_async.values import FunctionName


@dataclass(frozen=True)
class Identity:
    """Who AWS says that we are.

    `clock_ahead_s` is how far this machine's clock is ahead of AWS's; `expires_at` is known only of
    credentials that say so.
    """

    arn: str
    account: str
    clock_ahead_s: float
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Concurrency:
    """How many environments the account may run at once, and how many of them in no reserve."""

    limit: int
    unreserved: int


@dataclass(frozen=True)
class Certificate:
    """`status` is ACM's own word; `domains` are all that it is for."""

    status: str
    domains: Sequence[str]


class BucketState(StrEnum):
    OURS = "ours"
    ABSENT = "absent"
    FOREIGN = "foreign"


class Facts(Protocol):
    """What can be known of an account without changing anything in it."""

    async def identity(self) -> Identity: ...

    async def trusted_services(self, role_arn: str) -> Sequence[str] | None:
        """The services that may act as the role; None when there is no such role."""

    async def concurrency(self) -> Concurrency: ...

    async def reserved(self, function: FunctionName) -> int:
        """What the function has reserved; 0 when nothing, or when there is no such function."""

    async def bucket(self) -> BucketState: ...

    async def has_repository(self) -> bool: ...

    async def certificate(self, arn: str) -> Certificate | None: ...

    async def key_state(self, key: str) -> str | None:
        """The state of a KMS key, by its ARN, id or alias, as KMS calls it; None when there is no
        such key."""

    async def validate(self, template: str) -> None:
        """Let CloudFormation look at a template. Raises `Rejected` with what is wrong."""
