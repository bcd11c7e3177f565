"""When a call may be sent again: one named policy for each kind of call, and why it is safe.

Never repeated by any policy: `AccessDenied`, `CredentialsError` (expired ones included),
`Rejected`, `NotFound`, `Conflict`. botocore's own retries are off: it repeats Invoke too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from anyio import current_time, sleep
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from hover_async.aws.errors import Busy, ConcurrencyUsedUp, NotSent, RateLimited
from hover_async.errors import AwsError, EndpointUnreachable, NotFound, OutcomeUnknown

T = TypeVar("T")


@dataclass(frozen=True)
class Policy:
    """After which failures a call is sent again, and for how long.

    `budget_s` is when the last try may start, counted from the first; `tries` bounds their number.
    With `reads`, a lost answer leaves nothing unknown: it ends as `EndpointUnreachable`.
    """

    why_safe: str
    repeats: tuple[type[AwsError], ...]
    budget_s: float = 60
    tries: int | None = None
    reads: bool = False
    first_wait_s: float = 0.2
    longest_wait_s: float = 5


HARMLESS = (RateLimited, NotSent)
"""Refused, or never sent: nothing happened, whatever the call."""

FIRST_CONTACT = Policy(
    "reading changes nothing; where nobody answers at all, the user should hear it at once",
    (RateLimited, OutcomeUnknown),
    budget_s=10,
    reads=True,
)
READ = Policy("reading changes nothing", (*HARMLESS, OutcomeUnknown), reads=True)
CREATE = Policy(
    "the second time it already exists, which the caller reads back and compares",
    (*HARMLESS, OutcomeUnknown, Busy),
)
SETTLE = Policy(
    "it sets the same again; a bucket made a moment ago may not be known everywhere yet",
    (*HARMLESS, OutcomeUnknown, Busy, NotFound),
    budget_s=30,
)
SAME_BYTES = Policy(
    "PutObject, UploadPart and CopyObject write the same bytes under the same key",
    (*HARMLESS, OutcomeUnknown, Busy),
)
NEW_UPLOAD = Policy(
    "a second upload is begun; the first is an orphan that the bucket's lifecycle removes",
    (*HARMLESS, OutcomeUnknown),
)
COMPLETE = Policy(
    "once completed the upload is gone, and the caller compares the object itself",
    (*HARMLESS, OutcomeUnknown, Busy),
)
COMPARE_AND_SET = Policy(
    "conditional on what was read; the caller reads back a refusal that may be our own success",
    (*HARMLESS, OutcomeUnknown, Busy),
)
BY_TOKEN = Policy(
    "the same ClientRequestToken makes the same operation, and the caller looks for it",
    (*HARMLESS, OutcomeUnknown),
)
FORGET = Policy("deleting what is gone already is done", (*HARMLESS, OutcomeUnknown), budget_s=15)
PUBLISH = Policy(
    "unchanged code, guarded by CodeSha256, gives the last version again; while the function is "
    "being updated Lambda refuses, for up to two minutes with a large image",
    (*HARMLESS, OutcomeUnknown, Busy),
    budget_s=300,
)
UPDATE_CODE = Policy(
    "conditional on the revision; a lost answer is looked up before it is sent again",
    (*HARMLESS, OutcomeUnknown, Busy),
)
MOVE_ALIAS = Policy(
    "conditional on the revision; a lost answer is looked up before it is sent again",
    (*HARMLESS, OutcomeUnknown, Busy),
)
DATA_KEY = Policy(
    "a data key whose answer was lost is used by nobody, the next one is as good",
    (*HARMLESS, OutcomeUnknown),
    reads=True,
)
CREATE_KEY = Policy("refused, or never sent: a second key would cost money for nothing", HARMLESS)
INVOKE_REFUSED = Policy("Lambda refused it for its rate, so nothing ran", (RateLimited,))
COMMAND_REFUSED = Policy(
    "Lambda refused it for its rate or for lack of concurrency, so nothing ran",
    (RateLimited, ConcurrencyUsedUp),
)
INVOKE_ONCE_MORE = Policy(
    "the caller says that running twice does no harm", (NotSent, OutcomeUnknown), tries=2
)
NEVER = Policy("it is not: what it does must not happen twice", (), tries=1)


async def repeated(policy: Policy, send: Callable[[], Awaitable[T]]) -> T:
    """What `send` returns, sent again as `policy` allows; else its last error."""
    last_start = current_time() + policy.budget_s

    def is_spent(state: RetryCallState) -> bool:
        if policy.tries is not None and state.attempt_number >= policy.tries:
            return True
        return current_time() + state.upcoming_sleep > last_start

    try:
        return await send()
    except policy.repeats as error:
        failures: list[AwsError] = [error]  # most calls end above, and never meet what follows
    except OutcomeUnknown as error:
        if policy.reads:
            raise _no_answer(error) from error
        raise

    async def attempt() -> T:  # tenacity awaits only what is an `async def` itself
        if failures:
            raise failures.pop()
        return await send()

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(policy.repeats),
        wait=wait_random_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s),
        stop=is_spent,
        sleep=sleep,
        reraise=True,
    )
    try:
        return await retrying(attempt)
    except OutcomeUnknown as error:
        if policy.reads:
            raise _no_answer(error) from error
        raise


def _no_answer(error: OutcomeUnknown) -> EndpointUnreachable:
    return EndpointUnreachable(
        error.message,
        operation=error.operation,
        aws_code=error.aws_code,
        request_id=error.request_id,
        hint="AWS gave no usable answer for a while: check the network, then repeat",
    )
