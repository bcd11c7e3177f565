"""Whole histories of a stage: manifests that follow one another, deploys that fail anywhere.

Each history is drawn from its seed: which functions have which queues, and at which request to the
cloud a deploy is refused, loses its answer, is cancelled or killed. After every operation of the
stack, and after every deploy, what docs/deploy.md promises must hold.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from hover_async.deploy.lock import LOCK_KEY
from hover_async.deploy.queues import visibility_s
from hover_async.errors import AccessDenied, HoverError, OutcomeUnknown
from hover_async.manifest import Manifest, load_manifest
from hover_async.manifest.names import logical_id, sqs_name
from hover_async.ports import StackRequest
from hover_async.testing.world import Fault
from hover_async.values import LATEST, FunctionName
from tests.process.stage import Stage, build_id

STAGE = "shop-dev"
HEAD = """
name: shop-dev
region: us-east-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
deploy-commands: [migrate]
http: {warm: 1}
"""
FUNCTIONS = ["a", "b", "c", "d"]
QUEUES = ["one", "two", "three.fifo", "four", "five"]
WAYS = ["refused", "lost", "cancelled", "killed", "rolled back", "fine", "fine"]


@dataclass
class Trouble:
    """What befalls a deploy at its request number `at`; killed, it gets none through from there."""

    way: str
    at: int
    scope: anyio.CancelScope
    requests: int = 0

    def __call__(self, name: str, subject: str) -> Fault | None:
        self.requests += 1
        if self.requests < self.at or (self.requests > self.at and self.way != "killed"):
            return None
        match self.way:
            case "cancelled":
                self.scope.cancel()
            case "refused" | "killed":
                return Fault(name, lambda: AccessDenied("no"), subject, 1, after_effect=False)
            case "lost":
                return Fault(name, lambda: OutcomeUnknown("?"), subject, 1, after_effect=True)
        return None


@dataclass
class History:
    """A stage whose every deploy is drawn, and looked at."""

    stage: Stage
    draw: random.Random
    manifests: dict[str, Manifest] = field(default_factory=dict)
    """Of every build so far."""
    moved: bool = False
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        stacks = self.stage.cloud.stacks
        create, update = stacks.create, stacks.update

        async def created(request: StackRequest) -> None:
            await create(request)
            self.look("creation")

        async def updated(request: StackRequest) -> bool:
            before = self.live(), self.consumers()
            self.look("before an update")
            try:
                return await update(request)
            finally:
                self.look("update", *before)

        stacks.create, stacks.update = created, updated  # type: ignore[method-assign]

    def live(self) -> set[FunctionName]:
        return {name for name, version in self.stage.live().items() if version != LATEST}

    @property
    def settled(self) -> Manifest | None:
        """The manifest of the build that is live, by the version that visitors meet: a record that
        tells another would be wrong."""
        http = self.stage.cloud.lambdas.functions.get(FunctionName(f"{STAGE}-http"))
        if http is None or http.live.version == LATEST:
            return None
        return self.manifests[http.versions[http.live.version].description]

    def consumers(self) -> dict[str, str]:
        stacks = self.stage.cloud.stacks
        return stacks.consumers(STAGE) if STAGE in stacks.stacks else {}

    def flipped(self) -> bool:
        return "functions.move_alias" in self.stage.cloud.world.names()

    def look(
        self,
        what: str,
        live: AbstractSet[FunctionName] = frozenset(),
        consumers: dict[str, str] | None = None,
    ) -> None:
        """What must hold before and after every operation of the stack."""
        settled = self.settled
        if settled is None:
            return
        for queue, function in self.consumers().items():
            owner = self.function_of(function)
            if owner not in self.live():
                self.broken.append(f"{what}: {queue} is handed to {function}, which is not live")
            hidden = int(self.stage.cloud.queues.queues[queue].attributes["VisibilityTimeout"])
            if hidden < self.timeout_of(owner):
                self.broken.append(f"{what}: {queue} hides for {hidden} s, less than {function}")
        if self.flipped():
            return
        recorded = {spec.name for spec in settled.functions}
        for gone in (live & recorded) - self.live():
            self.broken.append(f"{what}: {gone} was live, and left before the flip")
        for queue in (consumers or {}).keys() - self.consumers().keys():
            if queue in self.queues_of(settled):
                self.broken.append(f"{what}: {queue} lost its consumer before the flip")

    def queues_of(self, manifest: Manifest) -> dict[str, str]:
        return {
            sqs_name(STAGE, queue): f"{logical_id('Queue', key)}Live"
            for key, spec in manifest.queues.items()
            for queue in spec.queues
        }

    def function_of(self, alias: str) -> FunctionName:
        return FunctionName(
            next(
                resource["Properties"]["FunctionName"]
                for _, name, resource in self.resources()
                if name == f"{alias.removesuffix('Live')}Function"
            )
        )

    def timeout_of(self, function: FunctionName) -> int:
        return next(
            int(resource["Properties"]["Timeout"])
            for _, _, resource in self.resources()
            if resource["Properties"].get("FunctionName") == function
        )

    def resources(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        stacks = self.stage.cloud.stacks
        return stacks.read.resources(stacks.stacks[STAGE].template)

    def manifest(self) -> str:
        queues = self.draw.sample(QUEUES, self.draw.randint(0, len(QUEUES)))
        given: dict[str, list[str]] = {}
        for queue in queues:
            given.setdefault(self.draw.choice(FUNCTIONS), []).append(queue)
        lines = [
            f"  {key}: {{queues: [{', '.join(names)}], "
            f"timeout: {self.draw.choice([5, 60, 300, 900])}, "
            f"dead-letter: {self.draw.choice(['on', 'off'])}}}\n"
            for key, names in given.items()
        ]
        return HEAD + ("queue:\n" + "".join(lines) if lines else "")

    async def deploy(self, way: str, at: int) -> bool:
        """Whether it ended well. A lock that was left behind has run out before the next one."""
        cloud = self.stage.cloud
        if way == "rolled back":
            cloud.stacks.failure = ("HttpFunction", "no")
        ended = False
        scope = anyio.CancelScope()
        untroubled, cloud.world._fault = (  # type: ignore[method-assign]
            cloud.world._fault,
            Trouble(way, at, scope),
        )
        try:
            with scope:
                await self.stage.deploy()
                ended = True
        except* HoverError:
            pass
        cloud.world._fault = untroubled  # type: ignore[method-assign]
        cloud.stacks.failure = None
        cloud.documents.documents.pop(LOCK_KEY, None)
        await anyio.sleep(100)
        return ended

    async def step(self) -> None:
        self.stage.manifest_text = self.manifest()
        way = self.draw.choice(WAYS) if self.stage.builds else "fine"
        at = self.draw.randint(1, 160)
        aliases = self.stage.live()
        (self.stage.root / "dev.yml").write_text(self.stage.manifest_text)
        manifest = load_manifest(self.stage.root / "dev.yml")
        self.manifests[build_id(self.stage.builds + 1)] = manifest
        ended = await self.deploy(way, at)
        if way == "fine":
            self.untroubled(ended=ended)
        live = self.stage.live()
        if not self.flipped():
            for name, version in aliases.items():
                if version != LATEST and live.get(name, version) != version:
                    self.broken.append(f"{way}: {name} moved from {version}")
        if ended:
            self.ended(manifest)

    def untroubled(self, *, ended: bool) -> None:
        if not ended:
            self.broken.append("a deploy that nothing troubled failed")
            return
        documents = self.stage.cloud.documents.documents
        recorded = json.loads(documents["hover/live.json"].body)
        if recorded["build_id"] != build_id(self.stage.builds):
            self.broken.append(f"on record as live is {recorded['build_id']}")
        if "hover/activation.json" in documents:
            self.broken.append("the record of the activation stays")

    def ended(self, manifest: Manifest) -> None:
        names = {spec.name for spec in manifest.functions}
        if set(self.stage.live()) != names or self.live() != names:
            self.broken.append(f"the stage has {self.stage.live()}, not {names}")
        if self.consumers() != self.queues_of(manifest):
            self.broken.append(f"consumers {self.consumers()}, not {self.queues_of(manifest)}")
        for spec in manifest.queues.values():
            for queue in spec.queues:
                found = self.stage.cloud.queues.queues[sqs_name(STAGE, queue)].attributes
                if found["VisibilityTimeout"] != str(visibility_s(spec)):
                    self.broken.append(f"{queue} hides for {found}, not {visibility_s(spec)}")
                if ("RedrivePolicy" in found) is not spec.dead_letter:
                    self.broken.append(f"{queue} has dead letters: {found}")


@pytest.mark.parametrize("seed", range(24))
def test_histories(seed: int, tmp_path: Path) -> None:
    """Whatever happened before, what is promised of each deploy holds."""
    history = History(Stage(tmp_path), random.Random(seed))  # noqa: S311 - a history, no secret

    async def live_through() -> None:
        for _ in range(8):
            await history.step()

    history.stage.run(live_through)
    assert history.broken == []
