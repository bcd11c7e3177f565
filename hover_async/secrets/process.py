"""Encrypting and decrypting, whole.

    plain file ── read ── data key of KMS ── seal ── new file beside the old one
                                                        │
                       plain file removed ── rename ── opened again with KMS, compared

Nothing is removed before what replaces it has been opened: interrupted anywhere, the plain file or
an encrypted one that opens is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hover_async.errors import Conflict, HoverError, NotFound, SecretsDamaged
from hover_async.manifest import Manifest
from hover_async.ports import DataKey, Keys
from hover_async.secrets.envelope import Envelope, context_of, parse_envelope
from hover_async.secrets.files import FOR_EVERYBODY, FOR_ME, Places, read, written
from hover_async.secrets.names import require_room
from hover_async.secrets.plain import read_plain, write_plain
from hover_async.secrets.sealing import seal, unseal
from hover_async.values import Secret


@dataclass(frozen=True)
class EncryptedSecrets:
    """What was encrypted: the file, the ARN of its KMS key (new if `key_created`), the names.

    `dropped` are names that the file had before and has no longer, as far as it could be opened.
    """

    path: Path
    key_id: str
    key_created: bool
    names: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class DecryptedSecrets:
    """The plain file that was written, and the names in it."""

    path: Path
    names: tuple[str, ...]


def plain_secrets(places: Places, manifest: Manifest) -> tuple[bytes, Mapping[str, Secret]]:
    """The plain file and the secrets in it, fit for a container.

    Raises `SecretsMissing`, `SecretsInvalid`, or `UsageError` when they are too many.
    """
    content = places.read_plain()
    secrets = read_plain(places.plain.name, content)
    require_room(secrets, manifest.environment)
    return content, secrets


def sealed_secrets(places: Places) -> Envelope:
    """The stage's encrypted file. Raises `SecretsMissing` and `SecretsDamaged`."""
    return parse_envelope(places.sealed.name, places.read_sealed(), places.stage)


async def encrypt_stage(
    places: Places, manifest: Manifest, keys: Keys, *, create_key: bool
) -> EncryptedSecrets:
    """Replace the stage's plain secrets by an encrypted file that has been opened again.

    Raises what `plain_secrets` does, and `AwsError`; then both files are as they were.
    """
    content, secrets = plain_secrets(places, manifest)
    data_key, key_created = await _data_key(manifest, places.stage, keys, create_key=create_key)
    before = await _names(places, keys)
    sealed = seal(secrets, places.stage, data_key).to_json()
    with written(places.sealed, sealed, mode=FOR_EVERYBODY) as beside:
        if await _open(parse_envelope(beside.name, read(beside), places.stage), keys) != secrets:
            raise SecretsDamaged(
                f"what was written to '{beside.parent}' does not open as it was sealed",
                hint="nothing was changed; look at this machine's disk, then try again",
            )
    places.remove_plain(content)
    return EncryptedSecrets(
        places.sealed,
        data_key.key_id,
        key_created,
        names=tuple(secrets),
        dropped=tuple(name for name in before if name not in secrets),
    )


async def decrypt_stage(places: Places, keys: Keys, *, overwrite: bool) -> DecryptedSecrets:
    """Write the stage's plain file, for its owner's eyes only.

    Raises `ProjectError` when there is one already, `SecretsMissing`, `SecretsDamaged` and
    `AwsError`; then no file has changed.
    """
    if not overwrite:
        places.require_no_plain()
    secrets = await read_stage(places, keys)
    with written(places.plain, write_plain(secrets).encode(), mode=FOR_ME):
        pass
    return DecryptedSecrets(places.plain, tuple(secrets))


async def read_stage(places: Places, keys: Keys) -> Mapping[str, Secret]:
    """The stage's secrets as its containers get them.

    Raises `SecretsMissing`, `SecretsDamaged` and `AwsError`.
    """
    return await _open(sealed_secrets(places), keys)


async def _names(places: Places, keys: Keys) -> Sequence[str]:
    """Those in the encrypted file that is about to be replaced, if it opens."""
    try:
        return list(await read_stage(places, keys))
    except HoverError:
        return ()


async def _open(envelope: Envelope, keys: Keys) -> Mapping[str, Secret]:
    try:
        key = await keys.unwrap(envelope.key_id, envelope.wrapped, envelope.context)
    except NotFound as error:
        error.hint = (
            "the KMS key is of another account or region, or is gone: a local AWS that was stopped "
            "has forgotten its keys"
        )
        raise
    return unseal(envelope, key)


async def _data_key(
    manifest: Manifest, stage: str, keys: Keys, *, create_key: bool
) -> tuple[DataKey, bool]:
    """A new data key, and whether the KMS key had to be made for it."""
    name = manifest.secrets_key
    try:
        return await keys.generate(name, context_of(stage)), False
    except NotFound as error:
        can_be_created = name.startswith("alias/")
        if not create_key or not can_be_created:
            error.hint = (
                f"--create-key makes a key and calls it {name}; or name one of yours as "
                "auth.secrets-key in the manifest"
                if can_be_created
                else f"name a key of region '{manifest.region}' as auth.secrets-key in the manifest"
            )
            raise
    try:
        name = await keys.create(name)
    except Conflict:  # somebody else has just made it
        return await keys.generate(name, context_of(stage)), False
    return await keys.generate(name, context_of(stage)), True
