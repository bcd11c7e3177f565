"""What the Lambda adapter makes of answers that are late, lost, refused or odd."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest
import trio.testing

from hover_async.aws.functions import LambdaFunctions
from hover_async.aws.pacing import Pace, Pacer, Pacers
from hover_async.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsError,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from hover_async.ports import Alias, Repeatable
from hover_async.values import LATEST, FunctionName, Version
from tests.unit.scripted_aws import (
    Answer,
    Scripted,
    lost,
    refused,
    reset,
    throttled,
    timed_out,
    unreachable,
)

pytestmark = pytest.mark.anyio

F = FunctionName("shop-http")
OLD = Alias(F, Version("1"), "r1")
SHA = "a" * 64
UNKNOWN = [lost, timed_out, reset, lambda: refused("ServiceException", 500)]
"""Ends of a call that leave open whether it took effect."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def adapter(**script: list[Answer]) -> tuple[LambdaFunctions, Scripted]:
    client = Scripted(script)
    return LambdaFunctions(client.service(), client.service()), client


def alias(version: str, revision: str, **weights: float) -> dict[str, Any]:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}
    return {"Name": "live", "FunctionVersion": version, "RevisionId": revision, **routing}


def answered(payload: bytes = b"{}", **more: str) -> dict[str, Any]:
    return {"Payload": payload, "ExecutedVersion": "2", **more}


async def move(lambdas: LambdaFunctions) -> Alias:
    return await lambdas.move_alias(OLD, "live", to=Version("2"))


async def invoke(lambdas: LambdaFunctions, repeatable: Repeatable) -> object:
    return await lambdas.invoke(F, Version("2"), b"{}", timeout_s=60, repeatable=repeatable)


URI = "repository@sha256:new"


async def update(lambdas: LambdaFunctions) -> None:
    await lambdas.update_code(F, URI, revision="r1")


def latest(image_uri: str, revision: str) -> dict[str, Any]:
    return {"Configuration": {"RevisionId": revision}, "Code": {"ImageUri": image_uri}}


async def test_an_update_of_code_sends_the_revision() -> None:
    """The image is given only to what was read, and no version is made of it unseen."""
    lambdas, client = adapter(UpdateFunctionCode=[{}])
    await update(lambdas)
    sent = {"FunctionName": F, "ImageUri": URI, "RevisionId": "r1"}
    assert client.asked == [("update_function_code", sent)]


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_an_update_whose_answer_was_lost_but_happened(failure: Any) -> None:
    """After a lost answer the function is read: with the image, it has succeeded."""
    lambdas, client = adapter(UpdateFunctionCode=[failure()], GetFunction=[latest(URI, "r2")])
    await update(lambdas)
    assert client.count("UpdateFunctionCode") == 1


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_an_update_whose_answer_was_lost_and_did_not_happen(failure: Any) -> None:
    """After a lost answer the function is read: unchanged, the update is sent again."""
    lambdas, client = adapter(UpdateFunctionCode=[failure(), {}], GetFunction=[latest("old", "r1")])
    await update(lambdas)
    assert client.count("UpdateFunctionCode") == 2


@pytest.mark.parametrize("failure", [*UNKNOWN, lambda: refused("PreconditionFailedException", 412)])
async def test_an_update_that_somebody_else_forestalled(failure: Any) -> None:
    """Another image under another revision is a conflict that names it; nothing is sent again."""
    lambdas, client = adapter(UpdateFunctionCode=[failure()], GetFunction=[latest("other", "r9")])
    with pytest.raises(Conflict, match="holds image other"):
        await update(lambdas)
    assert client.count("UpdateFunctionCode") == 1


async def test_an_update_of_a_busy_function_waits() -> None:
    """While Lambda works on the function it refuses, and is asked again."""
    busy = refused("ResourceConflictException", 409)
    lambdas, client = adapter(UpdateFunctionCode=[busy, busy, {}])
    await update(lambdas)
    assert client.count("UpdateFunctionCode") == 3


