"""What the adapter of the doctor's questions makes of AWS's answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest
import trio.testing

from hover_async.aws.facts import AwsFacts, Services
from hover_async.aws.service import Service
from hover_async.errors import AccessDenied
from hover_async.ports import BucketState, Certificate, Concurrency
from hover_async.values import FunctionName
from tests.unit.scripted_aws import Answer, Scripted, refused

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/service-role/stack"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0-1"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Asked:
    """The adapter over one script for all services, and which were opened where."""

    def __init__(self, **script: list[Answer]) -> None:
        self.client = Scripted(script)
        self.opened: list[tuple[str, str | None]] = []
        one = self.client.service()
        self.facts = AwsFacts(
            Services(one, one, one, one, one),
            self.open,
            account="123456789012",
            bucket="shop-assets",
            repository="shop",
            expires_at=None,
        )

    async def open(self, name: str, region: str | None) -> Service:
        self.opened.append((name, region))
        return self.client.service()


def identity(date: datetime | None) -> Answer:
    headers = {"date": format_datetime(date, usegmt=True)} if date else {}
    about = {"HTTPHeaders": headers}
    return {"Arn": "arn:me", "Account": "123456789012", "ResponseMetadata": about}


async def test_the_clock_is_compared_with_the_date_of_the_answer() -> None:
    """AWS's answer came an hour ago by our clock, or in an hour."""
    now = datetime.now(UTC)
    for ahead_s in (3600, -3600):
        asked = Asked(GetCallerIdentity=[identity(now - timedelta(seconds=ahead_s))])
        assert abs((await asked.facts.identity()).clock_ahead_s - ahead_s) < 5
    assert (await Asked(GetCallerIdentity=[identity(None)]).facts.identity()).clock_ahead_s == 0


TRUST = {
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "a.b"]}},
        {"Effect": "Deny", "Principal": {"Service": "denied.amazonaws.com"}},
        {"Effect": "Allow", "Principal": {"AWS": "*"}},
        {"Effect": "Allow", "Principal": "*"},
    ]
}


@pytest.mark.parametrize("document", [TRUST, quote(json.dumps(TRUST))], ids=["read", "quoted"])
async def test_services_that_a_role_trusts(document: object) -> None:
    """Only those in statements that allow; whether botocore has read the document or not."""
    asked = Asked(GetRole=[{"Role": {"AssumeRolePolicyDocument": document}}])
    assert await asked.facts.trusted_services(ROLE) == ["lambda.amazonaws.com", "a.b"]
    assert asked.client.asked == [("get_role", {"RoleName": "stack"})]
    assert asked.opened == [("iam", None)]


async def test_a_single_statement_need_not_be_in_a_list() -> None:
    """IAM takes it without one."""
    statement = {"Effect": "Allow", "Principal": {"Service": "a.b"}}
    asked = Asked(GetRole=[{"Role": {"AssumeRolePolicyDocument": {"Statement": statement}}}])
    assert await asked.facts.trusted_services(ROLE) == ["a.b"]


async def test_what_is_not_there() -> None:
    """A missing role, repository, certificate, function is an answer."""
    asked = Asked(
        GetRole=[refused("NoSuchEntity", 404)],
        DescribeRepositories=[refused("RepositoryNotFoundException")],
        DescribeCertificate=[refused("ResourceNotFoundException")],
        GetFunctionConcurrency=[refused("ResourceNotFoundException", 404), {}],
    )
    assert await asked.facts.trusted_services(ROLE) is None
    assert not await asked.facts.has_repository()
    assert await asked.facts.certificate(CERTIFICATE) is None
    assert await asked.facts.reserved(FunctionName("f")) == 0
    assert await asked.facts.reserved(FunctionName("f")) == 0


async def test_a_refusal_is_no_absence() -> None:
    """Who may not look at a role does not know that it is missing."""
    with pytest.raises(AccessDenied):
        await Asked(GetRole=[refused("AccessDenied", 403)]).facts.trusted_services(ROLE)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({}, BucketState.OURS),
        (refused("404", 404), BucketState.ABSENT),
        (refused("403", 403), BucketState.FOREIGN),
    ],
)
async def test_whose_the_bucket_is(answer: Answer, state: BucketState) -> None:
    """By the account that must own it; a HEAD has no code but its status."""
    asked = Asked(HeadBucket=[answer])
    assert await asked.facts.bucket() is state
    ((_, parameters),) = asked.client.asked
    assert parameters["ExpectedBucketOwner"] == "123456789012"


async def test_a_certificate_is_asked_for_in_its_region() -> None:
    """CloudFront's are of us-east-1, wherever the stage is."""
    about = {
        "Status": "ISSUED",
        "DomainName": "example.com",
        "SubjectAlternativeNames": ["example.com", "*.example.com"],
    }
    asked = Asked(DescribeCertificate=[{"Certificate": about}])
    found = await asked.facts.certificate(CERTIFICATE)
    assert found == Certificate("ISSUED", ["example.com", "*.example.com"])
    assert asked.opened == [("acm", "us-east-1")]


async def test_limits_and_reserves() -> None:
    """As Lambda has them."""
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}
    asked = Asked(
        GetAccountSettings=[{"AccountLimit": limits}],
        GetFunctionConcurrency=[{"ReservedConcurrentExecutions": 100}],
    )
    assert await asked.facts.concurrency() == Concurrency(1000, 900)
    assert await asked.facts.reserved(FunctionName("f")) == 100


async def test_the_state_of_a_key_is_asked_where_the_key_is() -> None:
    """KMS's own word, in the region of its ARN; an alias is the stage's. None when it is gone."""
    arn = "arn:aws:kms:eu-west-1:123456789012:key/7"
    for key, region in ((arn, "eu-west-1"), ("alias/shop-secrets", None)):
        asked = Asked(DescribeKey=[{"KeyMetadata": {"KeyState": "PendingDeletion"}}])
        assert await asked.facts.key_state(key) == "PendingDeletion"
        assert asked.opened == [("kms", region)]
    gone = Asked(DescribeKey=[refused("NotFoundException")])
    assert await gone.facts.key_state(arn) is None
