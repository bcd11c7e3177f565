"""One stage's AWS: credentials found and checked, clients opened, ports put over them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError

from hover_async.aws.change_sets import CloudFormationChangeSets
from hover_async.aws.errors import translate
from hover_async.aws.facts import AwsFacts, Services
from hover_async.aws.functions import LambdaFunctions
from hover_async.aws.keys import KmsKeys
from hover_async.aws.logs import CloudWatchLogGroups
from hover_async.aws.object_access import open_objects
from hover_async.aws.pacing import Pacers, shared_pacers
from hover_async.aws.queues import SqsQueues
from hover_async.aws.redaction import redact_answers
from hover_async.aws.registry import EcrRegistry
from hover_async.aws.retry import FIRST_CONTACT
from hover_async.aws.sdk import USER_AGENT, kept_alive, new_session
from hover_async.aws.service import Service
from hover_async.aws.stacks import CloudFormationStacks
from hover_async.aws.storage import S3Assets, S3Documents
from hover_async.errors import CredentialsError, EndpointUnreachable, Rejected
from hover_async.ports import Cloud, Keys
from hover_async.values import Architecture

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 25
"""A good part of the 60 s in which a call may be repeated: one answer that never comes is asked for
again. It counts from the last byte that was sent or received, however long these may take."""
QUICK_READ_TIMEOUT_S = 12
"""For calls that answer at once or not at all: well below what the callers of aliases and of the
lock wait, so that a lost answer is looked up in time."""
LONGEST_INVOCATION_S = 900
INVOKE_READ_TIMEOUT_S = LONGEST_INVOCATION_S + 60
"""Above every function's own timeout; each invocation has its own, shorter deadline."""
FEW_CONNECTIONS = 32
"""For the APIs that are asked for little at a time."""


@asynccontextmanager
async def open_cloud(
    *,
    region: str,
    profile: str | None,
    endpoint_url: str | None,
    bucket: str,
    repository: str,
    architecture: Architecture,
    tags: Mapping[str, str],
    max_connections: int,
) -> AsyncIterator[Cloud]:
    """The ports of one stage. `max_connections` at once to S3 and to running functions.

    Raises `CredentialsError` when there are none or AWS refuses them, `EndpointUnreachable` when
    nobody answers; both before anything is done. With `endpoint_url` (a local AWS) any credentials
    will do, and a profile's are used only if it is named.
    """
    endpoint_url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or None
    async with AsyncExitStack() as clients:
        opener = _Opener(new_session(region, profile, endpoint_url), clients, region, endpoint_url)
        sts = await opener.open("sts")
        identity = await _identify(sts, profile, endpoint_url, region)
        s3 = await opener.open("s3", connections=max_connections)
        records = await opener.open("s3", read_timeout_s=QUICK_READ_TIMEOUT_S)
        lambdas = await opener.open(
            "lambda",
            read_timeout_s=QUICK_READ_TIMEOUT_S,
            pacers=shared_pacers(identity.account, endpoint_url or region),
        )
        invocations = await opener.open(
            "lambda", connections=max_connections, read_timeout_s=INVOKE_READ_TIMEOUT_S
        )
        cloudformation = await opener.open("cloudformation")
        ecr = await opener.open("ecr")
        address = _Address(identity, region, endpoint_url)
        yield Cloud(
            assets=S3Assets(
                s3,
                bucket,
                owner=identity.account,
                region=region,
                base_url=f"{address.objects}/{bucket}",
                tags=tags,
                objects=await clients.enter_async_context(
                    open_objects(
                        opener.session,
                        s3.endpoint_url,
                        bucket,
                        region=region,
                        is_local=endpoint_url is not None,
                    )
                ),
            ),
            documents=S3Documents(records, bucket, owner=identity.account),
            registry=EcrRegistry(
                ecr,
                repository,
                functions_arn=address.functions_arn,
                host=address.registry,
                architecture=architecture,
                tags=tags,
            ),
            stacks=CloudFormationStacks(cloudformation),
            change_sets=CloudFormationChangeSets(cloudformation),
            functions=LambdaFunctions(lambdas, invocations),
            queues=SqsQueues(
                await opener.open("sqs"),
                arn_prefix=address.queues_arn,
                url_prefix=address.queues_url,
            ),
            logs=CloudWatchLogGroups(await opener.open("logs")),
            facts=AwsFacts(
                Services(sts, records, ecr, lambdas, cloudformation),
                opener.open_in,
                account=identity.account,
                bucket=bucket,
                repository=repository,
                expires_at=await _expiry(opener.session),
            ),
        )