async def test_a_move_sends_empty_routing() -> None:
    """A move is conditional on the revision and always clears the routing weights."""
    lambdas, client = adapter(UpdateAlias=[alias("2", "r2")])
    assert await move(lambdas) == Alias(F, Version("2"), "r2")
    assert client.asked == [
        (
            "update_alias",
            {
                "FunctionName": F,
                "Name": "live",
                "FunctionVersion": "2",
                "RevisionId": "r1",
                "RoutingConfig": {"AdditionalVersionWeights": {}},
            },
        )
    ]


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_a_move_whose_answer_was_lost_but_happened(failure: Any) -> None:
    """After a lost answer the alias is read: at the target, the move has succeeded."""
    lambdas, client = adapter(UpdateAlias=[failure()], GetAlias=[alias("2", "r2")])
    assert await move(lambdas) == Alias(F, Version("2"), "r2")
    assert client.count("UpdateAlias") == 1


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_a_move_whose_answer_was_lost_and_did_not_happen(failure: Any) -> None:
    """After a lost answer the alias is read: unchanged, the move is sent again."""
    lambdas, client = adapter(
        UpdateAlias=[failure(), alias("2", "r2")], GetAlias=[alias("1", "r1")]
    )
    assert (await move(lambdas)).version == "2"
    assert client.count("UpdateAlias") == 2


@pytest.mark.parametrize("failure", UNKNOWN)
@pytest.mark.parametrize(
    "now", [alias("3", "r9"), alias("1", "r9"), alias("2", "r2", **{"1": 0.5})]
)
async def test_a_move_whose_answer_was_lost_and_somebody_else_moved(
    failure: Any, now: dict[str, Any]
) -> None:
    """After a lost answer the alias is read: moved elsewhere, or still weighted, is a conflict."""
    lambdas, client = adapter(UpdateAlias=[failure()], GetAlias=[now])
    with pytest.raises(Conflict):
        await move(lambdas)
    assert client.count("UpdateAlias") == 1


async def test_a_stale_move() -> None:
    """A refused precondition is a conflict that says where the alias points."""
    lambdas, client = adapter(
        UpdateAlias=[refused("PreconditionFailedException", 412)], GetAlias=[alias("3", "r9")]
    )
    with pytest.raises(Conflict, match="points to 3"):
        await move(lambdas)
    assert client.count("UpdateAlias") == 1


async def test_a_stale_move_of_a_lost_try() -> None:
    """Lost, unchanged when read, then refused because the first try arrived late: a success."""
    lambdas, _ = adapter(
        UpdateAlias=[lost(), refused("PreconditionFailedException", 412)],
        GetAlias=[alias("1", "r1"), alias("2", "r2")],
    )
    assert (await move(lambdas)).version == "2"


async def test_a_move_of_an_alias_that_is_gone() -> None:
    """An alias that was deleted meanwhile is a conflict."""
    lambdas, _ = adapter(UpdateAlias=[lost()], GetAlias=[refused("ResourceNotFoundException", 404)])
    with pytest.raises(Conflict, match="is gone"):
        await move(lambdas)


async def test_a_move_that_stays_unknown() -> None:
    """Without any answer for the whole budget the outcome stays unknown."""
    lambdas, _ = adapter(UpdateAlias=[lost()] * 200, GetAlias=[alias("1", "r1")] * 200)
    with pytest.raises(OutcomeUnknown):
        await move(lambdas)


async def test_a_move_while_the_function_is_busy() -> None:
    """A move waits for another change of the function to end, and for throttling."""
    lambdas, client = adapter(
        UpdateAlias=[
            refused("ResourceConflictException", 409),
            throttled("CallerRateLimitExceeded"),
            alias("2", "r2"),
        ]
    )
    assert (await move(lambdas)).version == "2"
    assert client.count("UpdateAlias") == 3


async def test_routing_is_seen() -> None:
    """An alias with weights says so."""
    lambdas, _ = adapter(GetAlias=[alias("1", "r1", **{"2": 0.1})])
    found = await lambdas.alias(F, "live")
    assert found is not None
    assert found.has_routing


@pytest.mark.parametrize(
    "failure",
    [
        lost(),
        timed_out(),
        refused("ServiceException", 500),
        refused("ResourceConflictException", 409),
        throttled("CallerRateLimitExceeded"),
    ],
)
async def test_publish_is_repeated(failure: Exception) -> None:
    """Publishing is guarded by the code, so it is repeated; while busy it waits."""
    lambdas, client = adapter(PublishVersion=[failure, {"Version": "7"}])
    assert await lambdas.publish(F, code_sha256=SHA, description="b1") == "7"
    assert client.asked[0][1] == {"FunctionName": F, "CodeSha256": SHA, "Description": "b1"}


async def test_publish_of_other_code() -> None:
    """Lambda's refusal because of other code is a conflict, found by asking for the code."""
    state = {"Configuration": {"Version": LATEST, "CodeSha256": "b" * 64}}
    lambdas, _ = adapter(
        PublishVersion=[refused("InvalidParameterValueException")], GetFunction=[state]
    )
    with pytest.raises(Conflict, match="other code"):
        await lambdas.publish(F, code_sha256=SHA, description="b1")


