"""What AWS and the network say, as our errors."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto

from hover_async.aws import errors
from hover_async.aws.errors import (
    BY_CODE,
    CLOCK,
    CONCURRENCY_REASONS,
    CREDENTIALS,
    THROTTLING,
    AnswerLost,
    Busy,
    Changed,
    ConcurrencyUsedUp,
    NotSent,
    RateLimited,
    ServiceFault,
    translate,
)
from hover_async.errors import (
    AccessDenied,
    AwsError,
    CredentialsError,
    NotFound,
    OutcomeUnknown,
    Rejected,
)
from tests.unit.scripted_aws import lost, refused, reset, throttled, timed_out, unreachable


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
def test_every_code(code: str, kind: type[AwsError]) -> None:
    """A code of the table gives its class, whatever the HTTP status."""
    for status in (400, 403, 404, 500, 502):
        assert type(translate(refused(code, status), "Do", "it")) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, CredentialsError),
        (403, AccessDenied),
        (404, NotFound),
        (405, Rejected),
        (408, AnswerLost),
        (409, Busy),
        (412, Changed),
        (413, Rejected),
        (429, RateLimited),
        (500, ServiceFault),
        (502, ServiceFault),
        (503, ServiceFault),
        (504, ServiceFault),
    ],
)
def test_a_code_nobody_knows(status: int, kind: type[AwsError]) -> None:
    """A code that is not in the table is judged by its HTTP status, as HEAD answers are."""
    assert type(translate(refused("Novelty", status), "Do", "it")) is kind
    assert type(translate(refused(str(status), status), "HeadObject", "it")) is kind


@pytest.mark.parametrize("reason", sorted(CONCURRENCY_REASONS))
def test_used_up_concurrency(reason: str) -> None:
    """Lambda's 429 about running functions is told apart from one about calling its API."""
    assert type(translate(throttled(reason), "Invoke", "f")) is ConcurrencyUsedUp


def test_caller_rate() -> None:
    """Lambda's 429 about calling its API is a rate limit."""
    assert type(translate(throttled("CallerRateLimitExceeded"), "Invoke", "f")) is RateLimited


def test_a_server_error_leaves_the_outcome_open() -> None:
    """A 5xx says nothing about whether the effect took place."""
    assert issubclass(ServiceFault, OutcomeUnknown)
    assert issubclass(AnswerLost, OutcomeUnknown)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (unreachable(), NotSent),
        (boto.ConnectTimeoutError(endpoint_url="https://aws"), NotSent),
        (boto.ProxyConnectionError(proxy_url="http://proxy"), NotSent),
        (boto.SSLError(endpoint_url="https://aws", error="bad"), NotSent),
        (reset(), AnswerLost),
        (lost(), AnswerLost),
        (timed_out(), AnswerLost),
        (boto.HTTPClientError(error="odd"), AnswerLost),
        (boto.ResponseStreamingError(error="odd"), AnswerLost),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), AnswerLost),
        (boto.NoCredentialsError(), CredentialsError),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), CredentialsError),
        (boto.ProfileNotFound(profile="x"), CredentialsError),
        (boto.UnauthorizedSSOTokenError(), CredentialsError),
        (boto.SSOTokenLoadError(error_msg="none"), CredentialsError),
        (boto.TokenRetrievalError(provider="sso", error_msg="old"), CredentialsError),
        (boto.CredentialRetrievalError(provider="process", error_msg="x"), CredentialsError),
        (boto.ParamValidationError(report="too short"), Rejected),
        (boto.InvalidRegionError(region_name="no region"), Rejected),
        (boto.BotoCoreError(), Rejected),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_errors_of_the_client(error: Exception, kind: type[AwsError]) -> None:
    """A connection that was never made is told apart from one that broke midway."""
    assert type(translate(error, "Do", "it")) is kind


def test_every_error_of_botocore_has_a_class() -> None:
    """No BotoCoreError is left to escape as itself."""
    every: list[Any] = [value for value in vars(boto).values() if isinstance(value, type)]
    known = [cls for cls in every if issubclass(cls, boto.BotoCoreError)]
    assert len(known) > 50
    for cls in known:
        assert any(issubclass(cls, theirs) for theirs, _ in errors.BY_CLASS)


def test_what_a_message_holds() -> None:
    """The message says operation, subject, code and AWS's words; code and request id are kept."""
    error = translate(refused("NoSuchKey", 404, message="It is\n gone."), "GetObject", "'b/k'")
    assert str(error) == "GetObject of 'b/k': NoSuchKey: It is gone"
    assert (error.operation, error.aws_code, error.request_id) == ("GetObject", "NoSuchKey", "r-1")


@pytest.mark.parametrize("code", [*CREDENTIALS, *CLOCK, "AccessDenied", "BucketAlreadyExists"])
def test_hints(code: str) -> None:
    """What a user can do something about says what."""
    assert translate(refused(code, 403), "Do", "it").hint


def test_expired_credentials_say_to_log_in() -> None:
    """Expired credentials tell to log in again, unknown ones to check the profile."""
    assert "log in again" in str(translate(refused("ExpiredToken"), "Do", "it").hint)
    assert "profile" in str(translate(refused("InvalidClientTokenId"), "Do", "it").hint)
    assert "clock" in str(translate(refused("RequestTimeTooSkewed"), "Do", "it").hint)
    assert "sso login" in str(translate(boto.UnauthorizedSSOTokenError(), "Do", "it").hint)


def test_throttling_codes_are_rate_limits() -> None:
    """Every service's word for throttling may be tried again."""
    assert {BY_CODE[code] for code in THROTTLING} == {RateLimited}
