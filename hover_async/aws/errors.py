"""What AWS and the network say, as our errors: one table by AWS's code, one by botocore's class.

AWS's answer either tells what happened (a 4xx) or it does not (a 5xx, a lost connection). The
latter is `OutcomeUnknown`, whatever the call was; `retry.py` knows for each call what that allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientConnectorError
from botocore import exceptions as boto

from hover_async.aws.concealment import conceal
from hover_async.errors import (
    AccessDenied,
    AwsError,
    Conflict,
    CredentialsError,
    EndpointUnreachable,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
)

# What a policy must be able to tell apart, where the public tree need not


class NotSent(EndpointUnreachable):
    """No connection was made, so AWS never saw the request."""


class AnswerLost(OutcomeUnknown):
    """The request went out, and no whole answer came back."""


class ServiceFault(OutcomeUnknown):
    """A 5xx: AWS failed before or after the effect, and does not say which."""


class RateLimited(Throttled):
    """Too many requests for now; the same request passes a little later."""


class ConcurrencyUsedUp(Throttled):
    """Every environment the function or the account may run is busy."""


class Busy(Conflict):
    """Another change of the same thing is being carried out; it is free again soon."""


class Changed(Conflict):
    """The precondition sent along does not hold: somebody changed it first."""


THROTTLING = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
    "TooManyRequests",
    "TooManyRequestsException",
    "EC2ThrottledException",
)
CREDENTIALS = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
CLOCK = ("RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException")

BY_CODE: Mapping[str, type[AwsError]] = {
    **dict.fromkeys(THROTTLING, RateLimited),
    **dict.fromkeys(CREDENTIALS, CredentialsError),
    **dict.fromkeys(CLOCK, CredentialsError),
    # denied
    "AccessDenied": AccessDenied,
    "AccessDeniedException": AccessDenied,
    "AccountProblem": AccessDenied,
    "AllAccessDisabled": AccessDenied,
    "AuthFailure": AccessDenied,
    "EC2AccessDeniedException": AccessDenied,
    "KMSAccessDeniedException": AccessDenied,
    "NotAuthorized": AccessDenied,
    "OptInRequired": AccessDenied,
    "UnauthorizedOperation": AccessDenied,
    # missing
    "AWS.SimpleQueueService.NonExistentQueue": NotFound,
    "ChangeSetNotFound": NotFound,
    "QueueDoesNotExist": NotFound,
    "ImageNotFoundException": NotFound,
    "NoSuchBucket": NotFound,
    "NoSuchEntity": NotFound,
    "NoSuchKey": NotFound,
    "NoSuchLifecycleConfiguration": NotFound,
    "NoSuchPublicAccessBlockConfiguration": NotFound,
    "NoSuchTagSet": NotFound,
    "NoSuchUpload": NotFound,
    "NotFoundException": NotFound,
    "OwnershipControlsNotFoundError": NotFound,
    "RepositoryNotFoundException": NotFound,
    "RepositoryPolicyNotFoundException": NotFound,
    "ResourceNotFoundException": NotFound,
    # somebody else's, or changed
    "AlreadyExistsException": Conflict,
    "BucketAlreadyExists": Conflict,
    "BucketAlreadyOwnedByYou": Conflict,
    "ImageAlreadyExistsException": Conflict,
    "QueueAlreadyExists": Conflict,
    "QueueNameExists": Conflict,
    "ResourceAlreadyExistsException": Conflict,
    "RepositoryAlreadyExistsException": Conflict,
    "TokenAlreadyExistsException": Conflict,
    "PreconditionFailed": Changed,
    "PreconditionFailedException": Changed,
    # busy
    "AWS.SimpleQueueService.QueueDeletedRecently": Busy,
    "QueueDeletedRecently": Busy,
    "ConditionalRequestConflict": Busy,
    "OperationAborted": Busy,
    "OperationAbortedException": Busy,
    "ResourceConflictException": Busy,
    "ResourceInUseException": Busy,
    "ResourceNotReadyException": Busy,
    "SnapStartNotReadyException": Busy,
    # wrong
    "BadDigest": Rejected,
    "CodeStorageExceededException": Rejected,
    "DisabledException": Rejected,
    "EntityTooLarge": Rejected,
    "EntityTooSmall": Rejected,
    "IncorrectKeyException": Rejected,
    "InsufficientCapabilitiesException": Rejected,
    "InvalidArgument": Rejected,
    "InvalidBucketName": Rejected,
    "InvalidCiphertextException": Rejected,
    "InvalidKeyUsageException": Rejected,
    "InvalidParameterException": Rejected,
    "InvalidParameterValueException": Rejected,
    "InvalidPart": Rejected,
    "InvalidRequest": Rejected,
    "InvalidRequestContentException": Rejected,
    "InvalidRuntimeException": Rejected,
    "LimitExceededException": Rejected,
    "MalformedXML": Rejected,
    "RequestTooLargeException": Rejected,
    "UnsupportedMediaTypeException": Rejected,
    "ValidationError": Rejected,
    "ValidationException": Rejected,
    # a 502 or 503 of Invoke that says for certain that the function did not run
    "EC2UnexpectedException": Rejected,
    "ENILimitReachedException": Rejected,
    "InvalidSecurityGroupIDException": Rejected,
    "InvalidSubnetIDException": Rejected,
    "InvalidZipFileException": Rejected,
    "KMSDisabledException": Rejected,
    "KMSInvalidStateException": Rejected,
    "KMSNotFoundException": Rejected,
    "SubnetIPAddressLimitReachedException": Rejected,
    # a 4xx in which the server gave up waiting: it may or may not have acted
    "RequestTimeout": AnswerLost,
    "RequestTimeoutException": AnswerLost,
}
"""Every code that means more than its HTTP status does."""

BY_STATUS: Mapping[int, type[AwsError]] = {
    401: CredentialsError,
    403: AccessDenied,
    404: NotFound,
    408: AnswerLost,
    409: Busy,
    412: Changed,
    429: RateLimited,
}
"""For codes not in `BY_CODE`, and for answers to HEAD, whose code is the bare status."""

CONCURRENCY_REASONS = frozenset(
    {
        "ConcurrentInvocationLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
        "ConcurrentSnapshotCreateLimitExceeded",
    }
)
"""Lambda's reasons of a 429 that are about running functions, not about calling its API."""

