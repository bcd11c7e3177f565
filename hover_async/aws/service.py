"""One AWS service as the adapters call it: by AWS's own operation names, with our errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn, TypeAlias

from aiohttp import ClientError as ConnectionBroken
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from hover_async.aws.concealment import conceal
from hover_async.aws.credentials import is_unusable, unusable
from hover_async.aws.errors import AnswerLost, RateLimited, hint_of, translate
from hover_async.aws.pacing import Pacers
from hover_async.aws.retry import READ, Policy, repeated

UNREADABLE = (ResponseParserError, ConnectionBroken, KeyError)
"""Neither of botocore's two families: a gateway's page (for which its parser of the Query protocol
has but a KeyError), or half a body."""

Answer: TypeAlias = Mapping[str, Any]
"""An answer as botocore's model shapes it; it does not leave `aws/`."""


class Service:
    """A client whose calls are repeated as their policy says and raise `AwsError` alone."""

    def __init__(self, client: Any, *, pacers: Pacers | None = None) -> None:
        self._client = client
        self._pacers = pacers

    @property
    def endpoint_url(self) -> str:
        """Where the calls go: of AWS's regions, partitions and kinds of endpoints the right one."""
        return str(self._client.meta.endpoint_url)

    async def call(
        self, policy: Policy, operation: str, subject: str, /, **parameters: Any
    ) -> Answer:
        """The answer; a streamed body in it is read to its end.

        `subject` is what the message of an error says the call was about.
        """

        async def send() -> Answer:
            return await self._send_in_turn(operation, subject, parameters)

        return await repeated(policy, send)

    @asynccontextmanager
    async def pages(
        self, operation: str, subject: str, /, *, token: str, next_token: str, **parameters: Any
    ) -> AsyncIterator[AsyncIterator[Answer]]:
        """Every page of a reading call; `token` is sent and `next_token` answered."""
        async with aclosing(
            self._pages(operation, subject, token, next_token, parameters)
        ) as pages:
            yield pages

    async def _pages(
        self,
        operation: str,
        subject: str,
        token: str,
        next_token: str,
        parameters: dict[str, Any],
    ) -> AsyncGenerator[Answer, None]:
        while True:
            page = await self.call(READ, operation, subject, **parameters)
            yield page
            if not page.get(next_token):
                return
            parameters[token] = page[next_token]

    async def _send_in_turn(
        self, operation: str, subject: str, parameters: Mapping[str, Any]
    ) -> Answer:
        pacer = self._pacers.of(operation) if self._pacers else None
        if pacer is None:
            return await self._send(operation, subject, parameters)
        turn = await pacer.turn()
        try:
            return await self._send(operation, subject, parameters)
        except RateLimited:
            pacer.complain(turn)
            raise

    async def _send(self, operation: str, subject: str, parameters: Mapping[str, Any]) -> Answer:
        try:
            sent = getattr(self._client, xform_name(operation))(**parameters)
            answer = _Told(await sent, operation, subject)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, operation, subject) from error
        except (RuntimeError, TypeError) as error:
            if is_unusable(error):
                raise unusable(error, operation, subject) from error
            raise
        except UNREADABLE as error:
            conceal(error)
            raise AnswerLost(
                f"{operation} of {subject}: the answer cannot be read: {error or type(error)}",
                operation=operation,
                hint=hint_of(AnswerLost),
            ) from error
        for name, value in answer.items():
            if hasattr(value, "read"):
                answer[name] = await _read(value, operation, subject)
        if _is_a_page(answer):
            raise AnswerLost(
                f"{operation} of {subject}: a page of HTML was answered, and not by AWS",
                operation=operation,
                hint=hint_of(AnswerLost),
            )
        return answer


class _Told(dict[str, Any]):
    """An answer; one without a part that AWS always sends is not AWS's, whatever its status."""

    def __init__(self, answer: Answer, operation: str, subject: str) -> None:
        super().__init__(answer)
        self._call = (operation, subject)

    def __missing__(self, part: str) -> NoReturn:
        operation, subject = self._call
        raise AnswerLost(
            f"{operation} of {subject}: the answer has no '{part}', so it is not AWS's",
            operation=operation,
            hint=hint_of(AnswerLost),
        )


def _is_a_page(answer: Answer) -> bool:
    """Whether a gateway on the way answered with status 200, as if all were well.

    Where an answer needs no body, botocore takes any for a success. AWS sends HTML only as the body
    of an object that is HTML, and of objects only our own records are read.
    """
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("content-type", "")).startswith("text/html")


async def _read(stream: Any, operation: str, subject: str) -> bytes:
    try:
        async with stream:
            body: bytes = await stream.read()
            return body
    except BotoCoreError as error:
        raise translate(error, operation, subject) from error
    except (ConnectionBroken, TimeoutError, OSError) as error:
        raise AnswerLost(
            f"{operation} of {subject}: the connection broke in the middle of the answer",
            operation=operation,
            hint=hint_of(AnswerLost),
        ) from error
