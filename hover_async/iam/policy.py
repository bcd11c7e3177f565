"""Grants with their reasons, and the JSON document that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VERSION = "2012-10-17"
Condition = Mapping[str, Mapping[str, str | Sequence[str]]]


@dataclass(frozen=True)
class Grant:
    """One statement: `actions` on `resources`, and `why` they are needed.

    `sid` is letters and digits, as IAM wants it.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    why: str
    condition: Condition = field(default_factory=dict)

    def as_json(self) -> Mapping[str, Any]:
        condition = {"Condition": self.condition} if self.condition else {}
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": sorted(self.resources),
            **condition,
        }


@dataclass(frozen=True)
class Policy:
    """The grants of one identity."""

    grants: Sequence[Grant]

    def as_json(self) -> Mapping[str, Any]:
        """The policy document as IAM takes it."""
        return document([grant.as_json() for grant in self.grants])


def document(statements: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"Version": VERSION, "Statement": list(statements)}
