"""Credentials that end in the middle of the work, and such that are of no use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import aioboto3
import anyio
import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from botocore.exceptions import ClientError, MetadataRetrievalError

from hover_async.aws.credentials import SessionCredentials
from hover_async.aws.retry import NEVER
from hover_async.aws.service import Service
from hover_async.aws.signing import Key
from hover_async.errors import AwsError, CredentialsError
from tests.unit.scripted_aws import Scripted, refused

pytestmark = pytest.mark.anyio


class Given:
    """Credentials that freeze to what was given, or raise it."""

    def __init__(self, given: object) -> None:
        self.given = given

    async def get_frozen_credentials(self) -> object:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def frozen(name: str | None) -> SimpleNamespace:
    return SimpleNamespace(access_key=name, secret_key=name and f"secret of {name}", token=None)


class FakeSession:
    """Knows what it found at first; each search takes a while and finds the next of `later`."""

    def __init__(self, first: object, *later: object) -> None:
        self.first = first
        self.later = list(later)
        self.searches = 0
        self._session = self

    def get_component(self, name: str) -> FakeSession:
        assert name == "credential_provider"
        return self

    async def get_credentials(self) -> object:
        return Given(self.first) if self.first else None

    async def load_credentials(self) -> object:
        self.searches += 1
        await anyio.sleep(0.01)
        found = self.later.pop(0)
        if isinstance(found, Exception):
            raise found
        return Given(found) if found else None


def credentials_of(session: FakeSession) -> SessionCredentials:
    return SessionCredentials(cast("aioboto3.Session", session))


async def asked_together(credentials: SessionCredentials, expired: Key) -> set[str]:
    """The access keys that 128 requests get that have all heard that theirs expired."""
    got = set()

    async def ask() -> None:
        got.add((await credentials.key(expired)).access_key)

    async with anyio.create_task_group() as group:
        for _ in range(128):
            group.start_soon(ask)
    return got


async def test_many_requests_make_one_search() -> None:
    """Who hears that the key expired takes the one that another has found, then and later."""
    session = FakeSession(frozen("A1"), frozen("A2"))
    credentials = credentials_of(session)
    expired = await credentials.key(None)
    assert await asked_together(credentials, expired) == {"A2"}
    assert (await credentials.key(expired)).access_key == "A2"
    assert session.searches == 1


async def test_a_search_that_finds_the_same() -> None:
    """Nothing newer is found once for all that ask together, and looked for again by the next."""
    session = FakeSession(frozen("A1"), frozen("A1"), frozen("A2"))
    credentials = credentials_of(session)
    expired = await credentials.key(None)
    assert await asked_together(credentials, expired) == {"A1"}
    assert session.searches == 1
    assert (await credentials.key(expired)).access_key == "A2"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, CredentialsError),
        (frozen(None), CredentialsError),
        (frozen(""), CredentialsError),
        (MetadataRetrievalError(error_msg="no role"), CredentialsError),
        (refused("ExpiredToken"), CredentialsError),
        (refused("InternalError", 500), AwsError),
        (ValueError("Expecting value: line 1 column 1 (char 0)"), CredentialsError),
        (FileNotFoundError(2, "No such file or directory", "helper"), CredentialsError),
    ],
    ids=["none", "null", "empty", "botocore's", "STS's", "a fault", "no JSON", "no program"],
)
async def test_credentials_that_are_of_no_use(given: object, kind: type[AwsError]) -> None:
    """Whatever comes of a refresh or a search instead of credentials is an error of ours."""
    with pytest.raises(kind):
        await credentials_of(FakeSession(given)).key(None)
    if isinstance(given, Exception) and not isinstance(given, ClientError):
        session = FakeSession(frozen("A1"), given)
        credentials = credentials_of(session)
        with pytest.raises(kind):
            await credentials.key(await credentials.key(None))


def refreshed(access_key: str | None, ends_in: timedelta) -> AioRefreshableCredentials:
    """botocore's own: they have expired, and a refresh gives these."""
    now = datetime.now(UTC)

    async def refresh() -> Mapping[str, str | None]:
        ends = (now + ends_in).isoformat()
        return {
            "access_key": access_key,
            "secret_key": access_key,
            "token": access_key,
            "expiry_time": ends,
        }

    expiry = now - timedelta(hours=1)
    return AioRefreshableCredentials("A", "S", "T", expiry, refresh, "a test")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # aiobotocore's only one


@pytest.mark.parametrize(
    ("access_key", "ends_in"),
    [("A2", -timedelta(minutes=1)), (None, timedelta(hours=8))],
    ids=["expired", "null"],
)
async def test_botocore_has_no_class_for_it(access_key: str | None, ends_in: timedelta) -> None:
    """Credentials expired when fresh, or null, are typed on both ways to AWS."""
    session = aioboto3.Session(region_name="eu-central-1")
    session._session._credentials = refreshed(access_key, ends_in)
    with pytest.raises(CredentialsError) as caught:
        await SessionCredentials(session).key(None)
    assert caught.value.hint
    async with session.client("sts", endpoint_url="http://127.0.0.1:9") as client:
        with pytest.raises(CredentialsError, match=r"^GetCallerIdentity of 'me': ") as caught:
            await Service(client).call(NEVER, "GetCallerIdentity", "'me'")
    assert caught.value.hint


@pytest.mark.parametrize("mistake", [RuntimeError("no running event loop"), TypeError("no")])
async def test_a_mistake_of_ours_stays_one(mistake: Exception) -> None:
    """Only what the signer says of credentials is told as such."""
    script: Mapping[str, list[Any]] = {"GetAlias": [mistake]}
    with pytest.raises(type(mistake)):
        await Scripted(script).service().call(NEVER, "GetAlias", "'live'")
