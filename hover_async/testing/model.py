"""How long AWS takes, and how many requests a second: a model, drawn by seed.

The figures and where they come from are in docs/simulation.md. Every duration is lognormal and
drawn by what it is of: the third UpdateAlias of a function takes the same time in every run of one
seed, whoever sends it and whenever. So two ways to deploy meet the same AWS, and a lower bound can
be computed from the very draws that a run will meet.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from anyio import current_time

NORMAL = NormalDist()
Z99 = NORMAL.inv_cdf(0.99)


@dataclass(frozen=True)
class Spread:
    """A lognormal duration by its median and its 99th percentile, in seconds."""

    p50_s: float
    p99_s: float

    def at(self, uniform: float) -> float:
        """The duration that a share `uniform` of all draws stays below."""
        sigma = math.log(self.p99_s / self.p50_s) / Z99
        return self.p50_s * math.exp(sigma * NORMAL.inv_cdf(uniform))

    def times(self, factor: float) -> Spread:
        return Spread(self.p50_s * factor, self.p99_s * factor)


@dataclass(frozen=True)
class Quota:
    """Requests a second, and how many at once after a pause."""

    per_s: float
    burst: float


CONTROL_PLANE = "lambda control plane"
REQUESTS: Mapping[str, Spread] = {
    "lambda.GetFunction": Spread(0.06, 0.4),
    "lambda.GetAlias": Spread(0.05, 0.35),
    "lambda.GetFunctionConfiguration": Spread(0.05, 0.35),
    "lambda.GetAccountSettings": Spread(0.05, 0.35),
    "lambda.PublishVersion": Spread(0.3, 1.5),
    "lambda.UpdateAlias": Spread(0.12, 0.8),
    "lambda.UpdateFunctionCode": Spread(0.5, 1.5),
    "lambda.Invoke": Spread(0.06, 0.15),
    "s3.PutObject": Spread(0.03, 0.25),
    "s3.PutObject if": Spread(0.04, 0.3),
    "s3.DeleteObject": Spread(0.04, 0.3),
    "cloudformation.UpdateStack": Spread(0.6, 3.0),
    "cloudformation.CreateStack": Spread(0.6, 3.0),
    "cloudformation.DescribeStacks": Spread(0.2, 1.5),
    "cloudformation.DescribeStackEvents": Spread(0.2, 1.5),
    "cloudformation.ListStackResources": Spread(0.2, 1.5),
}
OTHER_REQUEST = Spread(0.03, 0.25)
"""Small reads of S3, ECR, SQS and Logs: as a small PutObject."""

QUOTAS: Mapping[str, Quota] = {
    CONTROL_PLANE: Quota(15, 15),
    "lambda.GetFunction": Quota(100, 100),
    "lambda.Invoke": Quota(100, 1000),
    "s3 writes": Quota(3500, 3500),
    "ecr.PutImage": Quota(10, 10),
    "cloudformation updates": Quota(2, 2),
    "cloudformation reads": Quota(5, 5),
}
BUCKET_OF: Mapping[str, str] = {
    "lambda.GetFunction": "lambda.GetFunction",
    "lambda.Invoke": "lambda.Invoke",
    "s3.PutObject": "s3 writes",
    "s3.PutObject if": "s3 writes",
    "s3.UploadPart": "s3 writes",
    "cloudformation.UpdateStack": "cloudformation updates",
    "cloudformation.CreateStack": "cloudformation updates",
    "cloudformation.DescribeStacks": "cloudformation reads",
    "cloudformation.DescribeStackEvents": "cloudformation reads",
    "cloudformation.ListStackResources": "cloudformation reads",
    "cloudformation.GetTemplate": "cloudformation reads",
}
THERE = 0.2
"""The share of a request's time after which AWS counts it."""

