"""What can befall a request to the cloud, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hover_async.errors import (
    AccessDenied,
    CredentialsError,
    DockerUnavailable,
    OutcomeUnknown,
    PushFailed,
    Throttled,
)


class Fault(StrEnum):
    """A failure of one request: what AWS or the network does, or when the process dies."""

    THROTTLED = "throttled once"
    THROTTLED_30_S = "throttled for 30 s"
    ERROR_BEFORE = "500 before the effect"
    ERROR_AFTER = "500 after the effect"
    TIMEOUT_BEFORE = "timeout before the effect"
    TIMEOUT_AFTER = "timeout after the effect"
    RESET = "reset in the answer"
    SLOW = "100 times slower"
    EXPIRED = "credentials expired"
    DENIED = "access denied"
    MALFORMED = "malformed answer"
    STALE = "stale read"
    RIVAL = "a rival first"
    KILLED_BEFORE = "killed before the effect"
    KILLED_AFTER = "killed after the effect"
    KILLED_ANSWERED = "killed after the answer"


WITHOUT_EFFECT = frozenset(
    {
        Fault.THROTTLED,
        Fault.THROTTLED_30_S,
        Fault.ERROR_BEFORE,
        Fault.TIMEOUT_BEFORE,
        Fault.EXPIRED,
        Fault.DENIED,
    }
)
LOST = frozenset({Fault.ERROR_AFTER, Fault.TIMEOUT_AFTER, Fault.RESET, Fault.MALFORMED})
"""What was asked has happened, and no answer says so."""
LASTING = frozenset({Fault.EXPIRED, Fault.DENIED, Fault.THROTTLED_30_S})
"""Those that go on after the request that met them first."""


class Killed(BaseException):
    """The process is dead: raised by every request of it from then on. Nothing may catch it."""


@dataclass(frozen=True)
class Sent:
    """A request that a process sent: its number in the process, from 1, and what it was.

    `name` is `port.method`, or `service.Operation` above a client; `occurrence` counts, from 1, the
    requests of this name about this subject; `asked` has what was given by name.
    """

    number: int
    name: str
    subject: str
    occurrence: int
    at_s: float
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def place(self) -> tuple[str, str, int]:
        """The same in every run of the same deploy, in whichever order its tasks run."""
        return (self.name, self.subject, self.occurrence)

    def __str__(self) -> str:
        about = f" {self.subject}" if self.subject else ""
        again = f" (no. {self.occurrence})" if self.occurrence > 1 else ""
        return f"{self.name}{about}{again}"


def failure_of_a_port(fault: Fault, sent: Sent) -> Exception:
    """What a port raises when its adapter's retries are spent, or the call is never repeated."""
    if sent.name.startswith("images."):
        return PushFailed(f"{sent}: {fault}") if "push" in sent.name else DockerUnavailable(fault)
    about = f"{sent}: {fault}"
    match fault:
        case Fault.THROTTLED | Fault.THROTTLED_30_S:
            return Throttled(about, aws_code="ThrottlingException")
        case Fault.EXPIRED:
            return CredentialsError(about, aws_code="ExpiredToken")
        case Fault.DENIED:
            return AccessDenied(about, aws_code="AccessDenied")
        case _:
            return OutcomeUnknown(about)
