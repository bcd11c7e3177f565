"""An account in memory, as the doctor looks at it: all in order unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hover_async.errors import Rejected
from hover_async.ports import BucketState, Certificate, Concurrency, Identity
from hover_async.testing.world import World
from hover_async.values import FunctionName

ACCOUNT = "123456789012"
BOTH = ("cloudformation.amazonaws.com", "lambda.amazonaws.com")


@dataclass
class FakeFacts:
    """`roles` has the services that a role trusts, by ARN; one that is not in it trusts both."""

    world: World
    account: str = ACCOUNT
    clock_ahead_s: float = 0.0
    expires_at: datetime | None = None
    roles: dict[str, Sequence[str] | None] = field(default_factory=dict)
    limits: Concurrency = field(default_factory=lambda: Concurrency(1000, 1000))
    reserves: dict[str, int] = field(default_factory=dict)
    bucket_state: BucketState = BucketState.ABSENT
    repository_exists: bool = False
    certificates: dict[str, Certificate] = field(default_factory=dict)
    key_states: dict[str, str] = field(default_factory=dict)
    template_problem: str | None = None

    async def identity(self) -> Identity:
        async with self.world.request("facts.identity"):
            arn = f"arn:aws:iam::{self.account}:user/deployer"
            return Identity(arn, self.account, self.clock_ahead_s, self.expires_at)

    async def trusted_services(self, role_arn: str) -> Sequence[str] | None:
        async with self.world.request("facts.trusted_services", role_arn):
            return self.roles.get(role_arn, BOTH)

    async def concurrency(self) -> Concurrency:
        async with self.world.request("facts.concurrency"):
            return self.limits

    async def reserved(self, function: FunctionName) -> int:
        async with self.world.request("facts.reserved", function):
            return self.reserves.get(function, 0)

    async def bucket(self) -> BucketState:
        async with self.world.request("facts.bucket"):
            return self.bucket_state

    async def has_repository(self) -> bool:
        async with self.world.request("facts.has_repository"):
            return self.repository_exists

    async def certificate(self, arn: str) -> Certificate | None:
        async with self.world.request("facts.certificate", arn):
            return self.certificates.get(arn)

    async def key_state(self, key: str) -> str | None:
        async with self.world.request("facts.key_state", key):
            return self.key_states.get(key)

    async def validate(self, template: str) -> None:
        async with self.world.request("facts.validate"):
            if self.template_problem:
                raise Rejected(self.template_problem)
