"""What AWS answers instead of a result, as botocore raises it: its one importer outside `aws/`."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

CALLER_RATE = "CallerRateLimitExceeded"
"""Lambda's reason for a 429 that is about the rate of calls, not about running functions."""


def refused(code: str, status: int = 400, message: str = "", **more: str) -> Exception:
    """An error that AWS answered, with its code and its HTTP status."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "simulated"},
        **more,
    }
    error: Exception = ClientError(response, "Simulated")
    return error


def throttled(operation: str) -> Exception:
    """Too many requests for now, in the words of the operation's service."""
    service = operation.partition(".")[0]
    if service == "lambda":
        return refused("TooManyRequestsException", 429, "Rate exceeded", Reason=CALLER_RATE)
    if service == "s3":
        return refused("SlowDown", 503, "Please reduce your request rate.")
    if service == "sqs":
        return refused("RequestThrottled", 403, "Request is throttled.")
    return refused("ThrottlingException", 400, "Rate exceeded")


def validation(message: str) -> Exception:
    """CloudFormation's one code for many things."""
    return refused("ValidationError", 400, message)


def missing(message: str) -> Exception:
    """Lambda has no such function, version or alias."""
    return refused("ResourceNotFoundException", 404, message)
