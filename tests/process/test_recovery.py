"""An activation that was killed anywhere is brought to its end by the next deploy, or by recover."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hover_async.deploy.converge import Ending, Recovery, Way
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.recover import recover_stage
from hover_async.deploy.records import ACTIVATION_KEY, LIVE_KEY
from hover_async.errors import (
    AccessDenied,
    ActivationMixed,
    AliasesElsewhere,
    HoverError,
    LockHeld,
    RecordDamaged,
    VersionFailed,
)
from hover_async.events import Warned
from hover_async.manifest import load_manifest
from hover_async.ports import Document
from hover_async.testing import RecordingReporter
from hover_async.testing.world import Fault
from hover_async.values import LATEST, FunctionName, Version
from tests.process.stage import Stage, build_id

HTTP, CLI, JOBS = (
    FunctionName(name) for name in ("shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue")
)
LIVE_1 = dict.fromkeys((HTTP, CLI, JOBS), "1")
LIVE_2 = dict.fromkeys((HTTP, CLI, JOBS), "2")
REQUESTS = 14
"""From the first of an activation to the last: its record written (2), three aliases moved, the
release (2) and what is live (2) written, the record deleted, the lock given back (2), and more."""


@pytest.fixture
def live(stage: Stage) -> Stage:
    """A stage with its first build live."""
    stage.run(stage.deploy)
    return stage


@dataclass
class Death:
    """A run that is killed at request `at` of its activation gets none through from there on."""

    at: int
    reads: int = 0
    requests: int = 0

    def __call__(self, name: str, subject: str) -> Fault | None:
        if (name, subject) == ("documents.read", ACTIVATION_KEY):
            self.reads += 1  # the first looks for what an earlier run left
        self.requests += self.reads > 1
        if self.requests < self.at:
            return None
        return Fault(name, lambda: AccessDenied("dead"), subject, 1, after_effect=False)


async def killed_deploy(stage: Stage, at: int) -> None:
    """Deploy another build, killed there; a lock that it leaves has been taken away since."""
    world = stage.cloud.world
    untroubled, world._fault = world._fault, Death(at)  # type: ignore[method-assign]
    try:
        await stage.deploy()
    except HoverError:
        pass
    finally:
        world._fault = untroubled  # type: ignore[method-assign]
    stage.cloud.documents.documents.pop(LOCK_KEY, None)
    stage.cloud.world.calls.clear()


async def recover(stage: Stage, way: Way | None = None) -> Recovery:
    stage.report = RecordingReporter()
    manifest = load_manifest(stage.root / "dev.yml")
    holder = Holder.me("", doing="recovering")
    return await recover_stage(manifest, holder, stage.cloud.ports, stage.report, way=way)


def refused(stage: Stage, kind: type[HoverError], way: Way | None = None) -> HoverError:
    async def attempt() -> HoverError:
        with pytest.raises(kind) as caught:
            await recover(stage, way)
        return caught.value

    return stage.run(attempt)


def record(stage: Stage, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(stage.cloud.documents.documents[key].body)
    return found


def interrupt(stage: Stage, moved: int) -> None:
    """A second build whose activation was killed with this many functions moved."""
    stage.run(lambda: killed_deploy(stage, 100))
    stage.cloud.documents.documents[LIVE_KEY] = _first_live(stage)
    stage.cloud.documents.documents.pop(f"hover/releases/{build_id(2)}.json")
    for function in (HTTP, CLI, JOBS)[moved:]:
        stage.cloud.lambdas.functions[function].live.version = Version("1")


def _first_live(stage: Stage) -> Document:
    return stage.cloud.documents.documents[f"hover/releases/{build_id(1)}.json"]


@pytest.mark.parametrize("by_deploy", [False, True], ids=["recover", "deploy"])
@pytest.mark.parametrize("at", range(1, REQUESTS))
def test_killed_at_any_request_of_the_activation(live: Stage, at: int, *, by_deploy: bool) -> None:
    """Afterwards all functions serve one build and the records say which; the next deploy works."""

    async def histories() -> None:
        await killed_deploy(live, at)
        if by_deploy:
            await live.deploy()
        else:
            await recover(live)

    live.run(histories)
    versions = set(live.live().values())
    assert len(versions) == 1
    served = next(iter(versions))
    if by_deploy:
        assert served == "3"
    assert ACTIVATION_KEY not in live.cloud.documents.documents
    assert LOCK_KEY not in live.cloud.documents.documents
    assert record(live, LIVE_KEY)["versions"] == live.live()
    assert record(live, LIVE_KEY)["build_id"] == build_id(int(served))
    assert record(live, f"hover/releases/{build_id(int(served))}.json")["versions"] == live.live()
    live.run(live.deploy)
    assert len(set(live.live().values())) == 1
