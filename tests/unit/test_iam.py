"""The policies that a stage needs: judged by cfn-lint with AWS's own list of actions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

import hover_async
from hover_async import iam
from hover_async.deploy.logs import wanted_groups
from hover_async.deploy.queues import wanted_queues
from hover_async.errors import UsageError
from hover_async.iam.names import NESTED, Names
from hover_async.iam.stack_role import BEYOND, HANDLERS, LEFT_OUT, PLACES
from hover_async.manifest import Manifest
from hover_async.ports import DataKey
from hover_async.secrets.sealing import seal
from hover_async.template import render
from hover_async.values import Secret
from tests.unit.manifests import REQUIRED, manifest
from tests.unit.policies import actions, allows, matches
from tests.unit.stacks import IMAGE

CFN_LINT = "from cfnlint.runner import main; main()"
ACCOUNT = "123456789012"
FULL: Mapping[str, Any] = {
    "deploy": {"code": "direct"},
    "alarms": {"topic": f"arn:aws:sns:eu-central-1:{ACCOUNT}:alarms"},
    "http": {
        "warm": 3,
        "access-log": True,
        "domains": ["www.example.com"],
        "certificate": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0-1",
    },
    "queue": {"jobs": {"queues": ["default", "orders.fifo"], "dead-letter": True}},
    "tags": {"team": "shop"},
    "vpc": {"security-groups": ["sg-0123456789abcdef0"], "subnets": ["subnet-01234567"]},
}
SMALL: Mapping[str, Any] = {}
SECRETS = "alias/shop-dev-secrets"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
MANAGED_LIMIT, INLINE_LIMIT = 6_144, 10_240
"""Characters of a managed policy, and of all inline policies of a role (IAM's quotas)."""


def document(name: iam.PolicyName, stage: Manifest) -> Mapping[str, Any]:
    return iam.policy(name, stage, stage="dev", sealed_with=SECRETS).as_json()


def linted(tmp_path: Path, resources: Mapping[str, Any]) -> str:
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    file = tmp_path / "policies.json"
    file.write_text(json.dumps(template))
    done = subprocess.run(
        [sys.executable, "-c", CFN_LINT, "--include-checks", "I", "--", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def managed(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}


def test_policies_have_no_findings(tmp_path: Path) -> None:
    """Every action exists, each goes with its resource, and the documents are IAM's."""
    resources: dict[str, Any] = {}
    for kind, keys in (("Full", FULL), ("Small", SMALL)):
        stage = manifest(**keys)
        for name in iam.PolicyName:
            logical_id = f"{kind}{name.title().replace('-', '')}"
            resources[logical_id] = managed(document(name, stage))
            resources[f"{logical_id}Trust"] = {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": iam.trust(name, stage)},
            }
    assert linted(tmp_path, resources) == ""


@pytest.mark.parametrize(
    ("action", "resource", "rule"),
    [
        ("s3:GetObjekt", "arn:aws:s3:::b/*", "W3037"),
        ("lambda:GetFunction", "arn:aws:s3:::b", "I3510"),
    ],
)
def test_the_linter_finds_what_is_wrong(
    tmp_path: Path, action: str, resource: str, rule: str
) -> None:
    """An action that does not exist, or on what it cannot be done, is found: the check can fail."""
    statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    assert rule in linted(tmp_path, {"P": managed(policy)})


@pytest.mark.parametrize("name", list(iam.PolicyName))
@pytest.mark.parametrize("keys", [FULL, SMALL], ids=["full", "small"])
def test_no_statement_is_wider_than_it_must_be(
    name: iam.PolicyName, keys: Mapping[str, Any]
) -> None:
    """No wildcard in an action; everything but what AWS cannot narrow names the stage's things."""
    for statement in document(name, manifest(**keys))["Statement"]:
        assert not [action for action in statement["Action"] if "*" in action]
        for resource in statement["Resource"]:
            is_named = "shop-dev" in resource or ":role/" in resource or "certificate/" in resource
            assert is_named or statement["Sid"] in UNNAMED, statement


UNNAMED = {
    *("Login", "Account"),
    *("Network", "Apis", "Distribution", "OriginAccessCreation", "AlarmReading", "AccessLog"),
    *("ConsumerCreation", "Consumers", "ConsumerTags"),
    *("Secrets", "SecretsKey", "KeyCreation", "NewKey"),
}
"""Statements whose resources AWS numbers or cannot narrow; each says so in its reason."""


@pytest.mark.parametrize("name", list(iam.PolicyName))
def test_every_grant_has_a_reason_in_the_documentation(name: iam.PolicyName) -> None:
    """docs/iam.md tells of each statement why it is there, and lists each of its actions."""
    text = (Path(__file__).parents[2] / "docs" / "iam.md").read_text()
    for grant in iam.policy(name, manifest(**FULL), stage="dev", sealed_with=SECRETS).grants:
        assert grant.why
        assert f"`{grant.sid}`" in text
        missing = [action for action in grant.actions if f"`{action}`" not in text]
        assert missing == []


@pytest.mark.parametrize("name", list(iam.PolicyName))
def test_policies_fit_where_iam_keeps_them(name: iam.PolicyName) -> None:
    """The longest name still makes a policy that IAM takes: inline for the stack role."""
    keys = {**FULL, "name": "a" * 44}
    text = json.dumps(document(name, manifest(**keys)), separators=(",", ":"))
    assert len(text) <= (INLINE_LIMIT if name is iam.PolicyName.STACK_ROLE else MANAGED_LIMIT)


def test_roles_go_to_their_services_alone() -> None:
    """A role is handed over to the service that acts as it, and to no other."""
    stage = manifest()
    for name, service in (("deployer", "cloudformation"), ("stack-role", "lambda")):
        (passing,) = [
            statement
            for statement in document(iam.PolicyName(name), stage)["Statement"]
            if "iam:PassRole" in statement["Action"]
        ]
        assert len(passing["Resource"]) == 1
        passed = passing["Condition"]["StringEquals"]["iam:PassedToService"]
        assert passed == f"{service}.amazonaws.com"


def test_no_stack_operation_can_move_live() -> None:
    """Only the deployer may update an alias."""
    stage = manifest(**FULL)
    alias = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:shop-dev-http:live"
    assert allows(document(iam.PolicyName.DEPLOYER, stage), "lambda:UpdateAlias", alias)
    for role in (iam.PolicyName.STACK_ROLE, iam.PolicyName.LAMBDA_ROLE):
        assert "lambda:UpdateAlias" not in actions(document(role, stage))


def test_only_builds_and_versions_may_be_deleted() -> None:
    """The deployer prunes what is its stage's: objects and versions, no bucket and no function."""
    policy = document(iam.PolicyName.DEPLOYER, manifest())
    function = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:shop-dev-http"
    assert allows(policy, "s3:DeleteObject", "arn:aws:s3:::shop-dev-assets/hover/lock.json")
    assert allows(policy, "s3:DeleteObject", "arn:aws:s3:::shop-dev-assets/b1/app.js")
    assert not allows(policy, "s3:DeleteObject", "arn:aws:s3:::shop-dev-assets/others.js")
    assert "s3:DeleteBucket" not in actions(policy)
    assert allows(policy, "lambda:DeleteFunction", f"{function}:12")
    assert not allows(policy, "lambda:DeleteFunction", function)


@pytest.mark.parametrize("name", list(iam.PolicyName))
@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:lambda:eu-central-1:123456789012:function:other-http",
        "arn:aws:lambda:eu-central-1:123456789012:function:shop-developers-http",
        "arn:aws:s3:::other-assets",
        "arn:aws:sqs:eu-central-1:123456789012:default-other",
        "arn:aws:cloudformation:eu-central-1:123456789012:stack/other/1",
        "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev-eu/1",
        "arn:aws:iam::123456789012:role/other",
    ],
)
def test_other_stages_are_out_of_reach(name: iam.PolicyName, resource: str) -> None:
    """What belongs to another stage is matched by no statement about the stage's things."""
    for statement in document(name, manifest(**FULL))["Statement"]:
        if statement["Resource"] != ["*"]:
            assert not any(matches(pattern, resource) for pattern in statement["Resource"])


def test_the_account_may_be_a_placeholder() -> None:
    """`--account` stands in every ARN in place of the roles' own account."""
    for name in iam.PolicyName:
        found = iam.policy(name, manifest(), stage="dev", account="${AWS::AccountId}")
        assert ACCOUNT not in json.dumps(found.as_json())


def test_other_partitions_have_their_own_arns() -> None:
    """A stage in China has Chinese ARNs throughout."""
    roles = {
        "stack-role": f"arn:aws-cn:iam::{ACCOUNT}:role/stack",
        "lambda-role": f"arn:aws-cn:iam::{ACCOUNT}:role/lambda",
    }
    text = json.dumps(document(iam.PolicyName.STACK_ROLE, manifest(auth=roles)))
    assert "arn:aws:" not in text


def test_only_what_a_stage_has_is_granted() -> None:
    """Without queues, secrets, vpc, warming, tags, certificate or the direct lane their actions are
    not there."""
    small = manifest(http={"warm": 0, "access-log": False})
    full = manifest(**FULL)
    lean = iam.policy(iam.PolicyName.LAMBDA_ROLE, small, stage="dev").as_json()
    assert set(actions(lean)) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    role = set(actions(document(iam.PolicyName.LAMBDA_ROLE, full)))
    assert {"kms:Decrypt", "sqs:SendMessage", "ec2:CreateNetworkInterface"} <= role
    lean_deployer = set(actions(document(iam.PolicyName.DEPLOYER, small)))
    assert set(actions(document(iam.PolicyName.DEPLOYER, full))) - lean_deployer == {
        "acm:DescribeCertificate",
        "cloudformation:TagResource",
        "ecr:TagResource",
        "lambda:UpdateFunctionCode",
        "logs:TagResource",
    }
    lean_stack = set(actions(document(iam.PolicyName.STACK_ROLE, small)))
    assert not [action for action in lean_stack if action.startswith(("ec2:", "logs:"))]
    unsealed = iam.policy(iam.PolicyName.DEPLOYER, full, stage="dev").as_json()
    assert not [action for action in actions(unsealed) if action.startswith("kms:")]


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("arn:aws:kms:eu-central-1:1:key/7", "arn:aws:kms:eu-central-1:1:key/7"),
        ("7-8", "arn:aws:kms:eu-central-1:123456789012:key/7-8"),
        (SECRETS, "arn:aws:kms:eu-central-1:123456789012:key/*"),
    ],
)
def test_secrets_are_opened_with_their_key_and_for_their_stage(key: str, resource: str) -> None:
    """By whichever name the key is known, and bound to the stage."""
    policy = iam.policy(iam.PolicyName.LAMBDA_ROLE, manifest(), stage="dev", sealed_with=key)
    (secrets,) = [grant for grant in policy.grants if grant.sid == "Secrets"]
    assert list(secrets.resources) == [resource]
    assert secrets.condition["StringEquals"] == {"kms:EncryptionContext:hover-stage": "dev"}
    if resource.endswith("*"):
        aliases = secrets.condition["ForAnyValue:StringEquals"]
        assert aliases == {"kms:ResourceAliases": SECRETS}


