"""The encrypted file: sealed and opened, and whatever else may stand in its place."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from hover_async.errors import SecretsDamaged
from hover_async.ports import DataKey
from hover_async.secrets.envelope import Envelope, parse_envelope
from hover_async.secrets.sealing import seal, unseal
from hover_async.values import Secret

KEY = DataKey("arn:aws:kms:us-east-1:1:key/2", os.urandom(32), b"wrapped")
SECRETS = {"B_TOKEN": Secret("c4n4ry-\u00fc-$(id)-'q'\n2"), "A": Secret("")}
SEALED = seal(SECRETS, "dev", KEY)
FILE = "dev-secrets.json"


def test_sealed_is_opened_exactly() -> None:
    """Through the file and back: the same names, in their order, with the same values."""
    opened = unseal(parse_envelope(FILE, SEALED.to_json(), "dev"), KEY.plain)
    assert (dict(opened), list(opened)) == (SECRETS, list(SECRETS))


def test_the_file_is_the_one_that_the_runtime_reads() -> None:
    """AES-256-GCM of a JSON object under the stage's own additional data, its tag at the end."""
    file = json.loads(SEALED.to_json())
    assert (file["version"], file["stage"], file["key_id"]) == (1, "dev", KEY.key_id)
    assert base64.b64decode(file["key"]) == b"wrapped"
    nonce, ciphertext = (base64.b64decode(file[name]) for name in ("nonce", "ciphertext"))
    plain = AESGCM(KEY.plain).decrypt(nonce, ciphertext, b"hover-async secrets v1 dev")
    assert json.loads(plain) == {name: value.reveal() for name, value in SECRETS.items()}


def test_nothing_is_sealed_alike() -> None:
    """The same secrets under the same key have another nonce and another text each time."""
    again = seal(SECRETS, "dev", KEY)
    assert again.nonce != SEALED.nonce
    assert again.ciphertext != SEALED.ciphertext


def test_nothing_shows_in_the_file_or_in_a_repr() -> None:
    """Neither the secrets nor the data key are readable anywhere."""
    shown = f"{SEALED.to_json()!r} {SEALED!r} {KEY!r} {unseal(SEALED, KEY.plain)!r}"
    assert "c4n4ry" not in shown
    assert "B_TOKEN" not in SEALED.to_json().decode()
    assert repr(KEY.plain) not in shown


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEALED, stage="prod"),
        replace(SEALED, nonce=bytes(12)),
        replace(SEALED, ciphertext=SEALED.ciphertext[:-1] + bytes([SEALED.ciphertext[-1] ^ 1])),
        replace(SEALED, ciphertext=bytes([SEALED.ciphertext[0] ^ 1]) + SEALED.ciphertext[1:]),
        replace(SEALED, ciphertext=SEALED.ciphertext[:-1]),
    ],
    ids=["stage", "nonce", "tag", "text", "cut off"],
)
def test_what_was_changed_does_not_open(changed: Envelope) -> None:
    """One bit of anything is enough."""
    with pytest.raises(SecretsDamaged, match="do not decrypt"):
        unseal(changed, KEY.plain)


@pytest.mark.parametrize("key", [os.urandom(32), os.urandom(7), b""])
def test_another_key_does_not_open(key: bytes) -> None:
    """A wrong key, of a wrong length too, is told as secrets that do not decrypt."""
    with pytest.raises(SecretsDamaged, match="do not decrypt"):
        unseal(SEALED, key)


@pytest.mark.parametrize("plain", [b"[]", b"7", b'{"A":7}', b'{"A\\nB":"x"}', b"c4n4ry", b"\xff"])
def test_a_seal_over_something_else_is_refused(plain: bytes) -> None:
    """Who has the key can seal anything; names and values it must be, and none of it shows."""
    nonce = os.urandom(12)
    ciphertext = AESGCM(KEY.plain).encrypt(nonce, plain, b"hover-async secrets v1 dev")
    with pytest.raises(SecretsDamaged) as caught:
        unseal(replace(SEALED, nonce=nonce, ciphertext=ciphertext), KEY.plain)
    assert caught.value.__cause__ is None
    assert "c4n4ry" not in str(caught.value)


def test_another_stages_file_is_told_as_that() -> None:
    """A file that was copied from another stage names both."""
    with pytest.raises(SecretsDamaged, match="of stage 'dev', not of 'prod'"):
        parse_envelope(FILE, SEALED.to_json(), "prod")


WHOLE = json.loads(SEALED.to_json())


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [None, 7, "", "?", "QQ==", [], {}], ids=repr)
def test_a_field_that_is_wrong_is_no_traceback(name: str, value: object) -> None:
    """Whatever a field is instead: the file is damaged, or it just has another key."""
    for content in ({**WHOLE, name: value}, {key: WHOLE[key] for key in WHOLE if key != name}):
        if (name, content.get(name)) in [("key_id", "?"), ("key_id", "QQ=="), ("key", "QQ==")]:
            continue  # another one, but one
        with pytest.raises(SecretsDamaged, match=FILE):
            parse_envelope(FILE, json.dumps(content).encode(), "dev")


@given(st.binary(max_size=50) | st.just(b"[" * 100_000) | st.just(b"null"))
def test_what_is_no_envelope_is_told(content: bytes) -> None:
    """Any other bytes are a damaged file, with what to do."""
    with pytest.raises(SecretsDamaged) as caught:
        parse_envelope(FILE, content, "dev")
    assert "secrets encrypt dev" in str(caught.value.hint)
