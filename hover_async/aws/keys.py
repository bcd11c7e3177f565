"""KMS: data keys for the stage's secrets, and the key that wraps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anyio import CancelScope, move_on_after

from hover_async.aws.retry import CREATE_KEY, DATA_KEY, READ, SETTLE, Policy
from hover_async.aws.service import Answer, Service
from hover_async.errors import AccessDenied, AwsError
from hover_async.ports import DataKey

CLEANUP_S = 10
SOONEST_DELETION_DAYS = 7


class KmsKeys:
    """`Keys` over one account and region. `tags` are put on a key that is made."""

    def __init__(self, kms: Service, *, tags: Mapping[str, str]) -> None:
        self._kms = kms
        self._tags = tags

    async def generate(self, key: str, context: Mapping[str, str]) -> DataKey:
        answer = await self._call(
            DATA_KEY,
            "GenerateDataKey",
            key,
            KeyId=key,
            KeySpec="AES_256",
            EncryptionContext=dict(context),
        )
        return DataKey(answer["KeyId"], answer["Plaintext"], answer["CiphertextBlob"])

    async def unwrap(self, key: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        answer = await self._call(
            READ,
            "Decrypt",
            key,
            KeyId=key,
            CiphertextBlob=wrapped,
            EncryptionContext=dict(context),
        )
        plain: bytes = answer["Plaintext"]
        return plain

    async def create(self, alias: str) -> str:
        made = await self._call(
            CREATE_KEY,
            "CreateKey",
            alias,
            Description="the secrets of a stage of hover-async",
            Tags=[{"TagKey": key, "TagValue": value} for key, value in self._tags.items()],
        )
        arn: str = made["KeyMetadata"]["Arn"]
        named = False
        try:
            # The alias is last: a key that has it is whole.
            await self._call(SETTLE, "EnableKeyRotation", arn, KeyId=arn)
            await self._call(CREATE_KEY, "CreateAlias", alias, AliasName=alias, TargetKeyId=arn)
            named = True
        finally:
            if not named:
                await self._discard(arn)
        return arn

    async def _discard(self, arn: str) -> None:
        """Best effort: a key that nothing was encrypted with costs about a dollar a month."""
        with CancelScope(shield=True), move_on_after(CLEANUP_S):
            try:
                await self._call(
                    SETTLE,
                    "ScheduleKeyDeletion",
                    arn,
                    KeyId=arn,
                    PendingWindowInDays=SOONEST_DELETION_DAYS,
                )
            except AwsError:
                return

    async def _call(self, policy: Policy, operation: str, key: str, **parameters: Any) -> Answer:
        try:
            return await self._kms.call(policy, operation, f"key '{key}'", **parameters)
        except AccessDenied as error:
            error.hint = (
                f"let this identity call kms:{operation} (the key's own policy has a say as well), "
                "or use another profile"
            )
            raise
