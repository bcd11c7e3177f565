"""The deployer's policy, held against every call of a real build, doctor, plan and deploy."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from botocore.history import BaseHistoryHandler, get_global_history_recorder

import hover_async
from hover_async.iam import PolicyName
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
    "s3:DeleteObjects": ["s3:DeleteObject"],
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
    "logs:TagResource": "goes with CreateLogGroup when it has tags",
    "acm:DescribeCertificate": "only where the stage has a certificate, and on AWS alone",
}
"""Granted, and not among the calls of this run; and why it is needed all the same."""
NOT_SEEN_OF_SECRETS: Mapping[str, str] = {
    "kms:ScheduleKeyDeletion": "only when a new key could not get its alias",
    "kms:TagResource": "goes with CreateKey when it has tags",
}
OF_SECRETS = {"CreateKey", "CreateAlias", "EnableKeyRotation", "GenerateDataKey", "Decrypt"}
"""What `secrets` asks of KMS; a deploy only looks at the key."""


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


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def of_s3(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    deleted = [found["Key"] for found in given.get("Delete", {"Objects": []})["Objects"]]
    key = given.get("Key") or next(iter(deleted), None)
    yield f"arn:aws:s3:::{given['Bucket']}" + (f"/{key}" if key else "")
    if source := given.get("CopySource"):
        yield f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"


def of_ecr(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    names = [given.get("repositoryName"), *given.get("repositoryNames", ())]
    yield from (arn("ecr", f"repository/{name}") for name in names if name)


def of_cloudformation(stage: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    named = given.get("StackName") or given.get("ChangeSetName", "")
    is_id = named.startswith("arn:")
    of_change_set = re.sub(r":changeSet/.*", f":stack/{stage.stack_name}/x", named)
    yield of_change_set if is_id else arn("cloudformation", f"stack/{named}/x")
    if "RoleARN" in given:
        yield given["RoleARN"]


def of_lambda(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    qualifier = given.get("Qualifier")
    name = f"function:{given['FunctionName']}" if "FunctionName" in given else ""
    yield arn("lambda", f"{name}:{qualifier}" if qualifier else name)


def of_sqs(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    yield arn("sqs", given.get("QueueName") or given["QueueUrl"].rpartition("/")[2])


def of_logs(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    if name := given.get("logGroupName"):
        yield arn("logs", f"log-group:{name}")


def of_kms(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    if alias := given.get("AliasName"):
        yield arn("kms", alias)
        yield given["TargetKeyId"]
    elif key := given.get("KeyId"):
        yield arn("kms", "key/of-the-alias") if key.startswith("alias/") else key


def of_iam(_: Manifest, given: Mapping[str, Any]) -> Iterator[str]:
    yield f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}"


ARNS: Mapping[str, Callable[[Manifest, Mapping[str, Any]], Iterator[str]]] = {
    "cloudformation": of_cloudformation,
    "ecr": of_ecr,
    "iam": of_iam,
    "kms": of_kms,
    "lambda": of_lambda,
    "logs": of_logs,
    "s3": of_s3,
    "sqs": of_sqs,
}
"""By service: on what a call acts, as IAM names it."""


def test_every_call_is_allowed_and_every_grant_is_used(stage: Stage, recorder: Recorder) -> None:
    """From nothing to a second build: no call is outside the policy, no grant without use."""
    anyio.run(everything, stage)
    manifest = load_manifest(stage.project / ".hover" / "dev.yml")
    of_secrets = [call for call in recorder.calls if call[1] in OF_SECRETS]
    others = [call for call in recorder.calls if call[1] not in OF_SECRETS]
    assert {operation for _, operation, _ in others} >= {"CopyObject", "UploadPart"}
    for name, calls, not_seen in (
        (PolicyName.DEPLOYER, others, NOT_SEEN),
        (PolicyName.SECRETS, of_secrets, NOT_SEEN_OF_SECRETS),
    ):
        granted = hover_async.policy(name, "dev", project=stage.project)
        used, refused = held_against(granted, calls, manifest)
        assert refused == set()
        assert set(actions(granted)) - used - set(not_seen) == set()
        assert not used & set(not_seen), "the reason is not true any more"


def held_against(
    granted: Mapping[str, Any],
    calls: Sequence[tuple[str, str, Mapping[str, Any]]],
    manifest: Manifest,
) -> tuple[set[str], set[tuple[str, Sequence[str]]]]:
    """The actions that the calls use, and those among them that are not granted."""
    refused = set[tuple[str, Sequence[str]]]()
    used = set[str]()
    for service, operation, parameters in calls:
        name = f"{service}:{operation}"
        if name in FREE:
            continue
        found = tuple(ARNS[service](manifest, parameters)) or ("*",)
        for action in NAMES.get(name, [name]):
            used.add(action)
            if not is_allowed(granted, action, found):
                refused.add((action, found))
    return used, refused


def is_allowed(granted: Mapping[str, Any], action: str, resources: Sequence[str]) -> bool:
    """On the first of its resources; the others are the source of a copy, or a role handed over."""
    first, *others = resources
    of_others = {"s3": "s3:GetObject", "iam": "iam:PassRole", "kms": "kms:CreateAlias"}
    return allows(granted, action, first) and all(
        allows(granted, of_others[other.split(":")[2]], other) for other in others
    )


async def everything(stage: Stage) -> None:
    """A stage's life: secrets, examined, planned, deployed, planned, deployed again with another
    memory, another timeout, and a queue that is there already; then only another image; deployed
    once more, keeping nothing of before, and rolled back."""
    project, target = stage.project, hover_async.local_target()
    (project / ".hover" / "dev-secrets.plain.env").write_text("TOKEN=of-the-shop\n")
    await hover_async.encrypt_secrets("dev", project=project, target=target, create_key=True)
    await hover_async.doctor("dev", project=project, target=target)
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.plan(project=project, target=target)
    await hover_async.deploy(project=project, target=target)
    stage.client("sqs").create_queue(QueueName=f"found-{stage.name}")
    stage.manifest(r"^(http:\n  memory:) 1024", r"\1 2048\n  concurrency: 20")
    stage.manifest(r"^    timeout: 60", "    timeout: 90")
    stage.manifest(r"- default", "- default\n      - found")
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.plan(project=project, target=target)
    await hover_async.deploy(project=project, target=target)
    stage.edit(".hover/dev.yml", lambda text: text + "\ndeploy: {code: direct}\n")
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.plan(project=project, target=target)
    await hover_async.deploy(project=project, target=target)
    await hover_async.doctor("dev", project=project, target=target)
    stage.edit(".hover/dev.yml", lambda text: text + "\nretain: 1\n")
    await hover_async.build("dev", project=project, skip_tests=True)
    await hover_async.deploy(project=project, target=target)
    await hover_async.rollback("dev", project=project, target=target)
    await hover_async.releases("dev", project=project, target=target)
    await hover_async.recover("dev", project=project, target=target)
    await hover_async.unlock("dev", project=project, target=target)


def test_a_narrower_policy_is_found_out() -> None:
    """The check can fail: an action that is not granted, or another stage's, is refused."""
    text = {"Statement": [{"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a-assets/b*"]}]}
    assert is_allowed(text, "s3:GetObject", ["arn:aws:s3:::a-assets/b1/x"])
    assert not is_allowed(text, "s3:PutObject", ["arn:aws:s3:::a-assets/b1/x"])
    assert not is_allowed(text, "s3:GetObject", ["arn:aws:s3:::b-assets/b1/x"])
    copy = ["arn:aws:s3:::a-assets/b1/x", "arn:aws:s3:::b-assets/b0/x"]
    assert not is_allowed(text, "s3:GetObject", copy)
