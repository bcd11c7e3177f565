"""Our signatures against botocore's own, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from hover_async.aws.signing import Key, Signer, quoted

HOST = "shop-assets.s3.eu-central-1.amazonaws.com"
SHA256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
HARD = " +#?%&\"'\\\n~*()!=:;,@$äé\u00e9e\u0301/."
KEYS = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_characters="\0"), st.sampled_from(HARD)),
    min_size=1,
    max_size=40,
)
VALUES = st.text(st.sampled_from("abc/=, ;0123-\t"), min_size=1, max_size=20)


class Fixed(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """botocore's signer at a given time; the body's hash is given, as in our requests."""

    def __init__(self, key: Key, at: datetime) -> None:
        super().__init__(Credentials(key.access_key, key.secret, key.token), "s3", "eu-central-1")
        self._at = at

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self._at.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))

    def payload(self, request: Any) -> str:
        del request
        return SHA256

    def _modify_request_before_signing(self, request: Any) -> None:
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        if self.credentials.token:
            request.headers["X-Amz-Security-Token"] = self.credentials.token
        request.headers["X-Amz-Content-SHA256"] = SHA256


@given(
    key=KEYS,
    cache_control=VALUES,
    upload_id=st.none() | KEYS,
    token=st.none() | st.just("a+session/token=="),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - given its zone below
)
def test_signed_as_botocore_signs(
    key: str, cache_control: str, upload_id: str | None, token: str | None, at: datetime
) -> None:
    """Whatever the key, the headers and the query: the same signature."""
    ours = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    headers = {"host": HOST, "cache-control": cache_control, "content-type": "text/css"}
    query = {"partNumber": "7", "uploadId": upload_id} if upload_id else {}
    head = Signer("eu-central-1").head(
        "PUT",
        "/" + quoted(key),
        query,
        headers,
        body_sha256=SHA256,
        length=3,
        key=ours,
        now=at.replace(tzinfo=UTC),
    )
    target = head.decode().split(" ")[1]
    asked = AWSRequest("PUT", f"https://{HOST}{target}", headers=dict(headers))
    Fixed(ours, at).add_auth(asked)
    lines = head.decode().split("\r\n")
    assert f"authorization: {asked.headers['Authorization']}" in lines


def test_the_days_key_is_derived_once_a_day_and_for_each_secret() -> None:
    """Another day or other credentials give another signature, the same ones the same."""
    signer = Signer("eu-central-1")

    def signature(day: int, secret: str) -> str:
        head = signer.head(
            "PUT",
            "/a",
            {},
            {"host": HOST},
            body_sha256=SHA256,
            length=0,
            key=Key("AK", secret),
            now=datetime(2026, 11, day, tzinfo=UTC),
        )
        return head.decode().partition("Signature=")[2]

    first = signature(1, "one")
    assert signature(2, "one") != first
    assert signature(1, "two") != first
    assert signature(1, "one") == first


def test_a_key_does_not_show_its_secret() -> None:
    """Neither the secret nor the token is in what is printed of a key."""
    assert repr(Key("AK", "canary-secret", "canary-token")) == "Key('AK')"
