"""S3's frequent calls: what is sent, what its answers mean, and how fast it may go."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, cast

import pytest
import trio.testing
from anyio import create_task_group, sleep

from hover_async.aws.answers import Answer
from hover_async.aws.errors import AnswerLost, NotSent, RateLimited, ServiceFault
from hover_async.aws.objects import START_AT_ONCE, Credentials, Elsewhere, Objects
from hover_async.aws.retry import NEVER, SAME_BYTES
from hover_async.aws.signing import Key
from hover_async.aws.wire import BrokenOff, NoConnection, Place, Wire
from hover_async.errors import (
    AccessDenied,
    AwsError,
    CredentialsError,
    EndpointUnreachable,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
)

pytestmark = pytest.mark.anyio

PUT = Answer(200, {"etag": '"e"'}, b"")
COPIED = Answer(200, {}, b"<?xml?><CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
BODY = b"body { color: teal }"
SHA256 = hashlib.sha256(BODY)
PUT_PARAMETERS: Mapping[str, Any] = {
    "Body": BODY,
    "ChecksumSHA256": base64.b64encode(SHA256.digest()).decode(),
    "ContentType": "text/css",
    "CacheControl": "no-store",
    "ExpectedBucketOwner": "42",
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def error(status: int, code: str, message: str = "no") -> Answer:
    body = f"<?xml?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, {"x-amz-request-id": "R1"}, body.encode())


class FakeWire:
    """Answers what `answers` says, in turn and the last one again; keeps what was sent."""

    def __init__(self, *answers: Answer | Exception, takes_s: float = 0.0) -> None:
        self.place = Place("b.s3.eu-central-1.amazonaws.com", 443, None)
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes]] = []
        self.now = self.most = 0
        self.takes_s = takes_s

    async def send(self, head: bytes, body: bytes) -> Answer:
        self.sent.append((head.decode(), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.now += 1
        self.most = max(self.most, self.now)
        await sleep(self.takes_s)
        self.now -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer


async def anybody(expired: Key | None) -> Key:
    assert expired in {None, Key("AK", "secret")}
    return Key("AK2" if expired else "AK", "secret")


def over(wire: FakeWire, credentials: Credentials = anybody, *, at_once: int = 64) -> Objects:
    return Objects(
        cast("Wire", wire), credentials, region="eu-central-1", prefix="/", at_once=at_once
    )


async def test_a_put_carries_all_that_is_asked() -> None:
    """Headers, checksum and body go out once; the body's hash is the checksum's."""
    wire = FakeWire(PUT)
    answer = await over(wire).call(SAME_BYTES, "PutObject", "b1/a b.css", **PUT_PARAMETERS)
    assert answer == {"ETag": '"e"'}
    ((head, body),) = wire.sent
    assert body == BODY
    assert head.startswith("PUT /b1/a%20b.css HTTP/1.1\r\n")
    for line in (
        "content-type: text/css",
        "cache-control: no-store",
        f"content-length: {len(BODY)}",
        f"x-amz-checksum-sha256: {PUT_PARAMETERS['ChecksumSHA256']}",
        f"x-amz-content-sha256: {SHA256.hexdigest()}",
        "x-amz-expected-bucket-owner: 42",
    ):
        assert f"\r\n{line}\r\n" in head


@pytest.mark.parametrize("asked", [PUT_PARAMETERS, {"Body": BODY}])
async def test_an_answer_may_name_the_checksum(asked: Mapping[str, Any]) -> None:
    """The checksum that was sent is as good as none, and one where none was sent is S3's own."""
    headers = {"etag": '"e"', "x-amz-checksum-sha256": PUT_PARAMETERS["ChecksumSHA256"]}
    answer = await over(FakeWire(Answer(200, headers, b""))).call(NEVER, "PutObject", "k", **asked)
    assert answer == {"ETag": '"e"'}


async def test_a_copy_names_its_source() -> None:
    """The source is quoted as a path; there is no body."""
    wire = FakeWire(COPIED)
    await over(wire).call(
        SAME_BYTES,
        "CopyObject",
        "b2/a",
        CopySource={"Bucket": "b", "Key": "b1/a b+é"},
        MetadataDirective="REPLACE",
        ChecksumAlgorithm="SHA256",
    )
    ((head, body),) = wire.sent
    assert body == b""
    assert "\r\nx-amz-copy-source: b/b1/a%20b%2B%C3%A9\r\n" in head
    assert "\r\nx-amz-metadata-directive: REPLACE\r\n" in head


