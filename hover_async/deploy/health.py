"""A real request to the new HTTP version, before any visitor can send one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from hover_async.deploy.answers import failure_of
from hover_async.errors import HealthFailed
from hover_async.ports import Functions, Repeatable
from hover_async.values import FunctionName, Version

HINT = "no live alias was touched; the function's log has the request"


@dataclass(frozen=True)
class Health:
    """The new version answered its health request with this status."""

    path: str
    status: int

    def __str__(self) -> str:
        return f"{self.path} answered {self.status}"


async def check_health(
    path: str, function: FunctionName, version: Version, lambdas: Functions, *, timeout_s: float
) -> Health:
    """GET `path` as API Gateway would ask for it; its status is 2xx or 3xx.

    Raises `HealthFailed` for any other status and for no answer.
    """
    answer = await lambdas.invoke(
        function,
        version,
        json.dumps(_request(path)).encode(),
        timeout_s=timeout_s,
        repeatable=Repeatable.ONCE,
    )
    if failure := failure_of(answer, version):
        raise HealthFailed(f"{path} of the new version failed: {failure}", hint=HINT)
    try:
        status = int(json.loads(answer.payload)["statusCode"])
    except (ValueError, KeyError, TypeError) as error:
        shown = answer.payload[:200].decode(errors="replace")
        raise HealthFailed(f"{path} was answered with {shown!r}", hint=HINT) from error
    if not HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST:
        raise HealthFailed(f"{path} of the new version answered {status}", hint=HINT)
    return Health(path, status)


def _request(path: str) -> dict[str, object]:
    """An HTTP API event, payload format 2.0."""
    raw_path, _, query = path.partition("?")
    now = datetime.now(UTC)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": {
            "host": "localhost",
            "user-agent": "hover-async health",
            "accept": "*/*",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "health",
            "domainName": "localhost",
            "http": {
                "method": "GET",
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "hover-async health",
            },
            "requestId": "hover-async-health",
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
