"""The policies that a stage needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hover_async.api.project import manifest_path, only_stage
from hover_async.errors import SecretsMissing, UsageError

if TYPE_CHECKING:
    from hover_async.manifest import Manifest
    from hover_async.secrets.files import Places


def policy(
    name: str,
    stage: str | None = None,
    *,
    project: str | Path = ".",
    account: str | None = None,
    trust: bool = False,
    direct: bool = False,
) -> Mapping[str, Any]:
    """The least IAM policy of `name` for a stage, as a policy document.

    `name` is `deployer`, `stack-role`, `lambda-role` or `secrets`; with `trust` it is the policy of
    who may act as it. The account is that of the manifest's roles; `account` is written in its
    place, which may be a placeholder. With `direct` the deployer may use the direct lane also where
    the manifest does not ask for it. Raises `UsageError` for another name or a wrong manifest.
    """
    from hover_async import iam
    from hover_async.manifest import load_manifest
    from hover_async.secrets.files import Places

    if name not in list(iam.PolicyName):
        raise UsageError(
            f"there is no policy '{name}'", hint=f"it is one of {', '.join(iam.PolicyName)}"
        )
    root = Path(project)
    stage = stage or only_stage(root)
    manifest = load_manifest(manifest_path(root, stage))
    wanted = iam.PolicyName(name)
    if trust:
        return iam.trust(wanted, manifest, account=account)
    sealed_with = _sealed_with(Places(root, stage), manifest)
    return iam.policy(
        wanted, manifest, stage=stage, account=account, sealed_with=sealed_with, direct=direct
    ).as_json()


def _sealed_with(places: Places, manifest: Manifest) -> str | None:
    """The KMS key that a container of the stage needs; None when it has no secrets."""
    from hover_async.secrets.envelope import parse_envelope

    try:
        return parse_envelope(places.sealed.name, places.read_sealed(), places.stage).key_id
    except SecretsMissing:
        return manifest.auth.secrets_key
    except UsageError:  # damaged: its key is most likely the manifest's
        return manifest.secrets_key