def project(root: Path, *stages: str) -> Path:
    (root / ".hover").mkdir()
    for stage in stages:
        (root / ".hover" / f"{stage}.yml").write_text(yaml.safe_dump(dict(REQUIRED)))
    return root


def test_the_only_stage_need_not_be_named(tmp_path: Path) -> None:
    """Of one stage there is no doubt; of two there is."""
    only = hover_async.policy("deployer", project=project(tmp_path, "dev"))
    assert only == hover_async.policy("deployer", "dev", project=tmp_path)
    (tmp_path / ".hover" / "production.yml").write_text(yaml.safe_dump(dict(REQUIRED)))
    with pytest.raises(UsageError, match="stages here: dev, production"):
        hover_async.policy("deployer", project=tmp_path)


def test_encrypted_secrets_are_noticed(tmp_path: Path) -> None:
    """A stage with secrets has a role that opens them, with the key that they name."""
    root = project(tmp_path, "dev")
    assert "kms" not in str(hover_async.policy("lambda-role", project=root))
    envelope = root / ".hover" / "dev-secrets.json"
    key = DataKey("arn:aws:kms:eu-central-1:1:key/7", b"k" * 32, b"wrapped")
    envelope.write_bytes(seal({"KEY": Secret("value")}, "dev", key).to_json())
    assert "key/7" in str(hover_async.policy("lambda-role", project=root))
    assert "key/7" in str(hover_async.policy("deployer", project=root))
    envelope.write_text("damaged")
    assert "alias/shop-dev-secrets" in str(hover_async.policy("lambda-role", project=root))


