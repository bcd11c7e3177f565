"""KMS: keys that never leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class DataKey:
    """A new key of 256 bits, and the same wrapped by the KMS key of the ARN `key_id`."""

    key_id: str
    plain: bytes = field(repr=False)
    wrapped: bytes


class Keys(Protocol):
    """Keys that never leave KMS. A key is named by its alias, its id or its ARN.

    Every method raises `AccessDenied` when this identity may not, and `Rejected` when the key is
    disabled or is to be deleted. A `context` is not secret: whoever unwraps must give the same one.
    """

    async def generate(self, key: str, context: Mapping[str, str]) -> DataKey:
        """A new data key each time. Raises `NotFound` when there is no such key."""

    async def unwrap(self, key: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """What was wrapped by `key`. Raises `NotFound` when there is no such key, and may raise
        `Rejected` when it was wrapped by another, with another context, or was changed."""

    async def create(self, alias: str) -> str:
        """Make a key that rotates every year, named `alias` (`alias/...`); its ARN.

        Raises `Conflict` when the alias is taken; then, as on every failure that can be told, no
        key is left behind.
        """
