"""The small values that everything else speaks in. Nothing here waits or talks to anyone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType, Self

FunctionName = NewType("FunctionName", str)
Version = NewType("Version", str)
"""A published Lambda version: a number in decimal, or `$LATEST`."""
Digest = NewType("Digest", str)
"""The digest of an image manifest in a registry: `sha256:` and 64 hex digits."""

UNPUSHED = Digest(f"sha256:{'0' * 64}")
"""Stands for the digest that only a push will give."""

LATEST = Version("$LATEST")
LIVE = "live"
"""The alias that every integration invokes: what it points to is what visitors meet."""


class BuildId(str):
    """`b20261123T063100Z-7f3a9c1d`: sorts by time, and no application route looks like it.

    It is the image's tag, the assets' directory and the versions' description.
    """

    __slots__ = ()
    _FORM = re.compile(r"b\d{8}T\d{6}Z-[0-9a-f]{8}")

    def __new__(cls, text: str) -> Self:
        """Check and take `text`; raises ValueError when it is no build id."""
        if not cls._FORM.fullmatch(text):
            raise ValueError(f"not a build id: {text!r}")
        return super().__new__(cls, text)

    @classmethod
    def new(cls, now: datetime | None = None) -> Self:
        from secrets import token_hex  # a tenth of what `--help` takes

        moment = (now or datetime.now(UTC)).astimezone(UTC)
        return cls(f"b{moment:%Y%m%dT%H%M%SZ}-{token_hex(4)}")


class Lane(StrEnum):
    """How functions get the image of a build: by their stack, or each by itself."""

    STACK = "stack"
    DIRECT = "direct"


class Role(StrEnum):
    """What a function of the stage is for; the runtime in the image reads it from `HOVER_ROLE`."""

    HTTP = "http"
    CLI = "cli"
    QUEUE = "queue"


class Architecture(StrEnum):
    """Lambda's name for a processor; `docker_name` is Docker's for the same."""

    X86_64 = "x86_64"
    ARM64 = "arm64"

    @property
    def docker_name(self) -> str:
        return {"x86_64": "amd64", "arm64": "arm64"}[self.value]


@dataclass(frozen=True)
class Edge:
    """How visitors reach a distribution, and how the distribution reaches API Gateway.

    `url` has the distribution's `{domain}`, or its first `{label}`, put in. `api_host` is the
    `host:port` where a local AWS answers for API Gateway by path; None is AWS's own.
    """

    url: str = "https://{domain}"
    api_host: str | None = None

    def url_of(self, domain: str) -> str:
        return self.url.format(domain=domain, label=domain.partition(".")[0])


AWS_EDGE = Edge()


@dataclass(frozen=True)
class FunctionSpec:
    """One Lambda function of a stage: its name on AWS, its role and its logical id in the stack."""

    name: FunctionName
    role: Role
    logical_id: str


@dataclass(frozen=True)
class ImageRef:
    """An image in a registry: `registry/repository:tag`, or `registry/repository@digest`."""

    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository


class Secret:
    """A string that must not be shown: prints as `Secret(***)`; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)
