"""AWS sends parts of a request back when it refuses it; what nobody may read is taken out.

`SignatureDoesNotMatch` quotes the canonical request, with the session token in it ("Troubleshoot
Signature Version 4 signing", AWS IAM User Guide), and a proxy's page may quote any header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HIDDEN = "***"
TOKEN = re.compile(
    r"""((?<!</)x-amz-security-token [\\"'\])]* \s* [:=>,] \s* [\\"'\[(]* (?:b')?) [\w/+=%.~-]+""",
    re.IGNORECASE | re.VERBOSE,
)
"""A session token behind its name, as a header, a query, JSON or XML has it."""


def conceal(error: BaseException) -> None:
    """Take the session token out of the error and of those it came from, as they may be shown."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(_concealed(argument) for argument in one.args)
        for name, value in vars(one).items():
            setattr(one, name, _concealed(value))
        waiting += [one.__cause__, one.__context__]


def _concealed(value: object) -> object:
    match value:
        case str():
            return TOKEN.sub(rf"\1{HIDDEN}", value)
        case bytes():
            return TOKEN.sub(rf"\1{HIDDEN}", value.decode("latin-1")).encode("latin-1")
        case Mapping():
            return {key: _concealed(one) for key, one in value.items()}
        case list():
            return [_concealed(one) for one in value]
        case _:
            return value
