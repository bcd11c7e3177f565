"""pydantic's findings in the words of a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel

from hover_async.manifest.checks import Found
from hover_async.manifest.document import Path, shown
from hover_async.manifest.model import (
    Alarms,
    Assets,
    Auth,
    Cli,
    Deploy,
    Http,
    Manifest,
    QueueSpec,
    Vpc,
)
from hover_async.values import Architecture, Lane

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SECTIONS: Mapping[Path, type[BaseModel]] = {
    (): Manifest,
    ("auth",): Auth,
    ("deploy",): Deploy,
    ("vpc",): Vpc,
    ("http",): Http,
    ("cli",): Cli,
    ("queue", "<name>"): QueueSpec,
    ("assets",): Assets,
    ("alarms",): Alarms,
}
MISSING: Mapping[Path, str] = {
    ("name",): "the stage's name on AWS, such as 'shop-production'",
    ("region",): "the AWS region to deploy to, such as 'eu-central-1'",
    ("auth",): "'stack-role' and 'lambda-role', the ARNs of two IAM roles",
    ("auth", "stack-role"): "the ARN of the IAM role that CloudFormation acts as",
    ("auth", "lambda-role"): "the ARN of the IAM role that the functions act as",
    ("vpc", "security-groups"): "the security groups of the functions",
    ("vpc", "subnets"): "the subnets that the functions run in",
    ("alarms", "topic"): "the ARN of the SNS topic that the alarms tell",
}
BECAUSE: Mapping[Path, str] = {
    ("http", "timeout"): "API Gateway waits no longer",
    ("name",): "with '-assets' behind it, it names a bucket",
}
"""Why an upper limit is where it is, when that is not plain."""
CHOICES: Mapping[Path, type[StrEnum]] = {("architecture",): Architecture, ("deploy", "code"): Lane}
KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "keys with values",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}
BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "string_too_long": ("at most", "max_length"),
    "string_too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
    "too_short": ("at least", "min_length"),
}


def in_words(details: Sequence[ErrorDetails]) -> Iterator[Found]:
    for detail in details:
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic leaves out the entries that are wrong, which it tells as well
        path = tuple(step for step in detail["loc"] if step != "[key]")
        yield _found(path, detail)


def _found(path: Path, detail: ErrorDetails) -> Found:
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(path)
        case "enum":
            return _unknown_word(path, detail["input"])
        case "missing":
            message = f"missing: {MISSING[path]}" if path in MISSING else "missing"
        case "value_error":
            message = str(detail["ctx"]["error"])
        case kind if kind in KINDS:
            message = f"expected {KINDS[kind]}, found {shown(detail['input'])}"
        case kind if kind in BOUNDS:
            message = _out_of_bounds(path, detail)
        case _:
            said = detail["msg"]
            message = f"{said[:1].lower()}{said[1:]}, found {shown(detail['input'])}"
    return Found(path, message)


def _unknown_word(path: Path, found: object) -> Found:
    known = [str(choice) for choice in CHOICES[path]]
    close = get_close_matches(str(found), known, n=1, cutoff=0.3)
    message = f"expected {' or '.join(known)}, found {shown(found)}"
    return Found(path, message, close[0] if close else None)


def _out_of_bounds(path: Path, detail: ErrorDetails) -> str:
    words, limit = BOUNDS[detail["type"]]
    bound, found = detail["ctx"][limit], detail["input"]
    if isinstance(found, str):
        bound, amount = f"{bound} characters", str(len(found))
    elif isinstance(found, int):
        amount = shown(found)
    else:
        bound, amount = f"{bound} {'entry' if bound == 1 else 'entries'}", str(len(found))
    because = f": {BECAUSE[path]}" if path in BECAUSE and words == "at most" else ""
    return f"expected {words} {bound}, found {amount}{because}"


def _unknown_key(path: Path) -> Found:
    key = str(path[-1])
    section = _section(path[:-1])
    homes = [".".join(map(str, home)) for home in SECTIONS if home and key in _keys(home)]
    # A key that is right elsewhere must be all but right here to be taken for a slip.
    close = get_close_matches(key, _keys(section), n=1, cutoff=0.85 if homes else 0.6)
    if close:
        return Found(path, "unknown key", close[0])
    at_top = ["the top level"] if key in _keys(()) else []
    where = " or ".join(at_top + [f"'{home}'" for home in homes])
    return Found(path, f"unknown key here; it belongs to {where}" if where else "unknown key")


def _section(path: Path) -> Path:
    return ("queue", "<name>") if path[:1] == ("queue",) else path[:1]


def _keys(section: Path) -> Sequence[str]:
    return [str(key.alias) for key in SECTIONS[section].model_fields.values()]
