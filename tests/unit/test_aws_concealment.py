"""A session token that AWS or a proxy sends back is not shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import quote

import anyio
import pytest

from hover_async.aws.answers import Answer
from hover_async.aws.concealment import conceal
from hover_async.aws.errors import AnswerLost, translate
from hover_async.aws.objects import Objects
from hover_async.aws.retry import NEVER
from hover_async.aws.signing import Key
from hover_async.aws.wire import BrokenOff, Place, Wire
from hover_async.errors import AwsError, HoverError
from tests.unit.scripted_aws import Scripted, refused

TOKEN = "IQoJb3JpZ2luX2VjE/7d1f+Q=="  # noqa: S105 - a canary
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example
QUOTED = [
    "host:sts.amazonaws.com\nx-amz-date:20261123T063100Z\nx-amz-security-token:{}\n\nhost",
    "X-Amz-Security-Token: {}",
    '{{"x-amz-security-token": "{}", "a": 1}}',
    '{{\\"X-Amz-Security-Token\\": [\\"{}\\"]}}',
    "('X-Amz-Security-Token', '{}')",
    "{{'X-Amz-Security-Token': b'{}'}}",
    "https://s3/?X-Amz-Security-Token={}&X-Amz-Date=1",
    "<X-Amz-Security-Token>{}</X-Amz-Security-Token>",
]


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_token_that_is_quoted_is_hidden(quoted: str) -> None:
    """Neither the error nor what it came from shows the token; what stands around it stays."""
    answered = refused("SignatureDoesNotMatch", 403, message=f"begin {quoted.format(TOKEN)} end")
    try:
        raise translate(answered, "GetRole", "role 'r'") from answered
    except HoverError as error:
        shown = "".join(traceback.format_exception(error)) + repr(vars(answered))
    assert TOKEN not in shown
    assert "begin" in shown
    assert "***" in shown
    assert "end" in shown


class Echo:
    """A wire whose other end quotes what it was sent, as `written`."""

    place = Place("b.s3.eu-central-1.amazonaws.com", 443, None)

    def __init__(self, written: Callable[[str], str], *, is_broken: bool) -> None:
        self.written = written
        self.is_broken = is_broken

    async def send(self, head: bytes, body: bytes) -> Answer:
        del body
        assert TOKEN in head.decode()
        said = f"begin {self.written(TOKEN)} or {self.written(SECRET)} end"
        if self.is_broken:
            raise BrokenOff(said)
        error = f"<Error><Code>Odd</Code><Message>{said}</Message></Error>"
        return Answer(400, {"x-amz-request-id": self.written(TOKEN)}, error.encode())


@pytest.mark.parametrize("is_broken", [False, True], ids=["refused", "broken off"])
@pytest.mark.parametrize(
    "written",
    [
        str,
        partial(quote, safe=""),
        lambda text: quote(text, safe="").lower(),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: text.replace("/", "\\/").replace("+", "\\u002B").replace("=", "\\u003d"),
        lambda text: text.replace("/", "&#x2F;").replace("+", "&#43;").replace("=", "&#x3d;"),
        lambda text: text.replace("/", "&amp;#47;"),
        lambda text: text.rstrip("="),
    ],
    ids=["plain", "url", "lower", "url twice", "json", "xml", "xml twice", "unpadded"],
)
@pytest.mark.anyio
async def test_what_is_sent_back_without_its_name(
    written: Callable[[str], str], *, is_broken: bool
) -> None:
    """Neither token nor secret key is shown, wherever they stand and however they are escaped."""

    async def key(expired: Key | None) -> Key:
        assert not expired
        return Key("AK", SECRET, TOKEN)

    wire = cast("Wire", Echo(written, is_broken=is_broken))
    objects = Objects(wire, key, region="eu-central-1", prefix="/")
    with pytest.raises(AwsError) as caught:
        await objects.call(NEVER, "PutObject", "k", Body=b"x")
    error: BaseException | None = caught.value
    shown = "".join(traceback.format_exception(error))
    while error:
        shown += repr(vars(error)) + repr(error.args)
        error = error.__cause__
    assert "begin *** or *** end" in shown
    for secret in (TOKEN, SECRET):
        parts = {secret[at : at + 8].lower() for at in range(len(secret) - 8)}
        assert not [part for part in parts if part in shown.lower()]


def test_what_is_too_short_for_a_secret() -> None:
    """A local AWS's `test` is left where it stands: it is in every other word."""
    error = ValueError("the latest test")
    conceal(error, "test", "")
    assert str(error) == "the latest test"


def test_an_answer_without_what_aws_always_sends() -> None:
    """A part that is missing is an error of ours that names it, whatever the status said."""
    one = Scripted({"GetAlias": [{}]}).service()

    async def ask() -> object:
        return (await one.call(NEVER, "GetAlias", "'live'"))["FunctionVersion"]

    with pytest.raises(AnswerLost, match="the answer has no 'FunctionVersion'"):
        anyio.run(ask)