def test_a_key_that_the_manifest_names_is_for_secrets_to_come(tmp_path: Path) -> None:
    """Who names a key means to have secrets: the role may open them before the first are there."""
    root = project(tmp_path, "dev")
    auth = {**REQUIRED["auth"], "secrets-key": "alias/of-the-shop"}
    (root / ".hover" / "dev.yml").write_text(yaml.safe_dump({**REQUIRED, "auth": auth}))
    for name in ("lambda-role", "secrets"):
        assert "alias/of-the-shop" in str(hover_async.policy(name, project=root))


def test_secrets_are_for_those_who_keep_them() -> None:
    """Who encrypts may use the stage's key for the stage, and make it; nobody else may."""
    found = document(iam.PolicyName.SECRETS, manifest())
    (using,) = [each for each in found["Statement"] if "kms:GenerateDataKey" in each["Action"]]
    assert using["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": SECRETS},
        "StringEquals": {"kms:EncryptionContext:hover-stage": "dev"},
    }
    (making,) = [each for each in found["Statement"] if "kms:CreateAlias" in each["Action"]]
    assert making["Condition"] == {"Null": {"kms:ResourceAliases": "true"}}
    own = manifest(
        auth={**REQUIRED["auth"], "secrets-key": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{KEY_ID}"}
    )
    assert set(actions(document(iam.PolicyName.SECRETS, own))) == {
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    for name in (iam.PolicyName.DEPLOYER, iam.PolicyName.STACK_ROLE):
        assert "kms:Decrypt" not in actions(document(name, manifest()))


def test_what_is_sealed_with_another_key_can_be_opened() -> None:
    """The file names the key it was sealed with; another one behind the alias changes nothing."""
    sealed_with = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/old"
    found = iam.policy(iam.PolicyName.SECRETS, manifest(), stage="dev", sealed_with=sealed_with)
    assert allows(found.as_json(), "kms:Decrypt", sealed_with)


def test_failed_jobs_can_be_buried() -> None:
    """The queue worker sends to the dead letters what failed for good, and to no other queue."""
    role = document(iam.PolicyName.LAMBDA_ROLE, manifest(**FULL))
    sqs = f"arn:aws:sqs:eu-central-1:{ACCOUNT}"
    assert allows(role, "sqs:SendMessage", f"{sqs}:default-shop-dev-dead")
    assert allows(role, "sqs:SendMessage", f"{sqs}:orders-shop-dev-dead.fifo")
    assert not allows(role, "sqs:DeleteMessage", f"{sqs}:default-shop-dev-dead")
    assert not allows(role, "sqs:SendMessage", f"{sqs}:default-other")


def test_no_queue_and_no_log_group_may_be_deleted() -> None:
    """They stand beside the stack: the deployer makes and changes them, the stack role does not."""
    for name in (iam.PolicyName.DEPLOYER, iam.PolicyName.STACK_ROLE):
        granted = set(actions(document(name, manifest(**FULL))))
        assert not granted & {"sqs:DeleteQueue", "sqs:PurgeQueue", "logs:DeleteLogGroup"}
    stack = set(actions(document(iam.PolicyName.STACK_ROLE, manifest(**FULL))))
    assert not [action for action in stack if action.startswith("sqs:")]


def test_another_name_is_no_policy(tmp_path: Path) -> None:
    """The error names those that are."""
    with pytest.raises(UsageError) as raised:
        hover_async.policy("admin", project=project(tmp_path, "dev"))
    assert "deployer, stack-role, lambda-role, secrets" in str(raised.value.hint)


# The stack role, against CloudFormation's resource schemas


def listed(kind: str) -> set[str]:
    """What the schema says that CloudFormation needs to create, read, update and delete one."""
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    needed = ("create", "read", "update", "delete")
    return {action for name in needed for action in handlers.get(name, {}).get("permissions", ())}


def granted(kind: str) -> set[str]:
    return {action for text in HANDLERS[kind].values() for action in text.split()}


def test_every_type_of_a_stage_is_in_the_table() -> None:
    """No more types and no fewer than a template can hold."""
    many: dict[str, Any] = {f"q{number}": {} for number in range(120)}
    stage = manifest(**{**FULL, "queue": many})
    template = render(stage, image_uri=IMAGE, started=[])
    assert template.nested
    for nested in template.nested:
        assert nested.logical_id.startswith(NESTED)
    bodies = [json.loads(each) for each in (template.body, *(n.body for n in template.nested))]
    types = {resource["Type"] for body in bodies for resource in body["Resources"].values()}
    assert types == set(HANDLERS)


@pytest.mark.parametrize("kind", sorted(HANDLERS))
def test_what_a_type_needs_is_granted_or_left_out_for_a_reason(kind: str) -> None:
    """Each action of the schema is in the table, or left out with a reason."""
    unexplained = [
        action
        for action in listed(kind) - granted(kind)
        if not any(matches(pattern, action) for pattern in LEFT_OUT)
    ]
    assert unexplained == []


@pytest.mark.parametrize("kind", sorted(HANDLERS))
def test_nothing_is_granted_that_no_schema_lists(kind: str) -> None:
    """What is granted beyond the schema has a reason of its own."""
    assert granted(kind) - listed(kind) - set(BEYOND) == set()


def test_every_reason_is_about_something() -> None:
    """No reason is left over from a type that is gone."""
    left = {action for kind in HANDLERS for action in listed(kind) - granted(kind)}
    idle = [pattern for pattern in LEFT_OUT if not any(matches(pattern, of) for of in left)]
    assert idle == []
    assert {place for places in HANDLERS.values() for place in places} == set(PLACES)


def test_names_are_those_of_the_template() -> None:
    """Every function is within what the stack role may touch, what stands beside the stack within
    what the deployer may."""
    stage = manifest(**FULL)
    names = Names.of(stage)
    role, deployer = (
        document(name, stage) for name in (iam.PolicyName.STACK_ROLE, iam.PolicyName.DEPLOYER)
    )
    for function in stage.functions:
        assert allows(role, "lambda:CreateFunction", names.function(function.name))
        assert allows(deployer, "lambda:PublishVersion", names.function(function.name))
    for queue in wanted_queues(stage):
        assert allows(deployer, "sqs:CreateQueue", names.queue(queue.name))
    for group in wanted_groups(stage):
        assert allows(deployer, "logs:CreateLogGroup", names.arn("logs", f"log-group:{group}"))
