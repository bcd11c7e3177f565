"""What a single value of the manifest may be: AWS's own limits and spellings, as types."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from hover_async.manifest.document import shown

SHELL_OPERATORS = {"&&", "||", "|", ";", "&", ">", ">>", "<"}


@dataclass(frozen=True)
class Matching:
    """Text in full accord with `pattern` (of ASCII, unless `unicode`); else it "is not `what`"."""

    pattern: str
    what: str
    unicode: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # An editor's \w is of ASCII: what may be in other alphabets is written out, a bit too wide.
        letters = "A-Za-z0-9_\u0080-\U0010ffff"
        pattern = self.pattern.replace(r"\w", letters) if self.unicode else self.pattern
        return {**handler(schema), "pattern": f"^(?:{pattern})$"}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, 0 if self.unicode else re.ASCII):
            raise ValueError(f"{shown(value)} is not {self.what}")
        return value


@dataclass(frozen=True)
class NoneOf:
    """Text that does not match `pattern`; else it "is `why`"."""

    pattern: str
    why: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        made = handler(schema)
        none_of = {"not": {"pattern": f"^(?:{self.pattern})$"}}
        return {**made, "allOf": [*made.get("allOf", ()), none_of]}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} is {self.why}")
        return value


@dataclass(frozen=True)
class DeployCommand:
    """An artisan command: as the user wrote it, and as the argument vector that is run."""

    text: str
    argv: tuple[str, ...]


def _split_command(written: object) -> DeployCommand:
    """Words as a POSIX shell splits them, and nothing else that a shell does."""
    if not isinstance(written, str):
        raise ValueError(f"expected a command, found {shown(written)}")  # noqa: TRY004 - pydantic's own
    try:
        words = shlex.split(written)
    except ValueError as error:
        raise ValueError(f"{shown(written)} cannot be split into words: {error}") from error
    if words[:1] == ["php"]:
        if words[1:2] != ["artisan"]:
            raise ValueError(f"{shown(written)} is not an artisan command; only those can be run")
        words = words[1:]
    if words[:1] == ["artisan"]:
        words = words[1:]
    if not words or not words[0]:
        raise ValueError(f"{shown(written)} names no artisan command")
    if operator := next((word for word in words if word in SHELL_OPERATORS), None):
        raise ValueError(
            f"{shown(written)} has a '{operator}', but no shell reads it; make two commands of it"
        )
    if "\0" in written:
        raise ValueError(f"{shown(written)} has a NUL, which no argument may have")
    return DeployCommand(written, tuple(words))


def _without_nul(value: str) -> str:
    """The value itself is never shown: somebody may have put a secret there."""
    if "\0" in value:
        raise ValueError("there is a NUL in it, which no variable may hold")
    return value


def _list_of_seconds(written: object) -> object:
    """`5`, `"5, 10"` and `[5, 10]` are all lists of seconds; Laravel's worker takes the second."""
    if isinstance(written, str):
        if not re.fullmatch(r"\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*", written, re.ASCII):
            raise ValueError(f"expected seconds, such as 5 or '5, 10', found {shown(written)}")
        return [int(seconds) for seconds in written.split(",")]
    return [written] if isinstance(written, int) and not isinstance(written, bool) else written


def _list_of_words(written: object) -> object:
    """`a, b` in one text is a list, too: so the predecessor has it."""
    return [word.strip() for word in written.split(",")] if isinstance(written, str) else written


SWITCH = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def _switch(written: object) -> object:
    """`on` is a word to YAML 1.2, which editors know, and true to YAML 1.1, which is read here."""
    return SWITCH.get(written, written) if isinstance(written, str) else written


Switch = Annotated[
    bool,
    BeforeValidator(_switch),
    WithJsonSchema({"enum": [True, False, *SWITCH]}),
]
Memory = Annotated[int, Field(ge=128, le=10_240)]
Concurrency = Annotated[int, Field(ge=1)]
Storage = Annotated[int, Field(ge=512, le=10_240)]
MAX_TIMEOUT_S = 900
LambdaTimeout = Annotated[int, Field(ge=1, le=MAX_TIMEOUT_S)]
HttpTimeout = Annotated[int, Field(ge=1, le=30)]
"""API Gateway waits 30 s, and the runtime answers 504 a second before its function's end."""
_SECONDS = {"type": "integer", "minimum": 0, "maximum": 43_200}
Backoff = Annotated[
    tuple[Annotated[int, Field(ge=0, le=43_200)], ...],
    BeforeValidator(_list_of_seconds),
    Field(strict=False, min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                _SECONDS,
                {"type": "string", "pattern": r"^\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*$"},
                {"type": "array", "items": _SECONDS, "minItems": 1},
            ]
        }
    ),
]
"""Seconds before each next try; SQS hides a message for 12 hours at most."""

