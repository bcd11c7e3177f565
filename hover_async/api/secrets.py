"""A stage's secrets: encrypted, decrypted, listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hover_async.api.project import manifest_path
from hover_async.api.target import AWS, Target, open_keys

if TYPE_CHECKING:
    from hover_async.manifest import Manifest
    from hover_async.secrets.files import Places
    from hover_async.secrets.process import DecryptedSecrets, EncryptedSecrets


async def encrypt_secrets(
    stage: str,
    *,
    project: str | Path = ".",
    create_key: bool = False,
    profile: str | None = None,
    target: Target = AWS,
) -> EncryptedSecrets:
    """Encrypt the stage's plain secrets for its image, and remove the plain file.

    `create_key` makes the KMS key if there is none of its alias. Raises `UsageError` for what is
    wrong with the files, `AwsError` for KMS; then both files are as they were, but for a plain file
    that somebody changed meanwhile: that one stays as well.
    """
    from hover_async.secrets.process import encrypt_stage, plain_secrets

    manifest, places = _secrets_of(stage, project)
    plain_secrets(places, manifest)  # what is wrong in there is told without asking AWS
    async with open_keys(manifest, profile=profile, target=target) as keys:
        return await encrypt_stage(places, manifest, keys, create_key=create_key)


async def decrypt_secrets(
    stage: str,
    *,
    project: str | Path = ".",
    overwrite: bool = False,
    profile: str | None = None,
    target: Target = AWS,
) -> DecryptedSecrets:
    """Write the stage's secrets into its plain file, readable by its owner alone.

    Raises `ProjectError` when there is one already, unless `overwrite`; else as `list_secrets`.
    """
    from hover_async.secrets.process import decrypt_stage, sealed_secrets

    manifest, places = _secrets_of(stage, project)
    if not overwrite:
        places.require_no_plain()
    sealed_secrets(places)  # what is wrong with it is told without asking AWS
    async with open_keys(manifest, profile=profile, target=target) as keys:
        return await decrypt_stage(places, keys, overwrite=overwrite)


async def list_secrets(
    stage: str, *, project: str | Path = ".", profile: str | None = None, target: Target = AWS
) -> Mapping[str, bool]:
    """The names of the stage's secrets; True: it is used instead of the manifest's `environment`.

    Raises `UsageError` when the file is missing or was changed, `AwsError` for KMS.
    """
    from hover_async.secrets.process import read_stage, sealed_secrets

    manifest, places = _secrets_of(stage, project)
    sealed_secrets(places)  # what is wrong with it is told without asking AWS
    async with open_keys(manifest, profile=profile, target=target) as keys:
        secrets = await read_stage(places, keys)
    return {name: name in manifest.environment for name in secrets}


def _secrets_of(stage: str, project: str | Path) -> tuple[Manifest, Places]:
    from hover_async.manifest import load_manifest
    from hover_async.secrets.files import Places

    root = Path(project)
    return load_manifest(manifest_path(root, stage)), Places(root, stage)
