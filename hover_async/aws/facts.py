"""What the doctor asks of AWS: the account, its roles, its limits; nothing is changed.

IAM, ACM and KMS are opened only when they are asked: a deploy has no use for them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

from hover_async.aws.retry import READ
from hover_async.aws.service import Answer, Service
from hover_async.errors import AccessDenied, NotFound
from hover_async.ports import BucketState, Certificate, Concurrency, Identity
from hover_async.values import FunctionName

Open = Callable[[str, str | None], Awaitable[Service]]
"""Opens a service by name, in a region of its own if one is given."""


@dataclass(frozen=True)
class Services:
    """Those that are open anyway."""

    sts: Service
    s3: Service
    ecr: Service
    lambdas: Service
    cloudformation: Service


class AwsFacts:
    """`Facts` over AWS."""

    def __init__(
        self,
        services: Services,
        open_service: Open,
        *,
        account: str,
        bucket: str,
        repository: str,
        expires_at: datetime | None,
    ) -> None:
        self._services = services
        self._open = open_service
        self._account = account
        self._bucket = bucket
        self._repository = repository
        self._expires_at = expires_at

    async def identity(self) -> Identity:
        answer = await self._services.sts.call(READ, "GetCallerIdentity", "the credentials")
        return Identity(
            answer["Arn"], answer["Account"], _clock_ahead_s(answer, _now()), self._expires_at
        )

    async def trusted_services(self, role_arn: str) -> Sequence[str] | None:
        iam = await self._open("iam", None)
        name = role_arn.rpartition("/")[2]
        try:
            answer = await iam.call(READ, "GetRole", f"role '{name}'", RoleName=name)
        except NotFound:
            return None
        return _trusted(answer["Role"]["AssumeRolePolicyDocument"])

    async def concurrency(self) -> Concurrency:
        answer = await self._services.lambdas.call(READ, "GetAccountSettings", "the account")
        limits = answer["AccountLimit"]
        return Concurrency(
            int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
        )

    async def reserved(self, function: FunctionName) -> int:
        try:
            answer = await self._services.lambdas.call(
                READ, "GetFunctionConcurrency", f"'{function}'", FunctionName=function
            )
        except NotFound:
            return 0
        return int(answer.get("ReservedConcurrentExecutions", 0))

    async def bucket(self) -> BucketState:
        try:
            await self._services.s3.call(
                READ,
                "HeadBucket",
                f"bucket '{self._bucket}'",
                Bucket=self._bucket,
                ExpectedBucketOwner=self._account,
            )
        except NotFound:
            return BucketState.ABSENT
        except AccessDenied:
            return BucketState.FOREIGN
        return BucketState.OURS

    async def has_repository(self) -> bool:
        try:
            await self._services.ecr.call(
                READ,
                "DescribeRepositories",
                f"repository '{self._repository}'",
                repositoryNames=[self._repository],
            )
        except NotFound:
            return False
        return True

    async def certificate(self, arn: str) -> Certificate | None:
        acm = await self._open("acm", arn.split(":")[3])
        try:
            answer = await acm.call(
                READ, "DescribeCertificate", f"certificate '{arn}'", CertificateArn=arn
            )
        except NotFound:
            return None
        about = answer["Certificate"]
        domains = [about["DomainName"], *about.get("SubjectAlternativeNames", ())]
        return Certificate(about["Status"], list(dict.fromkeys(domains)))

    async def key_state(self, key: str) -> str | None:
        kms = await self._open("kms", key.split(":")[3] if key.startswith("arn:") else None)
        try:
            answer = await kms.call(READ, "DescribeKey", f"key '{key}'", KeyId=key)
        except NotFound:
            return None
        return str(answer["KeyMetadata"]["KeyState"])

    async def validate(self, template: str) -> None:
        await self._services.cloudformation.call(
            READ, "ValidateTemplate", "the template", TemplateBody=template
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _clock_ahead_s(answer: Answer, now: datetime) -> float:
    """By the Date header of the answer, which has whole seconds; 0 where there is none."""
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return 0.0
    return (now - theirs).total_seconds()


def _trusted(document: Any) -> Sequence[str]:
    """The services in the `Allow` statements of a trust policy; botocore may have read it."""
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    found: list[str] = []
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            services = principal.get("Service", [])
            found += [services] if isinstance(services, str) else services
    return found
