"""S3's calls that come by the thousand: the objects and parts of a build, sent and copied.

The same calls as the SDK's (`_Bucket.call` of `storage.py`), by the same names and parameters, over
connections of our own: `wire.py` carries them, `signing.py` signs them. Retries, errors and hints
are those of every other call.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

from anyio import Event, current_time
from botocore.exceptions import ClientError
from botocore.history import get_global_history_recorder

from hover_async.aws.answers import Answer as HttpAnswer
from hover_async.aws.concealment import conceal
from hover_async.aws.errors import AnswerLost, NotSent, RateLimited, hint_of, translate
from hover_async.aws.retry import Policy, repeated
from hover_async.aws.service import Answer
from hover_async.aws.signing import Key, Signer, quoted
from hover_async.aws.wire import BrokenOff, NoConnection, Wire
from hover_async.errors import CredentialsError

Credentials = Callable[[Key | None], Awaitable[Key]]
"""The credentials as they are now; given the key that AWS calls expired, another if there is."""

MOST_AT_ONCE = 160
"""What a deploy has in hand at most: `UploadLimits`, and some room."""
START_AT_ONCE = 16
"""S3 splits a new prefix under load only after a while: a deploy does not start with all it has."""
HISTORY = get_global_history_recorder()
"""botocore's own: whoever listens to it hears of these calls as of all others."""
FAILED = 300
"""HTTP statuses from here on are no success."""
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
REDIRECTS = frozenset({301, 302, 307, 308, "AuthorizationHeaderMalformed"})
"""The bucket is in another region, by status, or by code where S3 has it so."""
EMPTY_SHA256 = hashlib.sha256().hexdigest()
HEADERS = {
    "CacheControl": "cache-control",
    "ChecksumAlgorithm": "x-amz-checksum-algorithm",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentEncoding": "content-encoding",
    "ContentType": "content-type",
    "CopySource": "x-amz-copy-source",
    "ExpectedBucketOwner": "x-amz-expected-bucket-owner",
    "ExpectedSourceBucketOwner": "x-amz-source-expected-bucket-owner",
    "MetadataDirective": "x-amz-metadata-directive",
}
QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
"""What the parameters of the calls are in HTTP (S3's API reference)."""
ELEMENT = re.compile(rb"<(Code|Message|RequestId)>([^<]*)</")


class Elsewhere(Exception):
    """S3 redirects the request; the SDK knows how to follow."""


class Objects:
    """PutObject, UploadPart and CopyObject, many at once."""

    def __init__(
        self,
        wire: Wire,
        credentials: Credentials,
        *,
        region: str,
        prefix: str,
        at_once: int = MOST_AT_ONCE,
    ) -> None:
        """`prefix` is what stands before a key in a path: `/`, or `/<bucket>/`."""
        self._wire = wire
        self._credentials = credentials
        self._signer = Signer(region)
        self._prefix = prefix
        self._pace = Pace(at_once)

    async def call(self, policy: Policy, operation: str, key: str, /, **parameters: Any) -> Answer:
        """As the SDK's call: `ETag` is in the answer.

        Raises `AwsError`, and `Elsewhere` where S3 redirects.
        """
        HISTORY.record(
            "API_CALL",
            {"service": "s3", "operation": operation, "params": {"Key": key, **parameters}},
        )
        body: bytes = parameters.pop("Body", b"")
        source = parameters.pop("CopySource", None)
        headers = {HEADERS[name]: value for name, value in parameters.items() if name in HEADERS}
        if source:
            headers["x-amz-copy-source"] = quoted(f"{source['Bucket']}/{source['Key']}")
        query = {QUERY[name]: str(value) for name, value in parameters.items() if name in QUERY}

        request = _Request(operation, key, query, headers, body)

        async def send() -> Answer:
            key = await self._credentials(None)
            try:
                return await self._send(request, key)
            except CredentialsError as error:
                if error.aws_code not in EXPIRED:
                    raise
            return await self._send(request, await self._credentials(key))

        return await repeated(policy, send)

    async def _send(self, request: _Request, key: Key) -> Answer:
        """Whatever it raises shows nothing of `key`, which the other side may have sent back."""
        try:
            return await self._send_in_turn(request, key)
        except Exception as error:
            conceal(error, key.secret, key.token or "")
            raise

    async def _send_in_turn(self, request: _Request, key: Key) -> Answer:
        turn = await self._pace.turn()
        try:
            head = self._signer.head(
                "PUT",
                self._prefix + quoted(request.key),
                request.query,
                {**request.headers, "host": self._wire.place.header},
                body_sha256=request.body_sha256,
                length=len(request.body),
                key=key,
                now=datetime.now(UTC),
            )
            answer = _read(await self._wire.send(head, request.body), request)
        except NoConnection as error:
            raise request.failed(NotSent, str(error)) from error
        except BrokenOff as error:
            raise request.failed(AnswerLost, str(error)) from error
        except RateLimited:
            self._pace.complain(turn)
            raise
        finally:
            self._pace.done()
        self._pace.went_well(turn)
        return answer


