"""What the KMS adapter makes of refusals and lost answers."""

from __future__ import annotations

import pytest
import trio.testing

from hover_async.aws.keys import KmsKeys
from hover_async.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    EndpointUnreachable,
    NotFound,
    OutcomeUnknown,
    Rejected,
)
from tests.unit.scripted_aws import Answer, Scripted, lost, refused

pytestmark = pytest.mark.anyio

ARN = "arn:aws:kms:eu-central-1:42:key/1"
MADE = {"KeyMetadata": {"Arn": ARN}}
KEY = {"KeyId": ARN, "Plaintext": b"p" * 32, "CiphertextBlob": b"w"}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def adapter(**script: list[Answer]) -> tuple[KmsKeys, Scripted]:
    client = Scripted(script)
    return KmsKeys(client.service(), tags={"a": "b"}), client


async def test_a_data_key_is_asked_for_again() -> None:
    """One whose answer was lost is used by nobody: the next is as good."""
    keys, client = adapter(GenerateDataKey=[lost(), KEY])
    made = await keys.generate("alias/x", {"hover-stage": "dev"})
    assert (made.key_id, made.plain, made.wrapped) == (ARN, b"p" * 32, b"w")
    assert client.asked[-1][1] == {
        "KeyId": "alias/x",
        "KeySpec": "AES_256",
        "EncryptionContext": {"hover-stage": "dev"},
    }


async def test_nobody_answers() -> None:
    """Lost answers without an end are an endpoint that cannot be reached."""
    keys, _ = adapter(Decrypt=[lost() for _ in range(99)])
    with pytest.raises(EndpointUnreachable):
        await keys.unwrap(ARN, b"w", {})


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("AccessDeniedException", AccessDenied, "kms:Decrypt"),
        ("NotFoundException", NotFound, ""),
        ("DisabledException", Rejected, "enable-key"),
        ("KMSInvalidStateException", Rejected, "cancel-key-deletion"),
        ("InvalidCiphertextException", Rejected, "another stage"),
        ("IncorrectKeyException", Rejected, "another KMS key"),
        ("InvalidKeyUsageException", Rejected, "symmetric"),
    ],
)
async def test_each_refusal_of_kms_has_its_kind(code: str, kind: type[AwsError], hint: str) -> None:
    """AWS's code decides, the message names operation and key, the hint what to do."""
    keys, _ = adapter(Decrypt=[refused(code)])
    with pytest.raises(kind, match=f"Decrypt of key '{ARN}': {code}") as caught:
        await keys.unwrap(ARN, b"w", {})
    assert hint in str(caught.value.hint or "")


async def test_a_new_key_is_named_last() -> None:
    """Who finds the alias finds a key that rotates."""
    keys, client = adapter(CreateKey=[MADE], EnableKeyRotation=[{}], CreateAlias=[{}])
    assert await keys.create("alias/x") == ARN
    assert [name for name, _ in client.asked] == [
        "create_key",
        "enable_key_rotation",
        "create_alias",
    ]
    assert client.asked[0][1]["Tags"] == [{"TagKey": "a", "TagValue": "b"}]


async def test_a_new_key_that_is_not_known_everywhere_yet() -> None:
    """KMS needs a moment to know its own key."""
    keys, _ = adapter(
        CreateKey=[MADE],
        EnableKeyRotation=[refused("NotFoundException"), {}],
        CreateAlias=[{}],
    )
    assert await keys.create("alias/x") == ARN


@pytest.mark.parametrize(
    ("step", "code", "kind"),
    [
        ("EnableKeyRotation", "AccessDeniedException", AccessDenied),
        ("CreateAlias", "AccessDeniedException", AccessDenied),
        ("CreateAlias", "AlreadyExistsException", Conflict),
    ],
)
@pytest.mark.parametrize("deletion", [{}, refused("AccessDeniedException")], ids=["may", "may not"])
async def test_a_key_without_its_name_is_given_up(
    step: str, code: str, kind: type[AwsError], deletion: Answer
) -> None:
    """What fails halfway is to be deleted, if that is allowed; the first failure is told."""
    script: dict[str, list[Answer]] = {
        "CreateKey": [MADE],
        "EnableKeyRotation": [{}],
        "CreateAlias": [{}],
        "ScheduleKeyDeletion": [deletion],
        step: [refused(code)],
    }
    keys, client = adapter(**script)
    with pytest.raises(kind):
        await keys.create("alias/x")
    assert client.asked[-1] == ("schedule_key_deletion", {"KeyId": ARN, "PendingWindowInDays": 7})


async def test_a_key_is_not_made_twice() -> None:
    """A lost answer of CreateKey is told as that: a second key would cost money for nothing."""
    keys, client = adapter(CreateKey=[lost(), MADE])
    with pytest.raises(OutcomeUnknown):
        await keys.create("alias/x")
    assert client.count("CreateKey") == 1
