"""The manifest's keys and their defaults. What each value may be is in `fields.py`."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from hover_async.manifest import fields as of
from hover_async.manifest.names import logical_id, queue_function
from hover_async.values import Architecture, FunctionName, FunctionSpec, Role

IMMUTABLE = "public, max-age=31536000, immutable"
"""A build's directory never changes, so a browser may keep what it got for a year."""


def _named_queues(specs: Mapping[str, QueueSpec]) -> Mapping[str, QueueSpec]:
    """A queue function that lists no queues works on the one of its own name."""
    return {
        key: spec if spec.queues else spec.model_copy(update={"queues": (key,)})
        for key, spec in specs.items()
    }


_List = Field(strict=False)
"""YAML has lists, a frozen value has tuples."""


class _Section(BaseModel):
    model_config = ConfigDict(
        alias_generator=lambda name: name.replace("_", "-"),
        extra="forbid",
        frozen=True,
        strict=True,
        validate_by_name=False,
    )


class Auth(_Section):
    """`stack_role`: what CloudFormation acts as. `lambda_role`: what the functions act as."""

    stack_role: of.RoleArn
    lambda_role: of.RoleArn


class Vpc(_Section):
    """The network that functions run in; they reach nothing outside it without a way out."""

    security_groups: Annotated[
        tuple[of.SecurityGroup, ...], _List, Field(min_length=1, max_length=5)
    ]
    subnets: Annotated[tuple[of.Subnet, ...], _List, Field(min_length=1, max_length=16)]


class Http(_Section):
    """The function that answers visitors."""

    memory: of.Memory = 1024
    timeout: of.HttpTimeout = 28
    warm: Annotated[int, Field(ge=0, le=1000)] = 3
    concurrency: of.Concurrency | None = None
    domains: Annotated[tuple[of.Domain, ...], _List, Field(max_length=100)] = ()
    certificate: of.CertificateArn | None = None
    health: of.UrlPath | None = None
    access_log: bool = True


class Cli(_Section):
    """The function that runs artisan: deploy commands, and the scheduler each minute."""

    memory: of.Memory = 1024
    timeout: of.LambdaTimeout = 600
    concurrency: of.Concurrency | None = None
    schedule: bool = True


class QueueSpec(_Section):
    """A function that works on one or more queues, as `artisan queue:work` would, whose defaults
    for `tries` and `backoff` these are.

    With `dead_letter`, SQS moves a message to `<queue>-<name>-dead` after `tries` receives.
    """

    memory: of.Memory = 1024
    timeout: of.LambdaTimeout = 60
    concurrency: of.Concurrency | None = None
    tries: Annotated[int, Field(ge=1, le=1000)] = 1
    backoff: of.Backoff = (0,)
    queues: Annotated[tuple[of.QueueName, ...], _List, Field(min_length=1)] = ()
    batch: Annotated[int, Field(ge=1, le=10)] = 1
    max_concurrency: Annotated[int, Field(ge=2, le=1000)] | None = None
    dead_letter: bool = False


class Alarms(_Section):
    """Whom to tell of failures: of functions, of jobs that failed for good, of answers of 5xx."""

    topic: of.TopicArn


class Assets(_Section):
    """`cache_control` maps a glob over an asset's path to the header it gets instead."""

    cache_control: Mapping[Annotated[str, Field(min_length=1)], of.HeaderValue] = Field(
        default_factory=dict
    )

    def cache_control_for(self, path: str) -> str:
        """The Cache-Control header of the asset at `path`: the first glob that matches decides."""
        matching = (
            header for glob, header in self.cache_control.items() if fnmatchcase(path, glob)
        )
        return next(matching, IMMUTABLE)


class Manifest(_Section):
    """A stage: everything that its build and its deploy are told by the user."""

    name: of.Name
    region: of.Region
    aws_profile: of.Profile | None = None
    dockerfile: of.Dockerfile = "Dockerfile"
    build_args: Mapping[of.VariableName, of.VariableValue] = Field(default_factory=dict)
    environment: Mapping[of.VariableName, of.VariableValue] = Field(default_factory=dict)
    auth: Auth
    vpc: Vpc | None = None
    deploy_commands: Annotated[tuple[of.Command, ...], _List] = ()
    http: Http = Field(default_factory=Http)
    cli: Cli = Field(default_factory=Cli)
    queues: Annotated[Mapping[of.QueueFunctionName, QueueSpec], AfterValidator(_named_queues)] = (
        Field(default_factory=dict, alias="queue")
    )
    architecture: Annotated[Architecture, Field(strict=False)] = Architecture.X86_64
    ephemeral_storage: of.Storage = 512
    log_retention: int = 30
    tags: Annotated[Mapping[of.TagName, of.TagValue], Field(max_length=50)] = Field(
        default_factory=dict
    )
    retain: Annotated[int, Field(ge=1, le=100)] = 5
    assets: Assets = Field(default_factory=Assets)
    alarms: Alarms | None = None

    _as_written: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def written_as(self, keys: Mapping[str, Any]) -> Self:
        """This manifest, knowing the user's own keys and values."""
        self._as_written = keys
        return self

    @property
    def as_written(self) -> Mapping[str, Any]:
        """The user's own keys and values, JSON-ready; without defaults."""
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
            *(self.queue_function(key) for key in self.queues),
        )

    def queue_function(self, key: str) -> FunctionSpec:
        """The function of `queue.<key>`."""
        return FunctionSpec(queue_function(self.name, key), Role.QUEUE, logical_id("Queue", key))
