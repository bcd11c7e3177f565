"""The retry contract, call by call: what each adapter does when its call meets trouble."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
import trio.testing
from aiohttp import ClientPayloadError

from hover_async.aws.service import Service
from hover_async.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsError,
    EndpointUnreachable,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from tests.unit.aws_calls import (
    CALLS,
    NOT_CALLED_FOR_ITSELF,
    Aws,
    Call,
    Lost,
    operations_of_the_adapters,
)
from tests.unit.scripted_aws import lost, refused, reset, throttled, timed_out, unreachable

pytestmark = pytest.mark.anyio

Trouble = Callable[[], Exception]

UNKNOWN: dict[str, Trouble] = {
    "closed": lost,
    "timeout": timed_out,
    "reset": reset,
    "500": lambda: refused("InternalError", 500),
    "cut": lambda: ClientPayloadError("not enough data"),
    "page": lambda: KeyError("UpdateStackResult"),
}
"""Ends of a call that leave open whether it took effect."""
FINAL: dict[str, tuple[Trouble, type[AwsError], str]] = {
    "expired": (lambda: refused("ExpiredToken", 400), CredentialsError, "log in again"),
    "expired-403": (lambda: refused("ExpiredTokenException", 403), CredentialsError, "log in"),
    "clock": (lambda: refused("RequestTimeTooSkewed", 403), CredentialsError, "clock"),
    "signature": (lambda: refused("SignatureDoesNotMatch", 403), CredentialsError, "credentials"),
    "invalid": (lambda: refused("ValidationException", 400), Rejected, ""),
}
"""Answers that the same request would get again."""
LONGEST_BUDGET_S = 300
MOST_TRIES = 200
"""Of one call in its budget: PublishVersion's five minutes at waits of up to 5 s."""

every_call = pytest.mark.parametrize("call", CALLS, ids=str)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


async def made(call: Call, aws: Aws) -> None:
    await call.make(Service(aws))


def test_every_operation_has_a_row() -> None:
    """An operation that an adapter sends is in the table, and the table holds no other."""
    assert {
        call.operation for call in CALLS
    } | NOT_CALLED_FOR_ITSELF == operations_of_the_adapters()


@every_call
async def test_untroubled(call: Call) -> None:
    """Without trouble it is sent once."""
    aws = Aws(call, [])
    await made(call, aws)
    assert len(aws.sent) == 1


@every_call
async def test_throttled(call: Call) -> None:
    """Refused for its rate, the same request is sent again."""
    code = refused("ThrottlingException", 400)
    aws = Aws(call, [code, throttled("CallerRateLimitExceeded")])
    await made(call, aws)
    assert len(aws.sent) == 3
    assert aws.sent[0] == aws.sent[1] == aws.sent[2]


@every_call
@pytest.mark.parametrize("trouble", UNKNOWN)
async def test_lost_before_its_effect(call: Call, trouble: str) -> None:
    """What did not happen, for all one knows, is repeated as the contract says."""
    aws = Aws(call, [UNKNOWN[trouble]()])
    if call.lost is Lost.UNKNOWN:
        with pytest.raises(OutcomeUnknown):
            await made(call, aws)
        assert len(aws.sent) == 1
        return
    await made(call, aws)
    assert len(aws.sent) == 2
    assert aws.sent[0] == aws.sent[1], "not the same request, token and bytes"


@every_call
@pytest.mark.parametrize("trouble", UNKNOWN)
async def test_lost_after_its_effect(call: Call, trouble: str) -> None:
    """What did happen is found out, and is a success like any other."""
    aws = Aws(call, [UNKNOWN[trouble]()], acted=True)
    if call.lost is Lost.UNKNOWN:
        with pytest.raises(OutcomeUnknown):
            await made(call, aws)
        assert len(aws.sent) == 1
        return
    await made(call, aws)
    assert len(aws.sent) == (1 if call.lost is Lost.LOOKED_UP else 2)


@every_call
@pytest.mark.parametrize("trouble", FINAL)
async def test_what_is_never_repeated(call: Call, trouble: str) -> None:
    """Expired, skewed and wrong requests are sent once, and reported with what to do."""
    make, kind, hint = FINAL[trouble]
    aws = Aws(call, [make()])
    with pytest.raises(kind) as raised:
        await made(call, aws)
    assert len(aws.sent) == 1
    assert hint in (raised.value.hint or "")


@every_call
async def test_denied(call: Call) -> None:
    """A denied request is sent once, and reported with a hint where it cannot be done without."""
    aws = Aws(call, [refused("AccessDeniedException", 403)])
    if call.may_be_denied:
        await made(call, aws)
    else:
        with pytest.raises(AccessDenied) as raised:
            await made(call, aws)
        assert raised.value.hint
    assert len(aws.sent) == 1


@every_call
@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (lambda: refused("ThrottlingException", 400), Throttled),
        (lost, (OutcomeUnknown, EndpointUnreachable)),
        (unreachable, EndpointUnreachable),
    ],
    ids=["throttled", "lost", "unreachable"],
)
async def test_tries_end(call: Call, trouble: Trouble, kind: type[AwsError]) -> None:
    """Trouble that does not pass ends within the budget, after a bounded number of tries."""
    aws = Aws(call, [trouble() for _ in range(MOST_TRIES + 1)])
    begun = anyio.current_time()
    with pytest.raises(kind):
        await made(call, aws)
    assert anyio.current_time() - begun <= LONGEST_BUDGET_S
    bound = {Lost.UNKNOWN: 1, Lost.ONCE_MORE: 2}.get(call.lost, MOST_TRIES)
    assert len(aws.sent) <= (bound if trouble is lost else MOST_TRIES)


async def test_an_alias_moved_by_somebody_else_is_no_success() -> None:
    """A lost move that finds the alias at a third version is a conflict, sent once."""
    row = next(call for call in CALLS if call.operation == "UpdateAlias")
    theirs = {"GetAlias": {"FunctionVersion": "3", "RevisionId": "r3"}}
    aws = Aws(Call(row.operation, row.lost, row.make, row.answers, theirs), [lost()], acted=True)
    with pytest.raises(Conflict, match="points to 3"):
        await made(row, aws)
    assert len(aws.sent) == 1


async def test_a_lost_completion_of_another_object_is_no_success() -> None:
    """An upload that is gone while the object has another checksum is reported."""
    row = next(call for call in CALLS if call.operation == "CompleteMultipartUpload")
    other = {**row.after, "HeadObject": {"ContentLength": 1, "ChecksumSHA256": "other-1"}}
    aws = Aws(Call(row.operation, row.lost, row.make, row.answers, other), [lost()], acted=True)
    with pytest.raises(AwsError, match="NoSuchUpload"):
        await made(row, aws)