Name = Annotated[
    str,
    Field(max_length=56),
    Matching(
        r"[a-z](-?[a-z0-9])+",
        "a stage's name: lower-case letters, digits and single dashes, a letter first",
    ),
    NoneOf(r"(sthree|amzn-s3-demo)-.*", "a name that S3 keeps for itself"),
]
"""56 characters: with `-assets` behind it the name is a bucket's, and those end at 63."""
Region = Annotated[
    str, Matching(r"[a-z]{2,4}(-[a-z]+)+-\d", "an AWS region, such as 'eu-central-1'")
]
RoleArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}",
        "the ARN of an IAM role, such as 'arn:aws:iam::123456789012:role/NAME'",
    ),
]
SecretsKey = Annotated[
    str,
    Matching(
        r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?alias/[A-Za-z0-9/_-]{1,250}|"
        r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
        "a KMS key: 'alias/NAME', the id of a key, or an ARN",
    ),
    NoneOf(r"(.*:)?alias/aws/.*", "AWS's own key, which no function may use"),
]
CertificateArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate/[\w-]+",
        "the ARN of a certificate in us-east-1, where CloudFront looks for it",
    ),
]
TopicArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}",
        "the ARN of an SNS topic, such as 'arn:aws:sns:eu-central-1:123456789012:NAME'",
    ),
]
Profile = Annotated[str, Matching(r"[^\s\[\]](.*[^\s\[\]])?", "the name of an AWS profile")]
Dockerfile = Annotated[
    str,
    Matching(
        r"(?!/)(?!.*(^|/)\.\.?(/|$))[^\0\n\r\\]+", "the path of a Dockerfile below .hover", True
    ),
]
VariableName = Annotated[
    str,
    Matching(r"[A-Za-z_]\w{0,255}", "a name for a variable"),
    NoneOf(r"HOVER_.*", "hover-async's own: choose another name"),
    NoneOf(
        r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_LAMBDA_.*|"
        r"AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|"
        r"LAMBDA_(TASK_ROOT|RUNTIME_DIR)",
        "set by AWS Lambda itself: leave it out",
    ),
]
"""Lambda's reserved names only: AWS_BUCKET and AWS_URL are the application's to set."""
VariableValue = Annotated[
    str,
    AfterValidator(_without_nul),
    Field(max_length=100_000),
]
"""Linux hands a process no variable of 128 KiB or more."""
QueueName = Annotated[
    str,
    Matching(r"[A-Za-z0-9_-]{1,75}(\.fifo)?", "a queue's name: letters, digits, - and _"),
]
QueueFunctionName = Annotated[
    str, Matching(r"[A-Za-z0-9][A-Za-z0-9_-]*", "a function's name: letters, digits, - and _")
]
UrlPath = Annotated[str, Matching(r"/[!-~]*", "a path that begins with /")]
_DOMAIN = r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
Domain = Annotated[
    str,
    Field(max_length=253),
    Matching(
        _DOMAIN,
        "a domain name in lower-case letters, such as 'www.example.com'",
    ),
]
Domains = Annotated[
    tuple[Domain, ...],
    BeforeValidator(_list_of_words),
    Field(strict=False, max_length=100),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_DOMAIN}(\\s*,\\s*{_DOMAIN})*$"},
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 253, "pattern": f"^{_DOMAIN}$"},
                    "maxItems": 100,
                },
            ]
        }
    ),
]
SecurityGroup = Annotated[str, Matching(r"sg-[0-9a-f]{8,17}", "the id of a security group")]
Subnet = Annotated[str, Matching(r"subnet-[0-9a-f]{8,17}", "the id of a subnet")]
TagName = Annotated[
    str,
    Matching(r"[\w .:/=+@-]{1,128}", "a tag's name of at most 128 letters and digits", True),
    NoneOf(r"[Aa][Ww][Ss]:.*", "AWS's own: a tag may not begin with 'aws:'"),
]
TagValue = Annotated[
    str, Matching(r"[\w .:/=+@-]{0,256}", "a tag's value of at most 256 letters and digits", True)
]
HeaderValue = Annotated[
    str, Matching(r"[!-~]([ -~]*[!-~])?", "the value of a Cache-Control header")
]
Command = Annotated[
    DeployCommand, BeforeValidator(_split_command), WithJsonSchema({"type": "string"})
]
