"""The deployer's policy, held against every call of a real build, doctor, plan and deploy."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from botocore.history import BaseHistoryHandler, get_global_history_recorder

import hover_async
from hover_async.iam import PolicyName, policy
from hover_async.local import LocalAws
from hover_async.manifest import Manifest, load_manifest
from tests.e2e.conftest import HoverAsync
from tests.e2e.stage import Stage
from tests.unit.policies import actions, allows

ACCOUNT = "000000000000"
REGION = "us-east-1"
FREE = {"sts:GetCallerIdentity"}
"""Calls that need no permission."""
NAMES: Mapping[str, Sequence[str]] = {
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:CopyObject": ["s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:GetBucketLifecycleConfiguration": ["s3:GetLifecycleConfiguration"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "s3:UploadPart": ["s3:PutObject"],
    "lambda:Invoke": ["lambda:InvokeFunction"],
}
"""Operations whose actions have other names (AWS's Service Authorization Reference)."""
NOT_SEEN: Mapping[str, str] = {
    "ecr:BatchCheckLayerAvailability": "the Docker Engine pushes, with the registry's own API",
    "ecr:CompleteLayerUpload": "the same",
    "ecr:InitiateLayerUpload": "the same",
    "ecr:PutImage": "the same",
    "ecr:UploadLayerPart": "the same",
    "ecr:TagResource": "goes with CreateRepository when it has tags",
    "cloudformation:TagResource": "goes with CreateStack and UpdateStack when they have tags",
    "iam:PassRole": "goes with CreateStack, UpdateStack and CreateChangeSet that name a role",
    "s3:AbortMultipartUpload": "only when an upload of parts is interrupted",
    "acm:DescribeCertificate": "only where the stage has a certificate, and on AWS alone",
}
"""Granted, and not among the calls of this run; and why it is needed all the same."""


@dataclass
class Recorder(BaseHistoryHandler):  # type: ignore[misc]
    """Keeps every call that botocore makes, by its own hook for that."""

    calls: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    def emit(self, event_type: str, payload: Mapping[str, Any], source: str) -> None:
        del source
        if event_type == "API_CALL":
            self.calls.append((payload["service"], payload["operation"], dict(payload["params"])))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Every call of this process to AWS, while the test runs."""
    history, found = get_global_history_recorder(), Recorder()
    history.add_handler(found)
    history.enable()
    yield found
    history.disable()


@pytest.fixture
def stage(project: Path, hover_async: HoverAsync, local_aws: LocalAws) -> Stage:
    """The example with tags, a file of several parts, and a name that nobody has had."""
    name = f"granted-{secrets.token_hex(3)}"
    stage = Stage(name, project, HoverAsync(project, hover_async.environment), local_aws)
    stage.manifest(r"hover-example(?!-base)", name)
    stage.edit(".hover/dev.yml", lambda text: text + "\ntags: {team: shop}\n")
    (project / "public" / "large.bin").write_bytes(b"0123456789abcdef" * 1024 * 1024)
    return stage


def arns(stage: Manifest, service: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """On what a call acts, as IAM names it."""

    def arn(kind: str, resource: str) -> str:
        return f"arn:aws:{kind}:{REGION}:{ACCOUNT}:{resource}"

    if service == "s3":
        key = parameters.get("Key")
        yield f"arn:aws:s3:::{parameters['Bucket']}" + (f"/{key}" if key else "")
        if source := parameters.get("CopySource"):
            yield f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"
    elif service == "ecr":
        names = [parameters.get("repositoryName"), *parameters.get("repositoryNames", ())]
        yield from (arn("ecr", f"repository/{name}") for name in names if name)
    elif service == "cloudformation":
        named = parameters.get("StackName") or parameters.get("ChangeSetName", "")
        is_id = named.startswith("arn:")
        of_change_set = re.sub(r":changeSet/.*", f":stack/{stage.stack_name}/x", named)
        yield of_change_set if is_id else arn("cloudformation", f"stack/{named}/x")
        if "RoleARN" in parameters:
            yield parameters["RoleARN"]
    elif service == "lambda":
        qualifier = parameters.get("Qualifier")
        name = f"function:{parameters['FunctionName']}" if "FunctionName" in parameters else ""
        yield arn("lambda", f"{name}:{qualifier}" if qualifier else name)
    elif service == "iam":
        yield f"arn:aws:iam::{ACCOUNT}:role/{parameters['RoleName']}"


def test_every_call_is_allowed_and_every_grant_is_used(stage: Stage, recorder: Recorder) -> None:
    """From nothing to a second build: no call is outside the policy, no grant without use."""
    anyio.run(everything, stage)
    manifest = load_manifest(stage.project / ".hover" / "dev.yml")
    granted = policy(PolicyName.DEPLOYER, manifest, stage="dev").as_json()
    refused, used = set(), set()
    for service, operation, parameters in recorder.calls:
        name = f"{service}:{operation}"
        if name in FREE:
            continue
        found = list(arns(manifest, service, parameters)) or ["*"]
        for action in NAMES.get(name, [name]):
            used.add(action)
            if not is_allowed(granted, action, found):
                refused.add((action, tuple(found)))
    assert refused == set()
    assert {operation for _, operation, _ in recorder.calls} >= {"CopyObject", "UploadPart"}
    assert set(actions(granted)) - used - set(NOT_SEEN) == set()
    assert not used & set(NOT_SEEN), "the reason is not true any more"


def is_allowed(granted: Mapping[str, Any], action: str, resources: Sequence[str]) -> bool:
    """On the first of its resources; the others are the source of a copy, or a role handed over."""
    first, *others = resources
    of_others = {"s3": "s3:GetObject", "iam": "iam:PassRole"}
    return allows(granted, action, first) and all(
        allows(granted, of_others[other.split(":")[2]], other) for other in others
    )


async def everything(stage: Stage) -> None:
    """A stage's life: examined, planned, deployed, planned, deployed again with another memory."""
    project, target = stage.project, hover_async.local_target()
    await hover_async.doctor("dev", project=project, target=target)
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.plan(project=project, target=target)
    await hover_async.deploy(project=project, target=target)
    stage.manifest(r"^(http:\n  memory:) 1024", r"\1 2048\n  concurrency: 20")
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.plan(project=project, target=target)
    await hover_async.deploy(project=project, target=target)
    await hover_async.doctor("dev", project=project, target=target)


def test_a_narrower_policy_is_found_out() -> None:
    """The check can fail: an action that is not granted, or another stage's, is refused."""
    text = {"Statement": [{"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a-assets/b*"]}]}
    assert is_allowed(text, "s3:GetObject", ["arn:aws:s3:::a-assets/b1/x"])
    assert not is_allowed(text, "s3:PutObject", ["arn:aws:s3:::a-assets/b1/x"])
    assert not is_allowed(text, "s3:GetObject", ["arn:aws:s3:::b-assets/b1/x"])
    copy = ["arn:aws:s3:::a-assets/b1/x", "arn:aws:s3:::b-assets/b0/x"]
    assert not is_allowed(text, "s3:GetObject", copy)
