"""What whoever runs `hover-async secrets` may do with the stage's key."""

from __future__ import annotations

from hover_async.iam.names import Names
from hover_async.iam.policy import Condition, Grant, Policy

UNNAMED: Condition = {"Null": {"kms:ResourceAliases": "true"}}
"""A key that has no alias, as one that has just been made; of an alias itself it is true, too."""


def for_stage(stage: str) -> Condition:
    """The encryption context that a stage's secrets are bound to (`secrets/envelope.py`)."""
    return {"StringEquals": {"kms:EncryptionContext:hover-stage": stage}}


def secrets(names: Names, *, sealed_with: str | None, stage: str) -> Policy:
    """`sealed_with` is the key of the secrets that are there already, where it is known."""
    wanted = names.manifest.secrets_key
    resource, of_key = names.key(wanted)
    grants = [
        Grant(
            "Secrets",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [resource],
            "secrets are encrypted, opened again, decrypted and listed, of this stage alone",
            {**of_key, **for_stage(stage)},
        )
    ]
    if sealed_with and sealed_with != wanted and ":key/" in sealed_with:
        grants.append(
            Grant(
                "SealedSecrets",
                ["kms:Decrypt"],
                [sealed_with],
                "what is encrypted now is opened with the key that it names, whatever the alias "
                "leads to",
                for_stage(stage),
            )
        )
    if wanted.startswith("alias/"):
        grants += _creation(names, wanted)
    return Policy(grants)


def _creation(names: Names, alias: str) -> list[Grant]:
    tagging = ["kms:TagResource"] if names.manifest.tags else []
    return [
        Grant(
            "KeyCreation",
            ["kms:CreateKey", *tagging],
            ["*"],
            "encrypt --create-key; AWS knows no narrower resource",
        ),
        Grant(
            "NewKey",
            ["kms:CreateAlias", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion"],
            [names.any_key, names.arn("kms", alias)],
            "the new key rotates and gets its alias; one that could not get it is deleted again; "
            "the condition allows keys without any alias alone",
            UNNAMED,
        ),
    ]
