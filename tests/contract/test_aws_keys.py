"""What `Keys` promises, whoever keeps the promise."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest

from hover_async.aws.session import open_keys
from hover_async.errors import Conflict, NotFound, Rejected
from hover_async.local import LocalAws
from hover_async.ports import Keys
from hover_async.testing import FakeCloud

pytestmark = pytest.mark.anyio

DEV = {"hover-stage": "dev"}
NOBODYS = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"


@dataclass
class Kms:
    """Keys under the contract, and what no port does but a test must have done."""

    keys: Keys
    disable: Callable[[str], None]


@pytest.fixture
async def real(ministack: LocalAws) -> AsyncIterator[Kms]:
    async with open_keys(
        region=ministack.region, profile=None, endpoint_url=ministack.endpoint_url, tags={"a": "b"}
    ) as keys:
        yield Kms(keys, lambda arn: client(ministack).disable_key(KeyId=arn))


@pytest.fixture(params=["ministack", "fake"])
def kms(request: pytest.FixtureRequest) -> Kms:
    """The real adapter, and the fake that other tests believe."""
    if request.param == "fake":
        fake = FakeCloud().keys
        return Kms(fake, fake.disabled.add)
    kept: Kms = request.getfixturevalue("real")
    return kept


def client(local: LocalAws) -> Any:
    return botocore.session.get_session().create_client(
        "kms",
        region_name=local.region,
        endpoint_url=local.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - what every local AWS takes
    )


@pytest.fixture
def alias() -> str:
    return f"alias/contract-{secrets.token_hex(4)}"


async def code_of(call: Awaitable[object]) -> str:
    """AWS's code of the refusal that `call` ends with."""
    with pytest.raises(Rejected) as caught:
        await call
    return caught.value.aws_code


async def test_a_data_key_is_unwrapped(kms: Kms, alias: str) -> None:
    """By alias and by ARN: 256 bits, of which the wrapped form gives the same again."""
    arn = await kms.keys.create(alias)
    for name in (alias, arn):
        made = await kms.keys.generate(name, DEV)
        assert (made.key_id, len(made.plain)) == (arn, 32)
        assert made.plain not in made.wrapped
        assert await kms.keys.unwrap(made.key_id, made.wrapped, DEV) == made.plain


async def test_each_data_key_is_another(kms: Kms, alias: str) -> None:
    """No two secrets files share a key."""
    await kms.keys.create(alias)
    assert len({(await kms.keys.generate(alias, DEV)).plain for _ in range(3)}) == 3


async def test_another_context_does_not_unwrap(kms: Kms, alias: str) -> None:
    """What was made for one stage is refused for any other, and for none."""
    await kms.keys.create(alias)
    made = await kms.keys.generate(alias, DEV)
    for context in ({"hover-stage": "prod"}, {}):
        refusal = kms.keys.unwrap(made.key_id, made.wrapped, context)
        assert await code_of(refusal) == "InvalidCiphertextException"


async def test_no_such_key(kms: Kms, alias: str) -> None:
    """An alias and an ARN that nobody made are not found, to generate and to unwrap."""
    for name in (alias, NOBODYS):
        with pytest.raises(NotFound):
            await kms.keys.generate(name, DEV)
        with pytest.raises(NotFound):
            await kms.keys.unwrap(name, bytes(100), DEV)


async def test_a_disabled_key(kms: Kms, alias: str) -> None:
    """It is refused as such, both ways."""
    arn = await kms.keys.create(alias)
    made = await kms.keys.generate(arn, DEV)
    kms.disable(arn)
    assert await code_of(kms.keys.generate(alias, DEV)) == "DisabledException"
    assert await code_of(kms.keys.unwrap(arn, made.wrapped, DEV)) == "DisabledException"


async def test_an_alias_that_is_taken(kms: Kms, alias: str) -> None:
    """It stays with its key."""
    arn = await kms.keys.create(alias)
    with pytest.raises(Conflict):
        await kms.keys.create(alias)
    assert (await kms.keys.generate(alias, DEV)).key_id == arn


async def test_a_key_as_it_is_made(real: Kms, ministack: LocalAws, alias: str) -> None:
    """Of the local AWS: it rotates, has the stage's tags, and a second one is not left behind."""
    kms = client(ministack)
    before = {key["KeyId"] for key in kms.list_keys()["Keys"]}
    arn = await real.keys.create(alias)
    with pytest.raises(Conflict):
        await real.keys.create(alias)
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"]
    assert kms.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "a", "TagValue": "b"}]
    made = {key["KeyId"] for key in kms.list_keys()["Keys"]} - before
    states = [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in made]
    assert sorted(states) == ["Enabled", "PendingDeletion"]
