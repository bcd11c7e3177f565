"""Every failure a user can meet, as one tree.

    HoverError                          exit 1 unless said otherwise
    ├── UsageError                      exit 2: what was asked cannot be done as asked
    │   ├── ProblemsFound               a file is wrong; carries every problem found
    │   │   ├── ManifestError           ... the stage's manifest
    │   │   └── SecretsInvalid          ... the stage's plain secrets
    │   ├── BuildMissing                there is no build to deploy, or it is incomplete
    │   ├── StageMismatch               the build is of another stage than the one named
    │   ├── ProjectError                the project directory is not what a build needs
    │   ├── SecretsMissing              the stage has no such file of secrets
    │   ├── SecretsDamaged              the encrypted secrets are not what was written for the stage
    │   ├── RecordDamaged               a record in the stage's bucket is not what was written there
    │   └── RollbackRefused             the release cannot be gone back to as a whole
    ├── DockerError                     the Docker Engine refused or failed
    │   ├── DockerUnavailable           no engine answers
    │   ├── ImageBuildFailed            a Dockerfile step failed; carries its output
    │   ├── TestsFailed                 the application's own tests failed
    │   ├── ImageUnsafe                 a secret or a developer's file is in the image
    │   └── PushFailed                  the registry did not take the image
    ├── AwsError                        AWS refused or failed; carries AWS's code and request id
    │   ├── CredentialsError            none found, or expired
    │   ├── AccessDenied                the identity may not do this
    │   ├── EndpointUnreachable         no answer from the endpoint
    │   ├── Throttled                   still slowed down after every retry
    │   ├── NotFound                    the thing named does not exist
    │   ├── Conflict                    somebody else changed it first, or it is busy
    │   ├── Rejected                    AWS found the request invalid
    │   └── OutcomeUnknown              the answer was lost: it may have happened or not
    ├── DeployError                     the deploy stopped; nothing live has changed
    │   ├── AssetChanged                a file changed while it was being sent
    │   ├── StackFailed                 CloudFormation failed or rolled back
    │   ├── StackUnusable               the stack is in a state no update can start from
    │   ├── DirectRefused               only the stack can deploy this; carries every reason
    │   ├── QueueTaken                  a queue of this name belongs to another stage
    │   ├── VersionFailed               a function or its new version never became Active
    │   ├── WarmingFailed               the new image cannot boot
    │   ├── CommandFailed               a deploy command failed
    │   ├── HealthFailed                the new version does not answer its health request
    │   └── StepTimedOut                a wait reached its deadline
    ├── LockHeld                        exit 3: another run holds the stage's lock, or has taken it
    ├── ActivationRestored              exit 4: the flip failed and every alias was put back
    ├── ActivationMixed                 exit 5: the flip failed and could not be undone everywhere
    │   └── AliasesElsewhere            ... aliases were moved by somebody else since
    ├── WorkersNotStarted               live, but not all workers, schedules and queues are yet
    ├── OutputLost                      what came of the work could not be written down
    ├── LocalError                      the local AWS cannot be started or used
    └── Interrupted                     exit 130: stopped by a signal; nothing live has changed

A message says what, which and what was found, in lower case without a full stop; the hint says
what to do next. `code` is stable: programs compare it, never the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class HoverError(Exception):
    """A failure with a stable `code`, a message and a `hint` for what to do next."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def details(self) -> Mapping[str, object]:
        """The same failure for machines: JSON-ready, with `code`, `message` and `hint`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


# What was asked


class UsageError(HoverError):
    code = "usage"
    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file: where (1-based line and column), at which path, and why."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        at = f" {self.path}:" if self.path else ""
        did_you_mean = f" (did you mean '{self.suggestion}'?)" if self.suggestion else ""
        return f"{where}:{at} {self.message}{did_you_mean}"


class ProblemsFound(UsageError):
    """A file is wrong. `problems` holds every one found, in the order of the file."""

    code = "problems-found"

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)

    def details(self) -> Mapping[str, object]:
        problems = [vars(problem) for problem in self.problems]
        return {**super().details(), "problems": problems}


class ManifestError(ProblemsFound):
    code = "manifest"


class BuildMissing(UsageError):
    code = "build-missing"


class StageMismatch(UsageError):
    code = "stage-mismatch"


class ProjectError(UsageError):
    code = "project"


class SecretsInvalid(ProblemsFound):
    """A stage's plain secrets are wrong. No problem shows a value, or what may be one."""

    code = "secrets-invalid"


