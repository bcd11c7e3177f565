"""A session token that AWS or a proxy sends back is not shown."""

from __future__ import annotations

import traceback

import anyio
import pytest

from hover_async.aws.errors import AnswerLost, translate
from hover_async.aws.retry import NEVER
from hover_async.errors import HoverError
from tests.unit.scripted_aws import Scripted, refused

TOKEN = "IQoJb3JpZ2luX2VjE/7d1f+Q=="  # noqa: S105 - a canary
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


def test_an_answer_without_what_aws_always_sends() -> None:
    """A part that is missing is an error of ours that names it, whatever the status said."""
    one = Scripted({"GetAlias": [{}]}).service()

    async def ask() -> object:
        return (await one.call(NEVER, "GetAlias", "'live'"))["FunctionVersion"]

    with pytest.raises(AnswerLost, match="the answer has no 'FunctionVersion'"):
        anyio.run(ask)