ACTIVATION = Spread(2.0, 15.0)
"""A published version, from Pending to Active."""
BOOT = Spread(1.2, 4.0)
COMMAND = Spread(3.0, 60.0)
IMAGE_FIXED_S, IMAGE_PER_GB_S = 5.0, 27.0
STACK_FIXED = Spread(12.0, 18.0)
"""What a stack's update takes beside its functions: half before them, half after."""
CLEANUP = Spread(8.0, 12.0)
CREATION = Spread(170.0, 300.0)
"""What a distribution adds to the first stack."""
CALLS_BEFORE_IMAGE, CALLS_AFTER_IMAGE = 3, 5
"""CloudFormation's requests to Lambda for one function, eight in all."""
EVENT_LAG_S = 1.0
PUSH_FIXED_S = 1.5
FASTEST_UPLINK = 200e6


@dataclass
class Bucket:
    """A token bucket: refills evenly, holds no more than its burst."""

    quota: Quota
    tokens: float = 0.0
    at_s: float | None = None
    admitted: int = 0
    refused: int = 0

    def admits(self, now_s: float) -> bool:
        """Take a token if there is one."""
        since_s = 0.0 if self.at_s is None else now_s - self.at_s
        full = self.at_s is None
        refilled = self.quota.burst if full else self.tokens + since_s * self.quota.per_s
        self.tokens, self.at_s = min(refilled, self.quota.burst), now_s
        if self.tokens < 1 - 1e-9:
            self.refused += 1
            return False
        self.tokens -= 1
        self.admitted += 1
        return True


@dataclass(frozen=True)
class Sizes:
    """What is deployed: the image in GB, what of it is new, and the uplink in bytes a second."""

    image_gb: float = 0.5
    new_bytes: float = 60e6
    uplink: float = 12.5e6


@dataclass
class Model:
    """One AWS account and region by seed."""

    seed: int
    sizes: Sizes = Sizes()
    quotas: Mapping[str, Quota] = field(default_factory=lambda: QUOTAS)
    _counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def request_s(self, operation: str, subject: str) -> tuple[float, float]:
        """The next such request: seconds until AWS counts it, and from there to its answer."""
        whole = self.draw(REQUESTS.get(operation, OTHER_REQUEST), operation, subject)
        return whole * THERE, whole * (1 - THERE)

    def admits(self, operation: str) -> bool:
        """Count the request against its quota, now; False when it is refused."""
        name = BUCKET_OF.get(operation)
        if name is None:
            if not operation.startswith("lambda."):
                return True
            name = CONTROL_PLANE
        return self.bucket(name).admits(current_time())

    def bucket(self, name: str) -> Bucket:
        return self._buckets.setdefault(name, Bucket(self.quotas[name]))

    def activation_s(self, function: str) -> float:
        return self.draw(ACTIVATION, "activation", function)

    def boot_s(self, container: str) -> float:
        return self.draw(BOOT, "boot", container)

    def command_s(self, argv: list[str]) -> float:
        return self.draw(COMMAND, "command", *argv)

    def image_s(self, function: str) -> float:
        """Until Lambda has made the function's new image ready."""
        median = IMAGE_FIXED_S + IMAGE_PER_GB_S * self.sizes.image_gb
        return self.draw(Spread(median, 2 * median), "image", function)

    def push_s(self) -> float:
        median = PUSH_FIXED_S + self.sizes.new_bytes / min(self.sizes.uplink, FASTEST_UPLINK)
        return self.draw(Spread(median, 2 * median), "push")

    def local_s(self, name: str, subject: str) -> float:
        """What does not go over the wire to AWS's APIs: the engine on this machine."""
        return self.push_s() if name == "images.push" else 0.0

    def draw(self, spread: Spread, *of: str) -> float:
        """The next duration of this kind."""
        self._counts[of] += 1
        return spread.at(self.uniform(*of, str(self._counts[of])))

    def uniform(self, *of: str) -> float:
        """The same for the same words, and no other relation between any two."""
        said = "\0".join((str(self.seed), *of)).encode()
        number = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest())
        return (number + 0.5) / 2**64