class SecretsMissing(UsageError):
    code = "secrets-missing"


class SecretsDamaged(UsageError):
    code = "secrets-damaged"


class RecordDamaged(UsageError):
    code = "record-damaged"


class RollbackRefused(UsageError):
    code = "rollback-refused"


# Docker


class DockerError(HoverError):
    code = "docker"


class DockerUnavailable(DockerError):
    code = "docker-unavailable"


class ImageBuildFailed(DockerError):
    """A Dockerfile step failed. `output` is the tail of what the step printed."""

    code = "image-build-failed"

    def __init__(self, message: str, *, output: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output = output

    def details(self) -> Mapping[str, object]:
        return {**super().details(), "output": self.output}


class TestsFailed(DockerError):
    code = "tests-failed"
    __test__ = False  # pytest would collect a class of this name


class ImageUnsafe(DockerError):
    code = "image-unsafe"


class PushFailed(DockerError):
    code = "push-failed"


# AWS


class AwsError(HoverError):
    """AWS refused or failed. `operation` is the API call, `aws_code` and `request_id` are AWS's."""

    code = "aws"

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        aws_code: str = "",
        request_id: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.aws_code = aws_code
        self.request_id = request_id

    def details(self) -> Mapping[str, object]:
        return {
            **super().details(),
            "operation": self.operation,
            "aws_code": self.aws_code,
            "request_id": self.request_id,
        }


class CredentialsError(AwsError):
    code = "credentials"


class AccessDenied(AwsError):
    code = "access-denied"


class EndpointUnreachable(AwsError):
    code = "endpoint-unreachable"


class Throttled(AwsError):
    code = "throttled"


class NotFound(AwsError):
    code = "not-found"


class Conflict(AwsError):
    code = "conflict"


class Rejected(AwsError):
    code = "rejected"


class OutcomeUnknown(AwsError):
    code = "outcome-unknown"


# The deploy, before activation: nothing live has changed


class DeployError(HoverError):
    code = "deploy"


class AssetChanged(DeployError):
    code = "asset-changed"


class StackFailed(DeployError):
    """CloudFormation failed or rolled back. `reasons`: the failing resources, of this operation."""

    code = "stack-failed"

    def __init__(
        self, message: str, *, reasons: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)

    def details(self) -> Mapping[str, object]:
        return {**super().details(), "reasons": list(self.reasons)}


class StackUnusable(DeployError):
    code = "stack-unusable"


class DirectRefused(DeployError):
    """More than the image would change, so the direct lane is not for it. `reasons`: each one."""

    code = "direct-refused"

    def __init__(self, message: str, *, reasons: Sequence[str], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)

    def details(self) -> Mapping[str, object]:
        return {**super().details(), "reasons": list(self.reasons)}


class QueueTaken(DeployError):
    code = "queue-taken"


class VersionFailed(DeployError):
    code = "version-failed"


class WarmingFailed(DeployError):
    code = "warming-failed"


class CommandFailed(DeployError):
    """A deploy command failed. `exit_status` is its own; None when its outcome is not known."""

    code = "command-failed"

    def __init__(self, message: str, *, exit_status: int | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_status = exit_status

    def details(self) -> Mapping[str, object]:
        return {**super().details(), "exit_status": self.exit_status}


class HealthFailed(DeployError):
    code = "health-failed"


class StepTimedOut(DeployError):
    code = "timed-out"


# Around and after activation


class LockHeld(HoverError):
    code = "lock-held"
    exit_code = 3


class ActivationRestored(HoverError):
    code = "activation-restored"
    exit_code = 4


class ActivationMixed(HoverError):
    """`live` tells, for every function, the version its alias points to now (None: not known)."""

    code = "activation-mixed"
    exit_code = 5

    def __init__(
        self, message: str, *, live: Mapping[str, str | None], hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.live = dict(live)

    def details(self) -> Mapping[str, object]:
        return {**super().details(), "live": self.live}


class AliasesElsewhere(ActivationMixed):
    """Of an interrupted activation, aliases that are neither where they were nor where they go."""

    code = "aliases-elsewhere"


class WorkersNotStarted(HoverError):
    code = "workers-not-started"


class OutputLost(HoverError):
    code = "output-lost"


class LocalError(HoverError):
    code = "local"


class Interrupted(HoverError):
    code = "interrupted"
    exit_code = 130
