"""A stage's policies and trust policies by name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hover_async.iam.deployer import deployer
from hover_async.iam.lambda_role import lambda_role
from hover_async.iam.names import Names
from hover_async.iam.policy import Policy, document
from hover_async.iam.secrets import secrets
from hover_async.iam.stack_role import stack_role
from hover_async.manifest import Manifest


class PolicyName(StrEnum):
    """Whose policy: as the manifest's `auth` calls the two roles; who deploys; who encrypts."""

    DEPLOYER = "deployer"
    STACK_ROLE = "stack-role"
    LAMBDA_ROLE = "lambda-role"
    SECRETS = "secrets"


SERVICES = {
    PolicyName.STACK_ROLE: "cloudformation.amazonaws.com",
    PolicyName.LAMBDA_ROLE: "lambda.amazonaws.com",
}
"""Who acts as each role."""


def policy(
    name: PolicyName,
    manifest: Manifest,
    *,
    stage: str,
    account: str | None = None,
    sealed_with: str | None = None,
    direct: bool = False,
) -> Policy:
    """The policy of `name` for the stage; `account`, if given, stands for the roles' own.

    `sealed_with` is the KMS key of the stage's secrets, if it has any. `direct`: the deployer may
    use the direct lane although the manifest does not ask for it.
    """
    names = Names.of(manifest, account)
    if name is PolicyName.DEPLOYER:
        return deployer(names, sealed_with=sealed_with, direct=direct)
    if name is PolicyName.STACK_ROLE:
        return stack_role(names)
    if name is PolicyName.SECRETS:
        return secrets(names, sealed_with=sealed_with, stage=stage)
    return lambda_role(names, sealed_with=sealed_with, stage=stage)


def trust(name: PolicyName, manifest: Manifest, *, account: str | None = None) -> Mapping[str, Any]:
    """Who may act as `name`: a service of AWS, or of people whom the account lets."""
    if name in SERVICES:
        principal = {"Service": SERVICES[name]}
    else:
        names = Names.of(manifest, account)
        principal = {"AWS": f"arn:{names.partition}:iam::{names.account}:root"}
    return document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}])