BY_CLASS: tuple[tuple[type[Exception], type[AwsError]], ...] = (
    (boto.ConnectTimeoutError, NotSent),
    (boto.ProxyConnectionError, NotSent),
    (boto.SSLError, NotSent),
    (boto.ConnectionError, AnswerLost),  # unless no connection came about: see `_class_of`
    (boto.HTTPClientError, AnswerLost),
    (boto.IncompleteReadError, AnswerLost),
    (boto.ChecksumError, AnswerLost),
    (boto.FlexibleChecksumError, AnswerLost),
    (boto.NoCredentialsError, CredentialsError),
    (boto.PartialCredentialsError, CredentialsError),
    (boto.ProfileNotFound, CredentialsError),
    (boto.CredentialRetrievalError, CredentialsError),
    (boto.TokenRetrievalError, CredentialsError),
    (boto.NoAuthTokenError, CredentialsError),
    (boto.SSOError, CredentialsError),
    (boto.RefreshWithMFAUnsupportedError, CredentialsError),
    (boto.UnknownCredentialError, CredentialsError),
    (boto.MetadataRetrievalError, CredentialsError),
    (boto.MissingDependencyException, CredentialsError),
    (boto.ConfigNotFound, CredentialsError),
    (boto.ConfigParseError, CredentialsError),
    (boto.InvalidConfigError, CredentialsError),
    (boto.BotoCoreError, Rejected),
)
"""The first class that fits, from the particular to the general."""

