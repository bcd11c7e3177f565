"""KMS in memory: a wrapped key is a ticket for what it was made with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.ports import DataKey
from hover_async.testing.world import World

ARN = "arn:aws:kms:us-east-1:123456789012:key/{:08x}-0000-0000-0000-000000000000"


@dataclass
class FakeKeys:
    """The keys' ARNs by alias; what each wrapped; those in `disabled` are of no use."""

    world: World
    aliases: dict[str, str] = field(default_factory=dict)
    arns: list[str] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)
    _wrapped: dict[bytes, tuple[str, bytes, dict[str, str]]] = field(default_factory=dict)

    async def generate(self, key: str, context: Mapping[str, str]) -> DataKey:
        async with self.world.request("keys.generate", key):
            arn = self._usable(key)
            made = DataKey(arn, os.urandom(32), os.urandom(48))
            self._wrapped[made.wrapped] = (arn, made.plain, dict(context))
            return made

    async def unwrap(self, key: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        async with self.world.request("keys.unwrap", key):
            arn = self._usable(key)
            wrapper, plain, bound_to = self._wrapped.get(wrapped, ("", b"", {}))
            if wrapper != arn or bound_to != context:
                raise Rejected("it was not wrapped so", aws_code="InvalidCiphertextException")
            return plain

    async def create(self, alias: str) -> str:
        async with self.world.request("keys.create", alias):
            if alias in self.aliases:
                raise Conflict(f"{alias} exists")
            self.arns.append(ARN.format(len(self.arns)))
            self.aliases[alias] = self.arns[-1]
            return self.arns[-1]

    def _usable(self, key: str) -> str:
        arn = self.aliases.get(key, key)
        if arn not in self.arns:
            raise NotFound(f"there is no key '{key}'")
        if arn in self.disabled:
            raise Rejected(f"key '{key}' is disabled", aws_code="DisabledException")
        return arn