async def test_publish_of_something_wrong() -> None:
    """Any other wrong parameter stays what it is."""
    state = {"Configuration": {"Version": LATEST, "CodeSha256": SHA}}
    lambdas, _ = adapter(
        PublishVersion=[refused("InvalidParameterValueException")], GetFunction=[state]
    )
    with pytest.raises(Rejected):
        await lambdas.publish(F, code_sha256=SHA, description="x" * 300)


@pytest.mark.parametrize(
    ("said", "resolved", "expected"),
    [
        (SHA, f"r@sha256:{'c' * 64}", SHA),
        ("", f"r@sha256:{'c' * 64}", "c" * 64),
        ("made-up", f"r@sha256:{'c' * 64}", "c" * 64),
        (
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ),
        ("", "r:tag", ""),
    ],
)
async def test_code_of_a_state(said: str, resolved: str, expected: str) -> None:
    """Lambda's own hash counts; where there is none, the digest the image resolved to."""
    about = {"Version": "1", "CodeSha256": said}
    lambdas, _ = adapter(
        GetFunction=[{"Configuration": about, "Code": {"ResolvedImageUri": resolved}}]
    )
    assert (await lambdas.state(F, Version("1"))).code_sha256 == expected


async def test_reasons_of_a_state() -> None:
    """A failed state says why in words and with Lambda's code."""
    about = {
        "Version": "1",
        "State": "Failed",
        "StateReason": "The image is gone",
        "StateReasonCode": "ImageDeleted",
        "LastUpdateStatus": "Failed",
        "LastUpdateStatusReasonCode": "InvalidImage",
    }
    lambdas, _ = adapter(GetFunction=[{"Configuration": about, "Code": {"ImageUri": "r@d"}}])
    state = await lambdas.state(F, Version("1"))
    assert (state.state, state.state_reason) == ("Failed", "ImageDeleted: The image is gone")
    assert (state.last_update, state.last_update_reason) == ("Failed", "InvalidImage")
    assert state.image_uri == "r@d"


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_a_command_is_never_sent_again(failure: Any) -> None:
    """A lost answer of what must run once is an unknown outcome after exactly one request."""
    lambdas, client = adapter(Invoke=[failure(), answered()])
    with pytest.raises(OutcomeUnknown):
        await invoke(lambdas, Repeatable.NEVER)
    assert client.count("Invoke") == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (unreachable(), AwsError),
        (refused("AccessDeniedException", 403), AccessDenied),
        (refused("ExpiredTokenException", 403), CredentialsError),
        (refused("ResourceConflictException", 409), Conflict),
        (refused("KMSAccessDeniedException", 502), AccessDenied),
        (refused("ENILimitReachedException", 502), Rejected),
    ],
)
async def test_a_command_that_did_not_run(failure: Exception, kind: type[AwsError]) -> None:
    """A refusal is told as what it is, not as an unknown outcome, and is not sent again."""
    lambdas, client = adapter(Invoke=[failure, answered()])
    with pytest.raises(kind) as caught:
        await invoke(lambdas, Repeatable.NEVER)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert client.count("Invoke") == 1


@pytest.mark.parametrize("reason", ["CallerRateLimitExceeded", "ConcurrentInvocationLimitExceeded"])
async def test_a_command_waits_for_its_turn(reason: str) -> None:
    """Lambda's 429 says that nothing ran: a command is sent until it is taken, and then never."""
    lambdas, client = adapter(Invoke=[throttled(reason), throttled(reason), answered()])
    await invoke(lambdas, Repeatable.NEVER)
    assert client.count("Invoke") == 3
    lambdas, client = adapter(Invoke=[throttled(reason), lost(), answered()])
    with pytest.raises(OutcomeUnknown):
        await invoke(lambdas, Repeatable.NEVER)
    assert client.count("Invoke") == 2


@pytest.mark.parametrize("failure", UNKNOWN)
async def test_a_ping_is_sent_once_more(failure: Any) -> None:
    """What may run twice is repeated once after a lost answer, and not twice."""
    lambdas, client = adapter(Invoke=[failure(), answered()])
    await invoke(lambdas, Repeatable.ONCE)
    assert client.count("Invoke") == 2
    lambdas, client = adapter(Invoke=[failure(), failure(), answered()])
    with pytest.raises(OutcomeUnknown):
        await invoke(lambdas, Repeatable.ONCE)
    assert client.count("Invoke") == 2