@dataclass(frozen=True)
class _Request:
    """A call of the SDK as HTTP has it; `headers` without those that signing adds."""

    operation: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def body_sha256(self) -> str:
        checksum = self.headers.get("x-amz-checksum-sha256")
        return base64.b64decode(checksum).hex() if checksum else EMPTY_SHA256

    def failed(self, kind: type[NotSent | AnswerLost], found: str) -> NotSent | AnswerLost:
        return kind(
            f"{self.operation} of '{self.key}': {found}",
            operation=self.operation,
            hint=hint_of(kind),
        )


class Pace:
    """How many requests are under way: more with every success, half as many when S3 complains.

    Each `turn` is given back by `done`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_once = min(START_AT_ONCE, most)
        self._now = 0
        self._waiting: deque[Event] = deque()
        self._slowed_at_s = float("-inf")

    async def turn(self) -> float:
        """Wait until there is room; returns when that was, for what is told of it later."""
        while self._now >= self._at_once:
            room = Event()
            self._waiting.append(room)
            try:
                await room.wait()
            except BaseException:
                if room.is_set():
                    self._wake()  # the room was ours, and is another's now
                else:
                    self._waiting.remove(room)
                raise
        self._now += 1
        return current_time()

    def done(self) -> None:
        self._now -= 1
        self._wake()

    def went_well(self, turn: float) -> None:
        if self._at_once < self._most and turn > self._slowed_at_s:
            self._at_once += 1
            self._wake()

    def complain(self, turn: float) -> None:
        """Slow down, once for all that was under way together."""
        if turn > self._slowed_at_s:
            self._slowed_at_s = current_time()
            self._at_once = max(1, self._at_once // 2)

    def _wake(self) -> None:
        if self._waiting and self._now < self._at_once:
            self._waiting.popleft().set()


def _read(answer: HttpAnswer, request: _Request) -> Answer:
    """The answer as the SDK gives it; S3 may tell of a failed copy inside a 200."""
    is_error = b"<Error" in answer.body[:512]
    if answer.status < FAILED:
        _check_whose(answer, request, is_error=is_error)
        if not is_error:
            return {"ETag": answer.headers.get("etag", "")}
    said = dict(ELEMENT.findall(answer.body)) if is_error else {}
    code = _text(said, b"Code") or str(answer.status)
    if answer.status in REDIRECTS or code in REDIRECTS:
        raise Elsewhere(code)
    error = {"Code": code, "Message": _text(said, b"Message")}
    about = {
        # an error inside a 200 is S3's own failure: it may have begun to act
        "HTTPStatusCode": answer.status if answer.status >= FAILED else 500,
        "RequestId": answer.headers.get("x-amz-request-id") or _text(said, b"RequestId"),
    }
    response: Any = {"Error": error, "ResponseMetadata": about}
    raise translate(ClientError(response, request.operation), request.operation, f"'{request.key}'")


def _check_whose(answer: HttpAnswer, request: _Request, *, is_error: bool) -> None:
    """S3 never answers these calls with HTML; a gateway may, with a 200 and an ETag of its own."""
    is_html = answer.headers.get("content-type", "").lower().startswith("text/html")
    is_marked = is_error or "etag" in answer.headers or b"<CopyObjectResult" in answer.body
    if is_html or not is_marked:
        raise request.failed(AnswerLost, "a page was answered, and not by S3")
    sent = request.headers.get("x-amz-checksum-sha256")
    if sent and answer.headers.get("x-amz-checksum-sha256", sent) != sent:
        raise request.failed(AnswerLost, "the answer is about other bytes: its checksum differs")


def _text(said: Mapping[bytes, bytes], name: bytes) -> str:
    return unescape(said.get(name, b"").decode(errors="replace"))
