"""Sealing and opening: AES-256-GCM under a data key that is used for this one message."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hover_async.errors import SecretsDamaged
from hover_async.ports import DataKey
from hover_async.secrets.envelope import NONCE_BYTES, Envelope, bound_to
from hover_async.values import Secret


def seal(secrets: Mapping[str, Secret], stage: str, key: DataKey) -> Envelope:
    """The secrets, to be opened with `key` and for `stage` alone. Use a new `key` each time."""
    plain = json.dumps(
        {name: value.reveal() for name, value in secrets.items()},
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key.plain).encrypt(nonce, plain, bound_to(stage))
    return Envelope(stage, key.key_id, key.wrapped, nonce, ciphertext)


def unseal(envelope: Envelope, key: bytes) -> Mapping[str, Secret]:
    """The secrets, with the data key unwrapped. Raises `SecretsDamaged` when they do not open."""
    try:
        plain = AESGCM(key).decrypt(envelope.nonce, envelope.ciphertext, bound_to(envelope.stage))
        return dict(_checked(json.loads(plain)))
    except (InvalidTag, ValueError):
        # Not chained: an error about the plain text could show some of it.
        raise SecretsDamaged(
            f"the secrets of stage '{envelope.stage}' do not decrypt: the file was changed",
            hint="restore it from your repository, or encrypt again",
        ) from None


def _checked(values: Any) -> Iterator[tuple[str, Secret]]:
    """What only `seal` can have written; a name with a line break would be two in a plain file."""
    if not isinstance(values, dict):
        raise ValueError  # noqa: TRY004 - caught above, with what JSON raises
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or not isinstance(value, str):
            raise ValueError
        yield name, Secret(value)
