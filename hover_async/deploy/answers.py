"""How a Lambda function says that it failed."""

from __future__ import annotations

import json

from hover_async.ports import Invocation
from hover_async.values import Version


def failure_of(answer: Invocation, version: Version) -> str | None:
    """Why the answer is none of this version's, in the function's own words; None when it is.

    Lambda answers 200 with `FunctionError` set and `{"errorType", "errorMessage"}` as payload.
    """
    if answer.error:
        return _message(answer)
    if answer.executed_version not in {"", version}:
        return f"version {answer.executed_version} answered instead of {version}"
    return None


def _message(answer: Invocation) -> str:
    try:
        told = json.loads(answer.payload)
        message = str(told["errorMessage"]).strip()
    except (ValueError, KeyError, TypeError):
        message = ""
    tail = answer.log_tail.strip().splitlines()[-3:]
    return message or " / ".join(tail) or f"{answer.error} without a message"
