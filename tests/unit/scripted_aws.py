"""A botocore client that answers from a script, for tests of what an adapter does with answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from aiohttp import ClientConnectorError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey
from botocore import xform_name
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from hover_async.aws.pacing import Pacers
from hover_async.aws.service import Service

Answer = Mapping[str, Any] | Exception


class Scripted:
    """Gives each operation's answers in turn, and keeps what it was asked in `asked`."""

    def __init__(self, script: Mapping[str, list[Answer]], *, latency_s: float = 0) -> None:
        self._script = {xform_name(name): deque(answers) for name, answers in script.items()}
        self._latency_s = latency_s
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Mapping[str, Any]]]:
        async def answer(**parameters: Any) -> Mapping[str, Any]:
            self.asked.append((name, parameters))
            await anyio.sleep(self._latency_s)
            told = self._script[name].popleft()
            if isinstance(told, Exception):
                raise told
            return dict(told)

        return answer

    def service(self, *, pacers: Pacers | None = None) -> Service:
        return Service(self, pacers=pacers)

    def count(self, operation: str) -> int:
        return sum(name == xform_name(operation) for name, _ in self.asked)

    def left(self) -> Mapping[str, int]:
        """What the script still holds: a test that ends with some has not asked for all."""
        return {name: len(answers) for name, answers in self._script.items() if answers}


def refused(
    code: str, status: int = 400, *, message: str = "Because of this.", **more: str
) -> ClientError:
    """An error that AWS answered."""
    about = {"HTTPStatusCode": status, "RequestId": "r-1"}
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": about}
    return ClientError({**response, **more}, "TheOperation")


def lost() -> Exception:
    """The connection closed before an answer."""
    error: Exception = ConnectionClosedError(
        error=ServerDisconnectedError(), request=None, endpoint_url="https://aws"
    )
    return error


def timed_out() -> Exception:
    """The answer did not come in time."""
    error: Exception = ReadTimeoutError(endpoint_url="https://aws", error=TimeoutError())
    return error


def reset() -> Exception:
    """The connection broke while the request was sent: botocore calls that a failed connection."""
    cause = ConnectionResetError()
    error: Exception = EndpointConnectionError(endpoint_url="https://aws", error=cause)
    return error


def unreachable() -> Exception:
    """Nobody listens there."""
    key = ConnectionKey(
        "aws", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    cause = ClientConnectorError(key, ConnectionRefusedError(111, "refused"))
    error: Exception = EndpointConnectionError(endpoint_url="https://aws", error=cause)
    return error


def throttled(reason: str) -> ClientError:
    """A 429 of Lambda."""
    return refused("TooManyRequestsException", 429, Reason=reason)
