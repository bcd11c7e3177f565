"""The manifest's keys, their defaults and their ranges; AWS's limits where a range is AWS's."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
)

from hover_async.values import Architecture, FunctionName, FunctionSpec, Role

IMMUTABLE = "public, max-age=31536000, immutable"


class DeployCommand(NamedTuple):
    """An artisan command: as the user wrote it, and as the argument vector that is run."""

    text: str
    argv: tuple[str, ...]


def _split_command(written: object) -> DeployCommand:
    if not isinstance(written, str):
        raise ValueError(f"expected a command, found {written!r}")  # noqa: TRY004 - pydantic's own
    try:
        words = shlex.split(written)
    except ValueError as error:
        raise ValueError(f"'{written}' cannot be split into words: {error}") from error
    for prefix in ("php", "artisan"):
        if words and words[0] == prefix:
            words = words[1:]
    if not words:
        raise ValueError(f"'{written}' names no artisan command")
    return DeployCommand(written, tuple(words))


def _text(written: object) -> object:
    """YAML reads `true` and `8` as what they are; a variable's value is text."""
    if isinstance(written, bool):
        return "true" if written else "false"
    return str(written) if isinstance(written, int | float) else written


def _matching(pattern: str, what: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise ValueError(f"'{value}' is not {what}")
        return value

    return BeforeValidator(check)


Memory = Annotated[int, Field(ge=128, le=10_240)]
Concurrency = Annotated[int, Field(ge=0)]
Name = Annotated[
    str,
    StringConstraints(max_length=56),
    _matching(r"[a-z](-?[a-z0-9])+", "a name of lower-case letters, digits and single dashes"),
]
Region = Annotated[str, _matching(r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region, as 'eu-central-1'")]
RoleArn = Annotated[
    str,
    _matching(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", "the ARN of an IAM role"),
]
CertificateArn = Annotated[
    str,
    _matching(
        r"arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate/[\w-]+",
        "the ARN of a certificate in us-east-1, where CloudFront looks for it",
    ),
]
Text = Annotated[str, BeforeValidator(_text)]
VariableName = Annotated[
    str,
    _matching(r"[A-Za-z_]\w*", "a name for a variable"),
    _matching(
        r"(?!AWS_|HOVER_|_HANDLER$|LAMBDA_).*", "free: AWS and hover-async set it themselves"
    ),
]
QueueName = Annotated[
    str, _matching(r"[A-Za-z0-9_-]{1,60}(\.fifo)?", "a queue's name: letters, digits, - and _")
]
QueueFunctionName = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9_-]*", "a name of letters, digits, - and _")
]
UrlPath = Annotated[str, _matching(r"/[!-~]*", "a path that begins with /")]
Domain = Annotated[
    str, _matching(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", "a domain name")
]
SecurityGroup = Annotated[str, _matching(r"sg-[0-9a-f]{8,17}", "the id of a security group")]
Subnet = Annotated[str, _matching(r"subnet-[0-9a-f]{8,17}", "the id of a subnet")]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class _Section(BaseModel):
    model_config = ConfigDict(
        alias_generator=_dashed,
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_by_name=False,
    )


class Auth(_Section):
    """`stack_role`: what CloudFormation acts as. `lambda_role`: what the functions act as."""

    stack_role: RoleArn
    lambda_role: RoleArn


class Vpc(_Section):
    security_groups: Annotated[tuple[SecurityGroup, ...], Field(min_length=1, strict=False)]
    subnets: Annotated[tuple[Subnet, ...], Field(min_length=1, strict=False)]


class Http(_Section):
    """The function that answers visitors. API Gateway waits 30 s, so it must end before."""

    memory: Memory = 1024
    timeout: Annotated[int, Field(ge=1, le=29)] = 28
    warm: Annotated[int, Field(ge=0, le=1000)] = 3
    concurrency: Annotated[int, Field(ge=1)] | None = None
    domains: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    certificate: CertificateArn | None = None
    health: UrlPath | None = None


class Cli(_Section):
    """The function that runs artisan: deploy commands, and the scheduler each minute."""

    memory: Memory = 1024
    timeout: Annotated[int, Field(ge=1, le=900)] = 600
    concurrency: Annotated[int, Field(ge=1)] | None = None
    schedule: bool = True


class QueueSpec(_Section):
    """A function that works on one or more queues, as `artisan queue:work` would."""

    memory: Memory = 1024
    timeout: Annotated[int, Field(ge=1, le=900)] = 60
    concurrency: Annotated[int, Field(ge=1)] | None = None
    tries: Annotated[int, Field(ge=1, le=1000)] = 3
    backoff: Annotated[
        tuple[Annotated[int, Field(ge=0, le=43_200)], ...],
        BeforeValidator(lambda written: (written,) if isinstance(written, int) else written),
        Field(strict=False),
    ] = (5, 30)
    queues: Annotated[tuple[QueueName, ...], Field(strict=False)] = ()
    batch: Annotated[int, Field(ge=1, le=10)] = 1
    max_concurrency: Annotated[int, Field(ge=2, le=1000)] | None = None
    dead_letter: bool = False


class Assets(_Section):
    """`cache_control` maps a glob over an asset's path to the header it gets instead."""

    cache_control: Mapping[str, str] = Field(default_factory=dict)

    def cache_control_for(self, path: str) -> str:
        """The first glob that matches decides; a build's directory never changes, so: immutable."""
        matching = (
            header for glob, header in self.cache_control.items() if fnmatchcase(path, glob)
        )
        return next(matching, IMMUTABLE)


class Manifest(_Section):
    """A stage: everything that its build and its deploy are told by the user."""

    name: Name
    region: Region
    aws_profile: str | None = None
    dockerfile: str = "Dockerfile"
    build_args: Mapping[str, Text] = Field(default_factory=dict)
    environment: Mapping[VariableName, Text] = Field(default_factory=dict)
    auth: Auth
    vpc: Vpc | None = None
    deploy_commands: Annotated[
        tuple[Annotated[DeployCommand, BeforeValidator(_split_command)], ...], Field(strict=False)
    ] = ()
    http: Http = Field(default_factory=Http)
    cli: Cli = Field(default_factory=Cli)
    queue: Mapping[QueueFunctionName, QueueSpec] = Field(default_factory=dict)
    architecture: Annotated[Architecture, Field(strict=False)] = Architecture.X86_64
    ephemeral_storage: Annotated[int, Field(ge=512, le=10_240)] = 512
    log_retention: int = 30
    tags: Mapping[str, Text] = Field(default_factory=dict)
    retain: Annotated[int, Field(ge=1, le=100)] = 5
    assets: Assets = Field(default_factory=Assets)

    _as_written: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def written_as(self, keys: Any) -> Self:
        """This manifest, knowing the user's own keys and values."""
        self._as_written = keys
        return self

    @property
    def as_written(self) -> Mapping[str, Any]:
        """The user's own keys and values, JSON-ready."""
        return self._as_written

    @property
    def stack_name(self) -> str:
        return self.name

    @property
    def repository(self) -> str:
        return self.name

    @property
    def bucket(self) -> str:
        return f"{self.name}-assets"

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        """Every function of the stage: http, cli, then the queues' in the order of the file."""
        return (
            FunctionSpec(FunctionName(f"{self.name}-http"), Role.HTTP, "Http"),
            FunctionSpec(FunctionName(f"{self.name}-cli"), Role.CLI, "Cli"),
            *(
                FunctionSpec(self.queue_function(queue), Role.QUEUE, logical_id("Queue", queue))
                for queue in self.queue
            ),
        )

    def queue_function(self, queue: str) -> FunctionName:
        return FunctionName(f"{self.name}-{queue}-queue")

    def queues_of(self, function: str) -> tuple[str, ...]:
        """The queues that a queue function works on, in the manifest's words."""
        return self.queue[function].queues or (function,)

    def queue_name(self, queue: str) -> str:
        """The name on SQS: `default-<name>`, `default-<name>.fifo` for a FIFO queue."""
        base, fifo, _ = queue.partition(".fifo")
        return f"{base}-{self.name}{fifo}"


def logical_id(kind: str, name: str) -> str:
    """A CloudFormation logical id (letters and digits), another one for every other name.

    A name that is no plain lower-case word gets a digest behind it, so that `a-b`, `a_b` and `Ab`
    stay apart.
    """
    word = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))
    if re.fullmatch(r"[a-z][a-z0-9]*", name):
        return f"{kind}{word}"
    return f"{kind}{word[:40]}{hashlib.sha256(name.encode()).hexdigest()[:8]}"
