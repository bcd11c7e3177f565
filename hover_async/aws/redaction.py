"""Secrets are taken out of what is answered before anything reads it, or logs it.

Whoever refuses a request may quote it, and not always with the names that `concealment.py` knows:
here the session token itself is known. An answer with a login or a data key in it that a gateway
has broken becomes the text of an error, so these go, too. And the SDK's loggers, which at DEBUG
write down requests as they are signed and answers as they come, are quiet.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote

from hover_async.aws.concealment import HIDDEN, SHORTEST_SECRET

GIVEN = re.compile(rb'("(?:authorizationToken|Plaintext)"\s*:\s*")[^"]*')
"""What ECR's GetAuthorizationToken and KMS's GenerateDataKey and Decrypt are asked for."""
FAILED = 300
"""HTTP statuses from here on are no success."""
LOGGERS = ("botocore", "aiobotocore", "boto3", "aioboto3")


def redact_answers(client: Any) -> None:
    """Let what `client` (of botocore) is answered be without the token that it sent."""

    def redact(response_dict: dict[str, Any], **_: object) -> None:
        token, headers = _token(client), response_dict["headers"]
        for name, value in list(headers.items()):
            if (redacted := _without(value, token)) != value:
                headers[name] = redacted
        body = response_dict["body"]
        if isinstance(body, bytes):  # an object's is a stream, which is no error of AWS's
            body = _without(body.decode("latin-1"), token).encode("latin-1")
            if GIVEN.search(body) and (
                response_dict["status_code"] >= FAILED or not _is_json(body)
            ):
                body = GIVEN.sub(rf"\1{HIDDEN}".encode(), body)
            response_dict["body"] = body

    client.meta.events.register_first("before-parse", redact)


def quieten_the_sdk() -> None:
    """Its loggers say nothing below INFO, unless somebody has set one of them himself."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def _token(client: Any) -> str:
    found = client._request_signer._credentials  # noqa: SLF001 - botocore publishes no way to it
    # `token` of credentials that refresh themselves may be asked for only where one can await
    return str(getattr(found, "_token", None) or getattr(found, "token", None) or "")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _without(text: str, token: str) -> str:
    if len(token) < SHORTEST_SECRET:
        return text
    for form in _forms(token):
        text = text.replace(form, HIDDEN)
    return text


def _forms(token: str) -> Iterator[str]:
    """As it is, and as URLs, JSON, XML and HTML write it."""
    yield token
    yield quote(token, safe="")
    yield quote(token)
    yield token.replace("/", "\\/")
    yield json.dumps(token)[1:-1]
    yield escape(token)