async def test_a_part_says_of_which_upload() -> None:
    """Number and upload id are in the query."""
    wire = FakeWire(PUT)
    await over(wire).call(SAME_BYTES, "UploadPart", "k", UploadId="u/1", PartNumber=3, Body=b"x")
    assert wire.sent[0][0].startswith("PUT /k?partNumber=3&uploadId=u%2F1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(403, "AccessDenied"), AccessDenied, "AccessDenied"),
        (error(400, "ExpiredToken"), CredentialsError, "ExpiredToken"),
        (error(403, "RequestTimeTooSkewed"), CredentialsError, "RequestTimeTooSkewed"),
        (error(403, "SignatureDoesNotMatch"), CredentialsError, "SignatureDoesNotMatch"),
        (error(404, "NoSuchBucket"), NotFound, "NoSuchBucket"),
        (error(400, "BadDigest"), Rejected, "BadDigest"),
        (error(503, "SlowDown"), RateLimited, "SlowDown"),
        (error(500, "InternalError"), ServiceFault, "InternalError"),
        (error(200, "InternalError"), ServiceFault, "InternalError"),
        (Answer(502, {}, b"<html>bad gateway</html>"), ServiceFault, "502"),
        (Answer(200, {"content-type": "text/html"}, b"<html>log in</html>"), AnswerLost, ""),
        (
            Answer(200, {"content-type": "Text/HTML; charset=utf-8", "etag": '"p"'}, b"<Errors>"),
            AnswerLost,
            "",
        ),
        (Answer(200, {"etag": '"e"'}, b"<Error>"), ServiceFault, "200"),
        (Answer(200, {"etag": '"e"', "x-amz-checksum-sha256": "b3RoZXI="}, b""), AnswerLost, ""),
        (NoConnection("refused"), NotSent, ""),
        (BrokenOff("reset"), AnswerLost, ""),
    ],
)
async def test_what_an_answer_means(
    answer: Answer | Exception, kind: type[AwsError], code: str
) -> None:
    """Every answer that is not S3's success is a typed error, with S3's own code and request."""
    with pytest.raises(kind) as caught:
        await over(FakeWire(answer)).call(NEVER, "PutObject", "k", **PUT_PARAMETERS)
    assert caught.value.aws_code == code
    assert "PutObject of 'k'" in caught.value.message
    assert "secret" not in repr(caught.value)
    if isinstance(answer, Answer) and answer.headers.get("x-amz-request-id"):
        assert caught.value.request_id == "R1"


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (error(503, "SlowDown"), Throttled),
        (error(500, "InternalError"), OutcomeUnknown),
        (NoConnection("refused"), EndpointUnreachable),
        (BrokenOff("reset"), OutcomeUnknown),
    ],
)
async def test_what_passes_is_sent_again(trouble: Answer | Exception, kind: type[AwsError]) -> None:
    """Trouble that passes costs a repetition of the same bytes; trouble that stays is told."""
    wire = FakeWire(trouble, trouble, PUT)
    await over(wire).call(SAME_BYTES, "PutObject", "k", **PUT_PARAMETERS)
    assert [body for _, body in wire.sent] == [BODY] * 3
    with pytest.raises(kind):
        await over(FakeWire(trouble)).call(SAME_BYTES, "PutObject", "k", **PUT_PARAMETERS)


async def test_credentials_are_asked_for_each_request() -> None:
    """Credentials that are refreshed meanwhile sign the next request, with their token."""
    keys = [Key("A1", "one", "token/1"), Key("A2", "two", "token/2")]

    async def refreshed(expired: Key | None) -> Key:
        assert not expired
        return keys.pop(0)

    wire = FakeWire(error(500, "InternalError"), PUT)
    await over(wire, refreshed).call(SAME_BYTES, "PutObject", "k", **PUT_PARAMETERS)
    first, second = (head for head, _ in wire.sent)
    assert "Credential=A1/" in first
    assert "x-amz-security-token: token/1\r\n" in first
    assert "Credential=A2/" in second
    assert "x-amz-security-token: token/2\r\n" in second


async def test_expired_credentials_are_looked_for_once() -> None:
    """What AWS calls expired is found anew and signs the same request, once."""
    wire = FakeWire(error(400, "ExpiredToken"), PUT)
    await over(wire).call(NEVER, "PutObject", "k", **PUT_PARAMETERS)
    assert ["Credential=AK2/" in head for head, _ in wire.sent] == [False, True]
    wire = FakeWire(error(400, "ExpiredToken"))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        await over(wire).call(SAME_BYTES, "PutObject", "k", **PUT_PARAMETERS)
    assert len(wire.sent) == 2


@pytest.mark.parametrize(
    "answer",
    [error(301, "PermanentRedirect"), error(307, "X"), error(400, "AuthorizationHeaderMalformed")],
)
async def test_a_redirect_is_left_to_the_sdk(answer: Answer) -> None:
    """A bucket that is elsewhere is no failure: the SDK knows the way."""
    with pytest.raises(Elsewhere):
        await over(FakeWire(answer)).call(SAME_BYTES, "PutObject", "k", **PUT_PARAMETERS)


async def many(objects: Objects, number: int) -> None:
    async with create_task_group() as group:
        for index in range(number):
            group.start_soon(
                lambda key: objects.call(SAME_BYTES, "PutObject", key, **PUT_PARAMETERS), str(index)
            )


async def test_more_at_once_while_all_goes_well() -> None:
    """It starts with few requests at once and comes to all it may have."""
    wire = FakeWire(PUT, takes_s=1.0)
    objects = over(wire, at_once=64)
    await many(objects, START_AT_ONCE)
    assert wire.most == START_AT_ONCE
    await many(objects, 400)
    assert wire.most == 64


async def test_fewer_at_once_when_s3_complains() -> None:
    """A complaint halves what is under way, once for all that complain together."""
    wire = FakeWire(PUT, takes_s=0.1)
    objects = over(wire, at_once=64)
    await many(objects, 300)
    wire.answers = [*[error(503, "SlowDown")] * 30, PUT]
    wire.most = 0
    await many(objects, 32)
    wire.most = 0
    await many(objects, 64)
    assert 32 <= wire.most < 64
