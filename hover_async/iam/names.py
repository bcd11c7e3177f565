"""The ARNs of everything that a stage has on AWS, as narrow as its names allow.

Where the patterns have a `*`, it stands for what changes over the life of a stage: a queue that is
added or removed with the next manifest must not need another policy first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from hover_async.manifest import Manifest
from hover_async.manifest.names import DEAD, FIFO, access_log_group

NESTED = "Workers"
"""How the logical id of every nested stack begins (`template/split.py`)."""
LONGEST_STACK_PART = 24
"""Where CloudFormation makes up a name of at most 64 characters, this much of the stack's stays."""


@dataclass(frozen=True)
class Names:
    """Of one stage in one account. `account` may be a placeholder, as `${AWS::AccountId}`."""

    manifest: Manifest
    account: str
    partition: str

    @classmethod
    def of(cls, manifest: Manifest, account: str | None = None) -> Self:
        """In the account (or `account`) and partition of the manifest's roles."""
        _, partition, _, _, owner, *_ = manifest.auth.stack_role.split(":")
        return cls(manifest, account or owner, partition)

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        where = self.manifest.region if region else ""
        whose = self.account if account else ""
        return f"arn:{self.partition}:{service}:{where}:{whose}:{resource}"

    @property
    def stack_role(self) -> str:
        return self._role(self.manifest.auth.stack_role)

    @property
    def lambda_role(self) -> str:
        return self._role(self.manifest.auth.lambda_role)

    def _role(self, arn: str) -> str:
        return self.arn("iam", arn.split(":", 5)[5], region=False)

    # S3

    @property
    def bucket(self) -> str:
        return self.arn("s3", self.manifest.bucket, region=False, account=False)

    @property
    def assets(self) -> str:
        """Every build's directory: a build id begins with `b`."""
        return f"{self.bucket}/b*"

    @property
    def records(self) -> str:
        return f"{self.bucket}/hover/*"

    @property
    def templates(self) -> str:
        """Those of nested stacks, and of a stack whose own is large."""
        return f"{self.bucket}/hover/templates/*"

    # ECR

    @property
    def repository(self) -> str:
        return self.arn("ecr", f"repository/{self.manifest.repository}")

    # CloudFormation

    @property
    def stack(self) -> str:
        return self.arn("cloudformation", f"stack/{self.manifest.stack_name}/*")

    @property
    def nested_stacks(self) -> str:
        """CloudFormation names a nested stack after the one it is in, and its logical id there."""
        return self.arn("cloudformation", f"stack/{self.manifest.stack_name}-{NESTED}*/*")

    # Lambda

    @property
    def functions(self) -> Sequence[str]:
        """The http and the cli function, and any queue function, now or later."""
        name = self.manifest.name
        return [self.function(f"{name}-{end}") for end in ("http", "cli", "*-queue")]

    @property
    def versions(self) -> Sequence[str]:
        """Their versions and aliases."""
        return [f"{function}:*" for function in self.functions]

    def function(self, name: str) -> str:
        return self.arn("lambda", f"function:{name}")

    @property
    def consumers(self) -> str:
        return self.arn("lambda", "event-source-mapping:*")

    # Logs

    @property
    def log_groups(self) -> Sequence[str]:
        """Of every function, now or later, and the API's access log; and what is in them."""
        name = self.manifest.name
        groups = [f"log-group:/aws/lambda/{name}-{end}" for end in ("http", "cli", "*-queue")]
        groups.append(f"log-group:{access_log_group(name)}")
        return [self.arn("logs", f"{group}{of}") for group in groups for of in ("", ":*")]

    # SQS

    @property
    def any_queues(self) -> Sequence[str]:
        """Queues of this stage, now or later, with their dead letters."""
        name = self.manifest.name
        ends = (name, f"{name}{FIFO}", f"{name}{DEAD}", f"{name}{DEAD}{FIFO}")
        return [self.arn("sqs", f"*-{end}") for end in ends]

    def queue(self, name: str) -> str:
        return self.arn("sqs", name)

    # KMS

    def key(self, name: str) -> tuple[str, Mapping[str, Mapping[str, str]]]:
        """A key by its ARN, id or alias: the resource, and what must hold of it.

        IAM takes no alias for a key, but can ask for the aliases that a key has.
        """
        if ":key/" in name:
            return name, {}
        if "alias/" not in name:
            return self.arn("kms", f"key/{name}"), {}
        alias = name[name.index("alias/") :]
        return self.any_key, {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}

    @property
    def any_key(self) -> str:
        """KMS makes up the ids of keys."""
        return self.arn("kms", "key/*")

    # CloudWatch

    @property
    def alarms(self) -> str:
        """CloudFormation names them after the stack, or after the nested one they are in."""
        return self.arn("cloudwatch", f"alarm:{self.manifest.stack_name}-*")

    # Events, API Gateway, CloudFront

    @property
    def rules(self) -> str:
        """CloudFormation names them after the stack."""
        return self.arn("events", f"rule/{self.manifest.stack_name[:LONGEST_STACK_PART]}*")

    @property
    def apis(self) -> Sequence[str]:
        """API Gateway makes up an API's id, so no name can be narrower."""
        paths = ("/apis", "/apis/*", "/tags/*")
        return [self.arn("apigateway", path, account=False) for path in paths]

    @property
    def distributions(self) -> str:
        return self.arn("cloudfront", "distribution/*", region=False)

    @property
    def origin_accesses(self) -> str:
        return self.arn("cloudfront", "origin-access-control/*", region=False)

    @property
    def host_function(self) -> str:
        return self.arn("cloudfront", f"function/{self.manifest.name}-host", region=False)
