"""The manifest's keys and their defaults. What each value may be is in `fields.py`."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from hover_async.manifest import fields as of
from hover_async.manifest.names import logical_id, queue_function
from hover_async.values import Architecture, FunctionName, FunctionSpec, Lane, Role

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
        use_attribute_docstrings=True,  # they are what an editor shows: see schema.py
        validate_by_name=False,
    )


class Auth(_Section):
    """Two IAM roles that exist already, and the key of the secrets."""

    stack_role: of.RoleArn
    """What CloudFormation acts as."""
    lambda_role: of.RoleArn
    """What the functions act as."""
    secrets_key: of.SecretsKey | None = None
    """The KMS key that the stage's secrets are encrypted with; left out, 'alias/<name>-secrets'."""


class Vpc(_Section):
    """The network that functions run in; they reach nothing outside it without a way out."""

    security_groups: Annotated[
        tuple[of.SecurityGroup, ...], _List, Field(min_length=1, max_length=5)
    ]
    """The security groups of the functions."""
    subnets: Annotated[tuple[of.Subnet, ...], _List, Field(min_length=1, max_length=16)]
    """The subnets that the functions run in."""


class Http(_Section):
    """The function that answers visitors."""

    memory: of.Memory = 1024
    """MB; Lambda gives processor time in proportion to it."""
    timeout: of.HttpTimeout = 28
    """Seconds; API Gateway waits no longer than 30."""
    warm: Annotated[int, Field(ge=0, le=1000)] = 3
    """Containers that a deploy starts before the flip, and that are kept ready."""
    concurrency: of.Concurrency | None = None
    """Reserved for this function, and the most it may have."""
    domains: of.Domains = ()
    """Your own domains, as a list or with commas between; they need 'certificate' as well."""
    certificate: of.CertificateArn | None = None
    """The certificate of 'domains', in us-east-1: CloudFront looks for it there."""
    health: of.UrlPath | None = None
    """A path that must answer 2xx or 3xx before the flip, as '/up'."""
    access_log: of.Switch = True
    """A line for each request in the log group '/aws/vendedlogs/apis/<name>'."""


class Cli(_Section):
    """The function that runs artisan: deploy commands, and the scheduler each minute."""

    memory: of.Memory = 1024
    """MB; Lambda gives processor time in proportion to it."""
    timeout: of.LambdaTimeout = 600
    """Seconds, for each deploy command and each run of the scheduler."""
    concurrency: of.Concurrency | None = None
    """Reserved for this function, and the most it may have."""
    schedule: of.Switch = True
    """Whether 'artisan schedule:run' runs every minute."""


class QueueSpec(_Section):
    """A function that works on one or more queues, as 'artisan queue:work' would."""

    memory: of.Memory = 1024
    """MB; Lambda gives processor time in proportion to it."""
    timeout: of.LambdaTimeout = 60
    """Seconds for each job, as 'queue:work --timeout'."""
    concurrency: of.Concurrency | None = None
    """Reserved for this function, and the most it may have."""
    tries: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often a job is tried, unless it says so itself."""
    backoff: of.Backoff = (0,)
    """Seconds before each next try: a number, a list, or '5, 30'."""
    queues: Annotated[tuple[of.QueueName, ...], _List, Field(min_length=1)] = ()
    """The queues, in the application's words; left out, the one of the function's own name."""
    batch: Annotated[int, Field(ge=1, le=10)] = 1
    """Messages handed over at a time."""
    max_concurrency: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Messages, or batches, at once; without reserving."""
    dead_letter: of.Switch = False
    """Whether a job that failed for good is sent to '<queue>-<name>-dead', too."""

    @property
    def batch_timeout(self) -> int:
        """Seconds for all messages that are handed over together: the function's own timeout."""
        return self.timeout * self.batch


class Deploy(_Section):
    """How a deploy goes about it."""

    code: Annotated[Lane, Field(strict=False)] = Lane.STACK
    """How functions get a new image: by the 'stack', or 'direct' where nothing else changes."""


class Alarms(_Section):
    """Whom to tell of failures: of functions, of jobs that failed for good, of answers of 5xx."""

    topic: of.TopicArn
    """The SNS topic that the alarms tell, in the stage's own region."""


class Assets(_Section):
    """How browsers may keep what a build has compiled."""

    cache_control: Mapping[Annotated[str, Field(min_length=1)], of.HeaderValue] = Field(
        default_factory=dict
    )
    """A glob over an asset's path to its Cache-Control header; the first that matches decides."""

    def cache_control_for(self, path: str) -> str:
        """The Cache-Control header of the asset at `path`: the first glob that matches decides."""
        matching = (
            header for glob, header in self.cache_control.items() if fnmatchcase(path, glob)
        )
        return next(matching, IMMUTABLE)


class Manifest(_Section):
    """A stage: everything that its build and its deploy are told by the user."""

    name: of.Name
    """The stack, and the beginning of every name on AWS. Never change it."""
    region: of.Region
    """The AWS region, as 'eu-central-1'."""
    aws_profile: of.Profile | None = None
    """A profile of the AWS configuration; left out, the environment's credentials."""
    dockerfile: of.Dockerfile = "Dockerfile"
    """In .hover/."""
    build_args: Mapping[of.VariableName, of.VariableValue] = Field(default_factory=dict)
    """Arguments of the Dockerfile. Never secrets."""
    environment: Mapping[of.VariableName, of.VariableValue] = Field(default_factory=dict)
    """What the application reads with env(). It travels in the image: never secrets."""
    auth: Auth
    vpc: Vpc | None = None
    deploy_commands: Annotated[tuple[of.Command, ...], _List] = ()
    """Artisan commands, in order, on the new version before it goes live."""
    deploy: Deploy = Field(default_factory=Deploy)
    http: Http = Field(default_factory=Http)
    cli: Cli = Field(default_factory=Cli)
    queues: Annotated[Mapping[of.QueueFunctionName, QueueSpec], AfterValidator(_named_queues)] = (
        Field(default_factory=dict, alias="queue")
    )
    """Each entry is a function of its own and works on one or more queues."""
    architecture: Annotated[Architecture, Field(strict=False)] = Architecture.X86_64
    """The processor that the image is built for and runs on."""
    ephemeral_storage: of.Storage = 512
    """MB of /tmp."""
    log_retention: int = 30
    """Days that CloudWatch keeps the logs."""
    tags: Annotated[Mapping[of.TagName, of.TagValue], Field(max_length=50)] = Field(
        default_factory=dict
    )
    """On everything that the stage has on AWS."""
    retain: Annotated[int, Field(ge=1, le=100)] = 5
    """Builds that are kept for a rollback."""
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
    def secrets_key(self) -> str:
        """The KMS key of the stage's secrets: an alias, an id or an ARN."""
        return self.auth.secrets_key or f"alias/{self.name}-secrets"

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
