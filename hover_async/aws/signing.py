"""Signature Version 4 for S3, in as few steps as it takes.

botocore signs any request of any service; that takes it a fifth of a millisecond, longer than the
rest of sending a small file. Here the shape is known: the path and the headers are ours, the body's
SHA-256 is known anyway, and the signing key is the same for a day. Whether both write the same is
tested against botocore itself (tests/unit/test_aws_signing.py).

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Key:
    """Whose request it is. `secret` and `token` are never shown."""

    access_key: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.access_key!r})"


class Signer:
    """Signs requests to S3 in one region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._derived: tuple[tuple[str, str], bytes] = (("", ""), b"")
        self._stamped: tuple[datetime | None, str] = (None, "")

    def head(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        body_sha256: str,
        length: int,
        key: Key,
        now: datetime,
    ) -> bytes:
        """The whole head of the request, signed, with the empty line behind it.

        `path` is quoted already (`quoted`), `query` and `headers` are not; the names of `headers`
        are in lower case, `host` is among them. `body_sha256` is hexadecimal. `now` is in UTC.
        """
        stamp = self._stamp_of(now)
        signed = {name: _trimmed(value) for name, value in headers.items()}
        signed |= {"x-amz-content-sha256": body_sha256, "x-amz-date": stamp}
        if key.token:
            signed["x-amz-security-token"] = key.token
        asked = "&".join(
            f"{quoted(name, '')}={quoted(value, '')}" for name, value in sorted(query.items())
        )
        names = sorted(signed)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        listed = ";".join(names)
        canonical = f"{method}\n{path}\n{asked}\n{lines}\n{listed}\n{body_sha256}"
        scope = f"{stamp[:8]}/{self._region}/s3/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(
            self._key_of(key, stamp[:8]),
            f"{ALGORITHM}\n{stamp}\n{scope}\n{hashed}".encode(),
            "sha256",
        ).hex()
        target = f"{path}?{asked}" if asked else path
        sent = "".join([f"{name}: {signed[name]}\r\n" for name in names])
        return (
            f"{method} {target} HTTP/1.1\r\n{sent}content-length: {length}\r\n"
            f"authorization: {ALGORITHM} Credential={key.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}\r\n\r\n"
        ).encode()

    def _stamp_of(self, now: datetime) -> str:
        """The second as AWS writes it; thousands of requests share it."""
        second = now.replace(microsecond=0)
        if second != self._stamped[0]:
            self._stamped = (second, second.strftime("%Y%m%dT%H%M%SZ"))
        return self._stamped[1]

    def _key_of(self, key: Key, day: str) -> bytes:
        """The day's signing key; kept, for it is the same for every request."""
        (secret, of_day), derived = self._derived
        if (secret, of_day) != (key.secret, day):
            derived = f"AWS4{key.secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                derived = hmac.digest(derived, part.encode(), "sha256")
            self._derived = ((key.secret, day), derived)
        return derived


def quoted(text: str, unchanged: str = "/") -> str:
    """As SigV4 quotes: everything but letters, digits and `-._~`."""
    return quote(text, safe=f"{unchanged}-._~")


def _trimmed(value: str) -> str:
    """A header's value as it is signed: in one line, with single spaces within and none around."""
    return " ".join(value.split())