@asynccontextmanager
async def open_keys(
    *, region: str, profile: str | None, endpoint_url: str | None, tags: Mapping[str, str]
) -> AsyncIterator[Keys]:
    """The keys of KMS in one account and region; `tags` are for those that it makes.

    Raises as `open_cloud` does. A port of its own: a deploy needs nothing of KMS.
    """
    endpoint_url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or None
    async with AsyncExitStack() as clients:
        opener = _Opener(new_session(region, profile, endpoint_url), clients, region, endpoint_url)
        await _identify(await opener.open("sts"), profile, endpoint_url, region)
        yield KmsKeys(await opener.open("kms", read_timeout_s=QUICK_READ_TIMEOUT_S), tags=tags)


@dataclass(frozen=True)
class _Identity:
    """Whose AWS account it is, as STS says. `partition` is `aws`, `aws-cn` or another."""

    account: str
    partition: str


@dataclass(frozen=True)
class _Address:
    """Where things of the stage are. A local AWS has them all at its endpoint."""

    identity: _Identity
    region: str
    endpoint_url: str | None

    @property
    def objects(self) -> str:
        """By path, not by host: a bucket's name with dots would fit no certificate."""
        return (self.endpoint_url or f"https://s3.{self.region}.{self._suffix}").rstrip("/")

    @property
    def registry(self) -> str:
        if self.endpoint_url:
            return urlsplit(self.endpoint_url).netloc
        return f"{self.identity.account}.dkr.ecr.{self.region}.{self._suffix}"

    @property
    def functions_arn(self) -> str:
        return (
            f"arn:{self.identity.partition}:lambda:{self.region}:{self.identity.account}:function:*"
        )

    @property
    def queues_arn(self) -> str:
        return f"arn:{self.identity.partition}:sqs:{self.region}:{self.identity.account}:"

    @property
    def queues_url(self) -> str:
        endpoint = self.endpoint_url or f"https://sqs.{self.region}.{self._suffix}"
        return f"{endpoint.rstrip('/')}/{self.identity.account}/"

    @property
    def _suffix(self) -> str:
        return "amazonaws.com.cn" if self.identity.partition == "aws-cn" else "amazonaws.com"


@dataclass(frozen=True)
class _Opener:
    """Opens clients that are closed with `clients`."""

    session: aioboto3.Session
    clients: AsyncExitStack
    region: str
    endpoint_url: str | None

    async def open_in(self, name: str, region: str | None) -> Service:
        """A service that is seldom asked, in `region` or the stage's own."""
        return await replace(self, region=region or self.region).open(name)

    async def open(
        self,
        name: str,
        *,
        connections: int = FEW_CONNECTIONS,
        read_timeout_s: float = READ_TIMEOUT_S,
        pacers: Pacers | None = None,
    ) -> Service:
        config = AioConfig(
            http_session_cls=kept_alive,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1, "mode": "standard"},  # retry.py repeats, not botocore
            s3={"addressing_style": "path" if self.endpoint_url else "auto"},
            user_agent=USER_AGENT,
            # None: those of the environment, which must not stand between us and this machine
            proxies={} if self.endpoint_url and _is_loopback(self.endpoint_url) else None,
        )
        try:
            client = await self.clients.enter_async_context(
                self.session.client(
                    name, region_name=self.region, endpoint_url=self.endpoint_url, config=config
                )
            )
        except BotoCoreError as error:
            raise translate(error, f"opening '{name}'", f"region '{self.region}'") from error
        except json.JSONDecodeError as error:
            error.doc = ""  # what the process printed: the credentials, or what was to be some
            raise CredentialsError(
                f"what the profile's credential_process prints is no JSON: {error}",
                hint="run it by hand, and look at what it writes to stdout",
            ) from error
        except ValueError as error:
            raise Rejected(
                f"'{self.endpoint_url}' is no endpoint: {error}",
                hint="give a whole URL, such as http://localhost:4566",
            ) from error
        redact_answers(client)
        return Service(client, pacers=pacers)


async def _expiry(session: aioboto3.Session) -> datetime | None:
    """When the credentials end, where their provider said so."""
    credentials = await session.get_credentials()
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry if isinstance(expiry, datetime) else None


async def _identify(
    sts: Service, profile: str | None, endpoint_url: str | None, region: str
) -> _Identity:
    whose = f"profile '{profile}'" if profile else "the default credentials"
    try:
        answer = await sts.call(FIRST_CONTACT, "GetCallerIdentity", whose)
    except EndpointUnreachable as error:
        error.hint = (
            f"nothing usable answers at {endpoint_url}: is it running?"
            if endpoint_url
            else f"check the network, and that '{region}' is a region of AWS"
        )
        raise
    except CredentialsError as error:
        error.message = f"credentials refused or not found ({whose}): {error.message}"
        raise
    return _Identity(answer["Account"], answer["Arn"].split(":")[1])


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
