"""What `Facts` promises, asked of the local AWS."""

from __future__ import annotations

import json
import secrets
from typing import Any

import botocore.session
import pytest

from hover_async.errors import Rejected
from hover_async.local import LocalAws
from hover_async.ports import BucketState, Cloud
from hover_async.values import FunctionName
from tests.contract.test_aws_stacks import queue

pytestmark = pytest.mark.anyio


def client(service: str, aws: LocalAws, region: str | None = None) -> Any:
    return botocore.session.get_session().create_client(
        service,
        region_name=region or aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - what every local AWS takes
    )


async def test_who_we_are(cloud: Cloud, ministack: LocalAws) -> None:
    """The account, and a clock that agrees with the one of this very machine."""
    found = await cloud.facts.identity()
    assert found.account == ministack.account_id
    assert abs(found.clock_ahead_s) < 10
    assert found.expires_at is None


async def test_whom_a_role_trusts(cloud: Cloud, ministack: LocalAws) -> None:
    """The services of its trust policy; None when there is none."""
    name = f"role-{secrets.token_hex(4)}"
    arn = f"arn:aws:iam::{ministack.account_id}:role/{name}"
    assert await cloud.facts.trusted_services(arn) is None
    principal = {"Service": "lambda.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    client("iam", ministack).create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert await cloud.facts.trusted_services(arn) == ["lambda.amazonaws.com"]


async def test_what_may_run_at_once(cloud: Cloud) -> None:
    """The account has limits; a function that is not there reserves nothing."""
    found = await cloud.facts.concurrency()
    assert 0 < found.unreserved <= found.limit
    assert await cloud.facts.reserved(FunctionName("none")) == 0


async def test_bucket_and_repository_are_there_once_they_are_made(cloud: Cloud) -> None:
    """And asking does not make them."""
    for _ in range(2):
        assert await cloud.facts.bucket() is BucketState.ABSENT
        assert not await cloud.facts.has_repository()
    await cloud.assets.ensure_bucket()
    await cloud.registry.ensure_repository()
    assert await cloud.facts.bucket() is BucketState.OURS
    assert await cloud.facts.has_repository()


async def test_a_certificate(cloud: Cloud, ministack: LocalAws) -> None:
    """Its status and its domains; None when there is none."""
    acm = client("acm", ministack, "us-east-1")
    arn = acm.request_certificate(
        DomainName="example.com", SubjectAlternativeNames=["*.example.com"]
    )["CertificateArn"]
    found = await cloud.facts.certificate(arn)
    assert found is not None
    assert found.status in {"ISSUED", "PENDING_VALIDATION"}
    assert {"example.com", "*.example.com"} <= set(found.domains)
    gone = arn.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    assert await cloud.facts.certificate(gone) is None


async def test_a_template_is_looked_at(cloud: Cloud) -> None:
    """One that is none is refused, with what is wrong."""
    await cloud.facts.validate(queue())
    with pytest.raises(Rejected):
        await cloud.facts.validate("{}")


async def test_the_state_of_a_key(cloud: Cloud, ministack: LocalAws) -> None:
    """By its ARN and by its alias; disabled is told, and a key that is not there is none."""
    kms = client("kms", ministack)
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    alias = f"alias/facts-{secrets.token_hex(4)}"
    assert await cloud.facts.key_state(alias) is None
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    for key in (arn, alias):
        assert await cloud.facts.key_state(key) == "Enabled"
    kms.disable_key(KeyId=arn)
    assert await cloud.facts.key_state(arn) == "Disabled"
