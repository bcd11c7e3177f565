"""AWS sends parts of a request back when it refuses it; what nobody may read is taken out.

`SignatureDoesNotMatch` quotes the canonical request, with the session token in it ("Troubleshoot
Signature Version 4 signing", AWS IAM User Guide), and a proxy's page may quote any header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

HIDDEN = "***"
TOKEN = re.compile(
    r"""((?<!</)x-amz-security-token [\\"'\])]* \s* [:=>,] \s* [\\"'\[(]* (?:b')?) [\w/+=%.~-]+""",
    re.IGNORECASE | re.VERBOSE,
)
"""A session token behind its name, as a header, a query, JSON or XML has it."""
SHORTEST_SECRET = 16
"""What is shorter is none of AWS's (a local AWS takes `test`), and stands in other words."""


def conceal(error: BaseException, *secrets: str) -> None:
    """Take the session token out of the error and of those it came from, as they may be shown.

    And `secrets`, whatever stands before them, and as URLs, JSON and XML write them.
    """
    known = _known(secrets)
    for one in family(error):
        one.args = tuple(_concealed(argument, known) for argument in one.args)
        for name, value in vars(one).items():
            setattr(one, name, _concealed(value, known))


def family(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes, its contexts and the members of groups, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _known(secrets: Sequence[str]) -> re.Pattern[str]:
    long = [secret.rstrip("=") for secret in secrets if len(secret) >= SHORTEST_SECRET]
    written = "|".join("".join(map(_escaped, secret)) for secret in long)
    padded = f"(?:{written}){_escaped('=')}*" if written else "(?!)"
    return re.compile(padded, re.IGNORECASE)  # hexadecimal digits are of either case


def _escaped(char: str) -> str:
    """A pattern for the character, itself or escaped once or more."""
    if char.isalnum():
        return char
    code, plain = ord(char), re.escape(char)
    in_url, in_json = f"%(?:25)*{code:02x}", rf"\\+(?:{plain}|u{code:04x})"
    in_xml = f"&(?:amp;)*#(?:0*{code}|x0*{code:x});"
    return f"(?:{plain}|{in_url}|{in_json}|{in_xml})"


def _concealed(value: object, known: re.Pattern[str]) -> object:
    match value:
        case str():
            return known.sub(HIDDEN, TOKEN.sub(rf"\1{HIDDEN}", value))
        case bytes():
            return str(_concealed(value.decode("latin-1"), known)).encode("latin-1")
        case Mapping():
            return {key: _concealed(one, known) for key, one in value.items()}
        case list():
            return [_concealed(one, known) for one in value]
        case _:
            return value