LOGIN = "log in again ('aws sso login' or your own way), then repeat"
HINTS: Mapping[str | type[Exception], str] = {
    "ExpiredToken": LOGIN,
    "ExpiredTokenException": LOGIN,
    "BucketAlreadyExists": "bucket names are shared by all of AWS: choose another stage 'name'",
    **dict.fromkeys(
        ("DisabledException", "KMSDisabledException"),
        "enable the KMS key again ('aws kms enable-key'), or encrypt with another one",
    ),
    "KMSInvalidStateException": (
        "a KMS key that waits for its deletion opens nothing: 'aws kms cancel-key-deletion' and "
        "'aws kms enable-key' bring it back"
    ),
    **dict.fromkeys(
        ("InvalidCiphertextException", "IncorrectKeyException"),
        "it was wrapped for another stage or by another KMS key, or the file was changed: restore "
        "it, or encrypt again",
    ),
    "InvalidKeyUsageException": "name a symmetric KMS key for encryption and decryption",
    boto.NoCredentialsError: (
        "set 'aws-profile' in the manifest, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY"
    ),
    boto.PartialCredentialsError: "give both halves, the access key id and its secret",
    boto.ProfileNotFound: "'aws configure list-profiles' shows the profiles of this machine",
    boto.SSOError: "run 'aws sso login' with this profile, then repeat",
    boto.TokenRetrievalError: "run 'aws sso login' with this profile, then repeat",
    boto.RefreshWithMFAUnsupportedError: "make a session with your MFA device first, then repeat",
    **dict.fromkeys(CLOCK, "set this machine's clock: AWS refuses one that is minutes off"),
    **dict.fromkeys(
        (code for code in CREDENTIALS if not code.startswith("Expired")),
        "AWS does not know these credentials: check the profile or the AWS_* variables",
    ),
}
HINT_OF: Mapping[type[AwsError], str] = {
    CredentialsError: "check the profile in the AWS configuration files and the AWS_* variables",
    AccessDenied: "let this identity call it (IAM), or use another profile",
    EndpointUnreachable: "check the network, the region and the endpoint, then repeat",
    Throttled: "other programs use the same AWS account: wait a minute, then repeat",
    Busy: "wait until the other change is done, then repeat",
    Changed: "something else changed it meanwhile; look, then repeat",
    OutcomeUnknown: "it may have happened or not: look before you repeat it",
}


def translate(error: Exception, operation: str, subject: str) -> AwsError:
    """Our error for `error`, a ClientError or BotoCoreError of `operation` on `subject`.

    What `error` itself says is without the session token afterwards, for tracebacks show it, too.
    """
    conceal(error)
    if isinstance(error, boto.ClientError):
        return _from_answer(error, operation, subject)
    kind = _class_of(error)
    hint = next((HINTS[base] for base in type(error).__mro__ if base in HINTS), None)
    return kind(
        f"{_what(operation, subject)}: {_said(str(error))}",
        operation=operation,
        hint=hint or hint_of(kind),
    )


def _from_answer(error: boto.ClientError, operation: str, subject: str) -> AwsError:
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    said = _said(str(answer.get("Error", {}).get("Message", "") or answer.get("message", "")))
    about = answer.get("ResponseMetadata", {})
    kind = _class_of_answer(code, int(about.get("HTTPStatusCode", 0)), answer.get("Reason"))
    found = ": ".join(part for part in (code, answer.get("Reason"), said) if part)
    return kind(
        f"{_what(operation, subject)}: {found}",
        operation=operation,
        aws_code=code,
        request_id=str(about.get("RequestId", "")),
        hint=HINTS.get(code) or hint_of(kind),
    )


def _class_of_answer(code: str, status: int, reason: str | None) -> type[AwsError]:
    if reason in CONCURRENCY_REASONS:
        return ConcurrencyUsedUp
    kind = BY_CODE.get(code) or BY_STATUS.get(status)
    if kind:
        return kind
    return ServiceFault if status >= 500 or not status else Rejected  # noqa: PLR2004 - HTTP


def _class_of(error: Exception) -> type[AwsError]:
    """`EndpointConnectionError` covers two things: no connection, and one that broke midway."""
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(error, boto.EndpointConnectionError) and isinstance(cause, ClientConnectorError):
        return NotSent
    return next((ours for theirs, ours in BY_CLASS if isinstance(error, theirs)), Rejected)


def hint_of(kind: type[AwsError]) -> str | None:
    """What to do next about any error of this kind."""
    return next((hint for base, hint in HINT_OF.items() if issubclass(kind, base)), None)


def _what(operation: str, subject: str) -> str:
    return f"{operation} of {subject}" if subject else operation


def _said(message: str) -> str:
    """AWS's sentence in our style: one line, no full stop."""
    return " ".join(message.split()).rstrip(".")
