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
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html import unescape
from typing import Any

from anyio import Event, current_time
from botocore.exceptions import ClientError

from hover_async.aws.errors import AnswerLost, NotSent, RateLimited, hint_of, translate
from hover_async.aws.retry import Policy, repeated
from hover_async.aws.service import Answer
from hover_async.aws.signing import Key, Signer, quoted
from hover_async.aws.wire import Answer as HttpAnswer
from hover_async.aws.wire import BrokenOff, NoConnection, Place, Wire, open_wire

Credentials = Callable[[], Awaitable[Key]]
"""The credentials as they are now; refreshed where they run out."""

MOST_AT_ONCE = 160
"""What a deploy has in hand at most: `UploadLimits`, and some room."""
START_AT_ONCE = 16
"""S3 splits a new prefix under load only after a while: a deploy does not start with all it has."""
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
        """As the SDK's call: `ETag` is in the answer. Raises `AwsError` alone."""
        body: bytes = parameters.pop("Body", b"")
        source = parameters.pop("CopySource", None)
        headers = {HEADERS[name]: value for name, value in parameters.items() if name in HEADERS}
        if source:
            headers["x-amz-copy-source"] = quoted(f"{source['Bucket']}/{source['Key']}")
        query = {QUERY[name]: str(value) for name, value in parameters.items() if name in QUERY}

        async def send() -> Answer:
            return await self._send(operation, key, query, headers, body)

        return await repeated(policy, send)

    async def _send(
        self,
        operation: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        checksum = headers.get("x-amz-checksum-sha256")
        head = self._signer.head(
            "PUT",
            self._prefix + quoted(key),
            query,
            {**headers, "host": self._wire.place.header},
            body_sha256=base64.b64decode(checksum).hex() if checksum else EMPTY_SHA256,
            length=len(body),
            key=await self._credentials(),
            now=datetime.now(UTC),
        )
        turn = await self._pace.turn()
        try:
            answer = _read(await self._wire.send(head, body), operation, key)
        except NoConnection as error:
            raise _failed(NotSent, operation, key, str(error)) from error
        except BrokenOff as error:
            raise _failed(AnswerLost, operation, key, str(error)) from error
        except RateLimited:
            self._pace.complain(turn)
            raise
        finally:
            self._pace.done()
        self._pace.went_well(turn)
        return answer


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


@asynccontextmanager
async def open_objects(
    place: Place, credentials: Credentials, *, region: str, prefix: str, at_once: int = MOST_AT_ONCE
) -> AsyncIterator[Objects]:
    """Calls whose connections are closed at the end."""
    async with open_wire(place) as wire:
        yield Objects(wire, credentials, region=region, prefix=prefix, at_once=at_once)


def _read(answer: HttpAnswer, operation: str, key: str) -> Answer:
    """The answer as the SDK gives it; S3 may tell of a failed copy inside a 200."""
    said = dict(ELEMENT.findall(answer.body)) if b"<Error" in answer.body[:512] else {}
    if answer.status < 300 and not said:  # noqa: PLR2004 - HTTP
        if "etag" not in answer.headers and b"<CopyObjectResult" not in answer.body:
            raise _failed(AnswerLost, operation, key, "a page was answered, and not by S3")
        return {"ETag": answer.headers.get("etag", "")}
    error = {
        "Code": _text(said, b"Code") or str(answer.status),
        "Message": _text(said, b"Message"),
    }
    about = {
        # an error inside a 200 is S3's own failure: it may have begun to act
        "HTTPStatusCode": answer.status if answer.status >= 300 else 500,  # noqa: PLR2004 - HTTP
        "RequestId": answer.headers.get("x-amz-request-id") or _text(said, b"RequestId"),
    }
    response: Any = {"Error": error, "ResponseMetadata": about}
    raise translate(ClientError(response, operation), operation, f"'{key}'")


def _text(said: Mapping[bytes, bytes], name: bytes) -> str:
    return unescape(said.get(name, b"").decode(errors="replace"))


def _failed(
    kind: type[NotSent | AnswerLost], operation: str, key: str, found: str
) -> NotSent | AnswerLost:
    return kind(f"{operation} of '{key}': {found}", operation=operation, hint=hint_of(kind))
