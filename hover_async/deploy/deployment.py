"""What goes into a deploy and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from hover_async.assets import Asset
from hover_async.build_record import BuildRecord
from hover_async.deploy.activate import Activation, Aliases
from hover_async.deploy.commands import CommandResults
from hover_async.deploy.health import Health
from hover_async.deploy.lock import Holder
from hover_async.deploy.prepare import Live
from hover_async.deploy.provision import Stack
from hover_async.deploy.publish import Versions
from hover_async.deploy.push import DeployableImage
from hover_async.deploy.queues import StandingQueues
from hover_async.deploy.templates import Templates
from hover_async.deploy.upload import UploadedAssets
from hover_async.deploy.warm import Warmth
from hover_async.events import Step
from hover_async.manifest import Manifest
from hover_async.steps import Timed
from hover_async.values import AWS_EDGE, BuildId, Edge, FunctionName, Lane, Role

DEPENDS: Mapping[Step, Sequence[Step]] = {
    Step.UPLOAD: [],
    Step.PUSH: [],
    Step.LOCK: [Step.PUSH, Step.PREPARE],
    Step.STACK: [Step.LOCK],
    Step.PUBLISH: [Step.STACK, Step.LOCK],
    Step.WARM: [Step.LOCK],
    Step.BOOT: [Step.PUBLISH, Step.STACK, Step.UPLOAD],
    Step.COMMANDS: [Step.BOOT],
    Step.HEALTH: [Step.WARM, Step.COMMANDS],
    Step.ACTIVATE: [Step.HEALTH, Step.WARM, Step.COMMANDS],
    Step.RECORD: [Step.ACTIVATE],
    Step.WORKERS: [Step.RECORD],
    Step.PRUNE: [Step.RECORD, Step.WORKERS],
}
"""Which steps each one waits for: the picture of `process.py` as data, for the critical path.

Upload and push begin in the middle of preparing, publishing and warming in the middle of the stack.
"""


@dataclass(frozen=True)
class Order:
    """What to deploy, who deploys it, and where visitors will find it."""

    build: BuildRecord
    manifest: Manifest
    assets: Sequence[Asset]
    holder: Holder
    edge: Edge = AWS_EDGE
    lane: Lane = Lane.STACK

    @property
    def functions(self) -> Sequence[FunctionName]:
        return [function.name for function in self.manifest.functions]

    def function(self, role: Role) -> FunctionName:
        """The one http or cli function of the stage."""
        return next(spec.name for spec in self.manifest.functions if spec.role is role)


@dataclass(frozen=True)
class Artifacts:
    """Everything that the new build needs to run, standing beside what was live before."""

    uploaded: UploadedAssets
    queues: StandingQueues
    live_before: Live
    image: DeployableImage
    templates: Templates
    stack: Stack
    versions: Versions
    aliases: Aliases


@dataclass(frozen=True)
class Rehearsal:
    """The new build has booted, its commands have run and it is healthy. `health`: if asked for."""

    warmth: Warmth
    commands: CommandResults
    health: Health | None


@dataclass(frozen=True)
class Deployment:
    """A build that is live: every function's `live` alias points to its version of this build."""

    stage: str
    build_id: BuildId
    lane: Lane
    url: str
    distribution_domain: str
    api_url: str
    artifacts: Artifacts
    rehearsal: Rehearsal
    activation: Activation
    steps: Sequence[Timed]
    seconds: float

    @property
    def live_after_s(self) -> float:
        """When the flip was done, after the start of the deploy."""
        return next(timed.end_s for timed in self.steps if timed.step is Step.ACTIVATE)

    def as_json(self) -> Mapping[str, object]:
        """What machines want of it, in one flat mapping."""
        warmth = self.rehearsal.warmth
        return {
            "stage": self.stage,
            "build_id": self.build_id,
            "lane": self.lane,
            "url": self.url,
            "distribution_domain": self.distribution_domain,
            "api_url": self.api_url,
            "image": self.artifacts.image.uri,
            "versions": dict(self.artifacts.versions.by_function),
            "replaced": {
                move.before.function: move.before.version for move in self.activation.moves
            },
            "assets": asdict(self.artifacts.uploaded),
            "warm": {"asked": warmth.asked, "warm": warmth.warm, "errors": list(warmth.errors)},
            "commands": [asdict(result) for result in self.rehearsal.commands.results],
            "skew_s": self.activation.skew_s,
            "seconds": self.seconds,
            "live_after_s": self.live_after_s,
            "steps": [asdict(timed) for timed in self.steps],
        }
