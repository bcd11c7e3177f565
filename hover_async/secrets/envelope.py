"""The encrypted file, `.hover/STAGE-secrets.json`, as it lies in the repository and in the image.

    {
      "version": 1,
      "stage": "production",
      "key_id": "arn:aws:kms:...",     the KMS key that unwraps the data key
      "key": "...",                    the data key, wrapped; base64, as the two below
      "nonce": "...",                  12 bytes
      "ciphertext": "..."              AES-256-GCM of the JSON object NAME -> value, its tag behind
    }

`hover_async/runtime/src/Secrets.php` reads the same.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hover_async.errors import SecretsDamaged

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16


@dataclass(frozen=True)
class Envelope:
    """Sealed secrets. `wrapped` is their data key, as the KMS key `key_id` wrapped it."""

    stage: str
    key_id: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    @property
    def context(self) -> Mapping[str, str]:
        return context_of(self.stage)

    def to_json(self) -> bytes:
        content = {
            "version": VERSION,
            "stage": self.stage,
            "key_id": self.key_id,
            "key": base64.b64encode(self.wrapped).decode(),
            "nonce": base64.b64encode(self.nonce).decode(),
            "ciphertext": base64.b64encode(self.ciphertext).decode(),
        }
        return (json.dumps(content, indent=2) + "\n").encode()


def context_of(stage: str) -> Mapping[str, str]:
    """What KMS binds a data key to: it unwraps it for this stage alone."""
    return {"hover-stage": stage}


def bound_to(stage: str) -> bytes:
    """What the seal itself is bound to: AES-GCM's additional data."""
    return f"hover-async secrets v{VERSION} {stage}".encode()


def parse_envelope(file: str, content: bytes, stage: str) -> Envelope:
    """The envelope in `content`. Raises `SecretsDamaged` when it is none, or not of `stage`."""
    try:
        found = json.loads(content)
        envelope = _envelope(found)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise SecretsDamaged(
            f"{file} is not what 'secrets encrypt' of this hover-async writes",
            hint=_AGAIN.format(stage=stage),
        ) from error
    if envelope.stage != stage:
        raise SecretsDamaged(
            f"{file} holds the secrets of stage '{envelope.stage}', not of '{stage}'",
            hint=f"encrypt those of '{stage}': what is sealed for one stage opens in no other",
        )
    return envelope


_AGAIN = "restore it from your repository, or run 'hover-async secrets encrypt {stage}' again"


def _envelope(found: Mapping[str, Any]) -> Envelope:
    stage, key_id = found["stage"], found["key_id"]
    if found["version"] != VERSION:
        raise ValueError
    if not isinstance(stage, str) or not isinstance(key_id, str) or not key_id:
        raise TypeError
    wrapped, nonce, ciphertext = (
        base64.b64decode(found[name], validate=True) for name in ("key", "nonce", "ciphertext")
    )
    if not wrapped or len(nonce) != NONCE_BYTES or len(ciphertext) <= TAG_BYTES:
        raise ValueError
    return Envelope(stage, key_id, wrapped, nonce, ciphertext)
