"""Which failures are sent again, how often and for how long."""

from __future__ import annotations

import anyio
import pytest
import trio.testing

from hover_async.aws import retry
from hover_async.aws.errors import (
    AnswerLost,
    Busy,
    Changed,
    ConcurrencyUsedUp,
    NotSent,
    RateLimited,
    ServiceFault,
)
from hover_async.aws.retry import NEVER, PUBLISH, READ, Policy, repeated
from hover_async.aws.session import QUICK_READ_TIMEOUT_S, READ_TIMEOUT_S
from hover_async.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsError,
    EndpointUnreachable,
    NotFound,
    OutcomeUnknown,
    Rejected,
)

pytestmark = pytest.mark.anyio

POLICIES = {name: value for name, value in vars(retry).items() if isinstance(value, Policy)}
FINAL = (AccessDenied, CredentialsError, Rejected, Conflict, Changed)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Sender:
    """Fails as told, then succeeds; counts."""

    def __init__(self, *failures: AwsError) -> None:
        self.failures = list(failures)
        self.sent = 0

    async def __call__(self) -> str:
        self.sent += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("failure", FINAL)
async def test_final_failures(name: str, failure: type[AwsError]) -> None:
    """No policy repeats what was denied, refused, expired or changed."""
    send = Sender(failure("no"))
    with pytest.raises(failure):
        await repeated(POLICIES[name], send)
    assert send.sent == 1


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "COMMAND_REFUSED"])
async def test_used_up_concurrency(name: str) -> None:
    """Only a command waits for a free place; a ping that finds none tells so at once."""
    send = Sender(ConcurrencyUsedUp("no"))
    with pytest.raises(ConcurrencyUsedUp):
        await repeated(POLICIES[name], send)
    assert send.sent == 1


@pytest.mark.parametrize(
    "failure", [RateLimited, NotSent, AnswerLost, ServiceFault, Busy, NotFound, Rejected]
)
async def test_never(failure: type[AwsError]) -> None:
    """What must not happen twice is never sent again, whatever went wrong."""
    send = Sender(failure("no"))
    with pytest.raises(failure):
        await repeated(NEVER, send)
    assert send.sent == 1


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "NEVER"])
def test_policies_say_why(name: str) -> None:
    """Every policy that repeats says why that is safe, and is bounded in time."""
    policy = POLICIES[name]
    assert len(policy.why_safe) > 15
    assert policy.repeats
    assert 0 < policy.budget_s <= 300


def test_policies_name_what_they_repeat() -> None:
    """No policy repeats a class so wide that it would take in a final failure."""
    for policy in POLICIES.values():
        for kind in policy.repeats:
            assert not any(issubclass(final, kind) for final in FINAL)


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    """Waiting for it leaves time for a second try, whatever the client, but for invocations."""
    assert max(READ_TIMEOUT_S, QUICK_READ_TIMEOUT_S) < READ.budget_s / 2


async def test_a_read_is_repeated() -> None:
    """A read is sent again after a lost answer, a 5xx, throttling and a failed connection."""
    send = Sender(AnswerLost("a"), ServiceFault("b"), RateLimited("c"), NotSent("d"))
    assert await repeated(READ, send) == "done"
    assert send.sent == 5


async def test_a_read_gives_up() -> None:
    """After its budget a read ends as unreachable: a read leaves no outcome unknown."""
    began = anyio.current_time()
    send = Sender(*[AnswerLost("lost") for _ in range(1000)])
    with pytest.raises(EndpointUnreachable, match="lost"):
        await repeated(READ, send)
    assert READ.budget_s - READ.longest_wait_s <= anyio.current_time() - began <= READ.budget_s
    assert 12 < send.sent < 200


async def test_a_write_gives_up() -> None:
    """After its budget a write ends as its last failure."""
    send = Sender(*[AnswerLost("lost") for _ in range(1000)])
    with pytest.raises(OutcomeUnknown):
        await repeated(retry.SAME_BYTES, send)


async def test_a_busy_function_is_waited_for() -> None:
    """Publishing waits out an update that takes minutes."""
    done_at = anyio.current_time() + 110

    async def publish() -> str:
        if anyio.current_time() < done_at:
            raise Busy("updating")
        return "7"

    assert await repeated(PUBLISH, publish) == "7"


async def test_tries_are_counted() -> None:
    """A policy may bound the number of tries."""
    send = Sender(AnswerLost("a"), AnswerLost("b"), AnswerLost("c"))
    with pytest.raises(AnswerLost, match="b"):
        await repeated(retry.INVOKE_ONCE_MORE, send)
    assert send.sent == 2


async def test_cancellation_goes_through() -> None:
    """A cancelled call ends at once, in the middle of a pause as well."""
    send = Sender(*[RateLimited("slow") for _ in range(1000)])
    with anyio.move_on_after(3) as scope:
        await repeated(READ, send)
    assert scope.cancelled_caught


async def test_pauses_are_spread() -> None:
    """Pauses differ, so that many that failed together do not come back together."""
    ends = set()
    for _ in range(10):
        began = anyio.current_time()
        await repeated(READ, Sender(RateLimited("a"), RateLimited("b")))
        ends.add(round(anyio.current_time() - began, 6))
    assert len(ends) > 5
