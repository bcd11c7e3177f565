"""What AWS, or somebody on the way to it, sends back is without secrets before it is read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hover_async.aws.redaction import LOGGERS, quieten_the_sdk, redact_answers

TOKEN = "IQoJb3JpZ2luX2VjE/7d1f+Q=="  # noqa: S105 - a canary
GIVEN = b'{"authorizationData": [{"authorizationToken": "QVdTOng="}], "Plaintext" : "a2tr"}'


class Client:
    """As much of botocore's as a handler of its events meets."""

    def __init__(self, credentials: object) -> None:
        self.meta = SimpleNamespace(events=self)
        self._request_signer = SimpleNamespace(_credentials=credentials)
        self._handlers: list[Callable[..., None]] = []

    def register_first(self, event: str, handler: Callable[..., None]) -> None:
        assert event == "before-parse"
        self._handlers.append(handler)

    def answered(self, body: object, *, status: int = 403, **headers: str) -> dict[str, Any]:
        answer = {"status_code": status, "headers": dict(headers), "body": body}
        redact_answers(self)
        for handler in self._handlers:
            handler(operation_model=None, response_dict=answer, customized_response_dict={})
        return answer


def with_token(token: str | None) -> Client:
    return Client(SimpleNamespace(token=token))


class Refreshing:
    """Credentials that refresh themselves: the token may not be read without awaiting."""

    _token = TOKEN

    @property
    def token(self) -> str:
        raise AssertionError("read without awaiting")


@pytest.mark.parametrize(
    "quoted",
    [TOKEN, TOKEN.replace("/", "\\/"), "IQoJb3JpZ2luX2VjE%2F7d1f%2BQ%3D%3D"],
)
@pytest.mark.parametrize("client", [with_token(TOKEN), Client(Refreshing())])
def test_a_token_without_its_name_is_hidden(client: Client, quoted: str) -> None:
    """In the body and in the headers, however it is written; what stands around it stays."""
    answer = client.answered(f"begin {quoted} end".encode(), x=f"begin {quoted} end")
    assert answer["body"] == b"begin *** end"
    assert answer["headers"]["x"] == "begin *** end"


@pytest.mark.parametrize("credentials", [None, SimpleNamespace(token=None)])
def test_without_a_token_nothing_changes(credentials: object) -> None:
    """There need not be credentials, nor a token."""
    assert Client(credentials).answered(b"test")["body"] == b"test"


def test_a_local_aws_may_take_any_token() -> None:
    """One that is a word is not taken out of other words."""
    assert with_token("test").answered(b"the latest tests")["body"] == b"the latest tests"


def test_a_stream_is_left_alone() -> None:
    """The body of an object is read elsewhere."""
    stream = object()
    assert with_token(TOKEN).answered(stream, status=200)["body"] is stream


def test_what_was_asked_for_is_given() -> None:
    """A login and a data key in a whole answer stay."""
    assert with_token(TOKEN).answered(GIVEN, status=200)["body"] == GIVEN


@pytest.mark.parametrize(("body", "status"), [(GIVEN, 502), (GIVEN[:-1], 200)])
def test_a_broken_answer_gives_nothing(body: bytes, status: int) -> None:
    """With another status, or cut, it is about to become the text of an error."""
    left = with_token(TOKEN).answered(body, status=status)["body"]
    assert b"QVdTOng" not in left
    assert b"a2tr" not in left
    assert json.loads(left + b"}" * (status == 200))["Plaintext"] == "***"


@pytest.fixture
def levels() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("levels")
def test_only_who_asks_the_sdk_itself_hears_it() -> None:
    """Logging everything at DEBUG does not log the SDK's requests; setting its logger does."""
    logging.getLogger("aiobotocore").setLevel(logging.DEBUG)
    quieten_the_sdk()
    assert not logging.getLogger("botocore.auth").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("aiobotocore.endpoint").isEnabledFor(logging.DEBUG)
