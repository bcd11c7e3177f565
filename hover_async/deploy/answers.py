"""How a Lambda function says that it failed."""

from __future__ import annotations

import json

from hover_async.ports import Invocation


def failure_message(answer: Invocation) -> str:
    """The function's own words: `errorMessage` of its error payload, or else the end of its log.

    Lambda answers 200 with `FunctionError` set and `{"errorType", "errorMessage"}` as payload.
    """
    try:
        told = json.loads(answer.payload)
        message = str(told["errorMessage"]).strip()
    except (ValueError, KeyError, TypeError):
        message = ""
    tail = answer.log_tail.strip().splitlines()[-3:]
    return message or " / ".join(tail) or f"{answer.error} without a message"