async def test_a_ping_slows_down_but_goes_on() -> None:
    """A rate limit is waited out; it does not use up the one repeat."""
    slow: list[Answer] = [throttled("CallerRateLimitExceeded") for _ in range(5)]
    lambdas, client = adapter(Invoke=[*slow, lost(), *slow, answered()])
    await invoke(lambdas, Repeatable.ONCE)
    assert client.count("Invoke") == 12


@pytest.mark.parametrize(
    "reason",
    [
        "ConcurrentInvocationLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
    ],
)
async def test_used_up_concurrency_is_told_at_once(reason: str) -> None:
    """Used-up concurrency is told at once: the caller pings less instead of waiting."""
    lambdas, client = adapter(Invoke=[throttled(reason), answered()])
    with pytest.raises(Throttled):
        await invoke(lambdas, Repeatable.ONCE)
    assert client.count("Invoke") == 1


@pytest.mark.parametrize("repeatable", Repeatable)
async def test_no_answer_in_time(repeatable: Repeatable) -> None:
    """An invocation ends with its deadline, repeats included, as an unknown outcome."""
    client = Scripted({"Invoke": [answered()] * 3}, latency_s=1000)
    lambdas = LambdaFunctions(client.service(), client.service())
    began = anyio.current_time()
    with pytest.raises(OutcomeUnknown, match="within 60 s"):
        await invoke(lambdas, repeatable)
    assert client.count("Invoke") == 1
    assert anyio.current_time() - began == 60


async def test_a_long_command_is_waited_for() -> None:
    """An answer within the deadline is taken, however long the function ran."""
    client = Scripted({"Invoke": [answered()]}, latency_s=890)
    lambdas = LambdaFunctions(client.service(), client.service())
    await lambdas.invoke(F, LATEST, b"{}", timeout_s=900, repeatable=Repeatable.NEVER)


async def test_an_invocation() -> None:
    """An invocation asks for a version and the log, and gives all that Lambda answers."""
    log = base64.b64encode("lög".encode()).decode()
    lambdas, client = adapter(Invoke=[answered(b"[1]", FunctionError="Unhandled", LogResult=log)])
    found = await lambdas.invoke(F, Version("2"), b"7", timeout_s=60, repeatable=Repeatable.NEVER)
    assert (found.payload, found.error, found.log_tail) == (b"[1]", "Unhandled", "lög")
    assert found.executed_version == "2"
    assert client.asked[0][1] == {
        "FunctionName": F,
        "Qualifier": "2",
        "Payload": b"7",
        "LogType": "Tail",
    }


async def test_concurrency_of_the_account() -> None:
    """The account's free concurrency is what Lambda says."""
    lambdas, _ = adapter(
        GetAccountSettings=[{"AccountLimit": {"UnreservedConcurrentExecutions": 10}}]
    )
    assert await lambdas.unreserved_concurrency() == 10


async def test_the_control_plane_is_paced() -> None:
    """Publishing keeps the pace of the shared quota, and asking for states one of its own."""
    client = Scripted(
        {
            "PublishVersion": [{"Version": "1"}] * 21,
            "GetFunction": [{"Configuration": {}}] * 201,
        }
    )
    pacers = Pacers(Pacer(Pace(10, 10, 1)), Pacer(Pace(100, 100, 1)))
    lambdas = LambdaFunctions(client.service(pacers=pacers), client.service())
    began = anyio.current_time()
    async with anyio.create_task_group() as calls:
        for _ in range(201):
            calls.start_soon(lambdas.state, F, LATEST)
    assert anyio.current_time() - began == pytest.approx(2)
    for _ in range(21):
        await lambdas.publish(F, code_sha256=SHA, description="b")
    assert anyio.current_time() - began == pytest.approx(4)


async def test_a_refusal_slows_the_pace() -> None:
    """A refusal for the rate slows down all that share the quota."""
    pacers = Pacers()
    client = Scripted({"GetAlias": [throttled("CallerRateLimitExceeded"), alias("1", "r")]})
    lambdas = LambdaFunctions(client.service(pacers=pacers), client.service())
    await lambdas.alias(F, "live")
    assert pacers.control_plane.rate_per_s < 12


async def test_a_function_that_is_not_there() -> None:
    """Reading the state of a missing function raises NotFound, with Lambda's request id."""
    lambdas, _ = adapter(GetFunction=[refused("ResourceNotFoundException", 404)])
    with pytest.raises(NotFound) as caught:
        await lambdas.state(F, LATEST)
    assert caught.value.request_id == "r-1"
