"""IAM policies as tests look at them: an evaluator of our own few forms, and actions by pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any


def allows(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether a statement allows `action` on `resource`, as IAM matches them; not conditions.

    `*` and `?` stand for what they do in IAM; an action's case does not matter.
    """
    return any(
        matches(pattern.lower(), action.lower())
        and any(matches(of, resource) for of in statement["Resource"])
        for statement in policy["Statement"]
        for pattern in statement["Action"]
    )


def actions(policy: Mapping[str, Any]) -> Iterator[str]:
    for statement in policy["Statement"]:
        yield from statement["Action"]


def matches(pattern: str, text: str) -> bool:
    """IAM knows `*` and `?`; a `[` is a `[`."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
