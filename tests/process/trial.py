"""One deploy under trial: a stage as it stood before, a process with its faults, and how it ended.

A scene is made once and copied for each trial. On the virtual clock, with trio's order of tasks and
all chance drawn from the seed, the same trial goes the same way each time.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import trio
import trio.testing
from trio._core import _run as trio_run

from hover_async.deploy.deployment import Deployment, Order
from hover_async.deploy.ledger import ledger_key
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.process import deploy_build
from hover_async.deploy.records import (
    ACTIVATION_KEY,
    LIVE_KEY,
    RELEASES,
    Release,
    release_of,
)
from hover_async.ports import Cloud, Document
from hover_async.testing import FakeCloud, Killed, Process, RecordingReporter
from hover_async.testing.clients import ports_over
from hover_async.values import LATEST, BuildId, FunctionName, Lane, Version
from tests.process.stage import MANIFEST, Stage

T = TypeVar("T")
LONGEST_S = 3600.0
"""Nothing waits for longer: a trial that is not over by then has a wait without a deadline."""
EARLIER = "2026-01-01T00:00:00+00:00"


def replayed(work: Callable[[], Awaitable[T]], *, seed: int = 0, at_s: float = 1000.0) -> T:
    """Run `work` on a virtual clock that begins at `at_s`; a seed gives one and the same run."""
    setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)  # noqa: B010 - final, trio says
    trio_run._r.seed(seed)
    random.seed(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    clock.jump(at_s)
    with inline_threads():
        return trio.run(work, clock=clock)


@contextmanager
def inline_threads() -> Iterator[None]:
    """Work for threads is done at once: how long a thread takes is up to the machine."""
    threaded = anyio.to_thread.run_sync

    async def inline(work: Callable[..., Any], *given: Any, **_: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return work(*given)

    anyio.to_thread.run_sync = inline  # type: ignore[assignment]
    try:
        yield
    finally:
        anyio.to_thread.run_sync = threaded


@dataclass
class Scene:
    """A stage before a deploy; `order` is that deploy's, `later` the next build's."""

    name: str
    cloud: FakeCloud
    order: Order
    later: Order
    memory: Mapping[str, Any] = field(default_factory=dict)

    def copied(self) -> FakeCloud:
        return copy.deepcopy(self.cloud)


@dataclass
class Trial:
    """A deploy of `order` to `cloud` by `process`; `before` is where each alias pointed.

    `after` is where they pointed at the moment it ended. `touched` are the functions whose alias a
    rival has moved meanwhile; with `has_rivals` other deploys moved what they liked. `ports` may
    put something of its own before the cloud's.
    """

    cloud: FakeCloud
    order: Order
    process: Process
    report: RecordingReporter = field(default_factory=RecordingReporter)
    before: dict[FunctionName, Version] = field(default_factory=dict)
    after: dict[FunctionName, Version] = field(default_factory=dict)
    has_rivals: bool = False
    is_cancelled: bool = False
    was_interrupted: bool = False
    touched: set[FunctionName] = field(default_factory=set)
    error: BaseException | None = None
    deployment: Deployment | None = None
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)
    run_id: str = ""
    ports: Callable[[Cloud], Cloud] = lambda cloud: cloud

    @property
    def is_killed(self) -> bool:
        return self.process.is_killed

    @property
    def exit_code(self) -> int | None:
        """As the command would exit; None where it was killed."""
        if self.is_killed:
            return None
        return int(getattr(self.error, "exit_code", 1)) if self.error else 0

    def live(self) -> dict[FunctionName, Version]:
        return self.cloud.lambdas.live()

    async def run(self) -> None:
        """Deploy, and keep how that ended."""
        self.before = self.live()
        self.was_interrupted = ACTIVATION_KEY in self.cloud.documents.documents
        order = replace(self.order, holder=Holder.me(self.order.build.build_id))
        self.run_id = order.holder.run
        ports = self.ports(ports_over(self.cloud, process=self.process))
        began = trio.current_time()
        try:
            with trio.fail_after(LONGEST_S):
                self.deployment = await deploy_build(order, ports, self.process.images, self.report)
        except (Exception, Killed, BaseExceptionGroup) as error:  # noqa: BLE001 - it is judged
            self.error = error
        except trio.Cancelled:
            self.is_cancelled = True
            raise
        finally:
            self.after = self.live()
            self.seconds = trio.current_time() - began

    def commands(self) -> list[list[str]]:
        """The deploy commands that this process had run, each as often as it was."""
        asked = [
            json.loads(sent.asked["Payload"])
            for sent in self.process.done
            if sent.name == "lambda.Invoke"
        ]
        return [payload["command"] for payload in asked if "command" in payload]


def trial_of(scene: Scene, *, cloud: FakeCloud | None = None, order: Order | None = None) -> Trial:
    cloud = cloud or scene.copied()
    process = Process(cloud, memory=dict(scene.memory))
    return Trial(cloud, order or scene.order, process)


def let_leases_run_out(cloud: FakeCloud) -> None:
    """As if a lease's time had passed on the wall's clock, which is not the virtual one."""
    found = cloud.documents.documents.get(LOCK_KEY)
    if found:
        told = {**json.loads(found.body), "expires": EARLIER}
        cloud.documents.documents[LOCK_KEY] = Document(json.dumps(told).encode(), found.etag)


def state_of(cloud: FakeCloud, order: Order) -> Mapping[str, object]:
    """All that a deploy leaves behind, as far as it must not depend on what happened on the way."""
    lambdas, documents = cloud.lambdas.functions, cloud.documents.documents
    images = {
        name: function.versions[function.live.version].image_uri
        if function.live.version != LATEST
        else "(never live)"
        for name, function in lambdas.items()
    }
    stack = cloud.stacks.stacks.get(order.manifest.stack_name)
    prefix = f"{order.build.build_id}/"
    return {
        "live": images,
        "assets": {k: o.body for k, o in cloud.assets.objects.items() if k.startswith(prefix)},
        "stack": (stack.body, stack.ended) if stack else None,
        "recorded": json.loads(documents[LIVE_KEY].body)["build_id"]
        if LIVE_KEY in documents
        else None,
        "builds": {release.build_id: _parts(cloud, release) for release in _released(cloud)},
        "lock": LOCK_KEY in documents,
        "activation": ACTIVATION_KEY in documents,
        "queues": {n: (q.attributes, q.tags) for n, q in cloud.queues.queues.items()},
        "log groups": dict(cloud.logs.groups),
    }


def _released(cloud: FakeCloud) -> Iterator[Release]:
    """The records that can be read."""
    for key, document in cloud.documents.documents.items():
        if key.startswith(RELEASES) and (release := release_of(document)):
            yield release


def _parts(cloud: FakeCloud, release: Release) -> Mapping[str, object]:
    """What stands of a build, and what its record says of that."""
    functions, build = cloud.lambdas.functions.values(), release.build_id
    return {
        "marked as taken away": bool(release.pruned_at),
        "ledger": ledger_key(BuildId(build)) in cloud.documents.documents,
        "assets": sum(key.startswith(f"{build}/") for key in cloud.assets.objects),
        "image": build in cloud.registry.images,
        "versions": sum(
            version.description == build
            for function in functions
            for version in function.versions.values()
        ),
    }


CHANGED = """
queue:
  jobs: {queues: [default, mail], timeout: 120}
  reports: {queues: [reports]}
"""


def scenes(root: Path) -> Iterator[Scene]:
    """A stage's first deploy; its second, and that in the direct lane; one whose queues, workers
    and assets change; and one that takes an old build away."""
    stage = Stage(root)
    stage.cloud.stacks.operation_s, stage.cloud.lambdas.settle_s = 4.0, 0.5
    yield Scene("first", stage.cloud, stage.build(), stage.build())
    first, again = stage.build(), stage.build()
    stage.write("js/new.js", b"console.log(2)")
    same = stage.build()
    plain = stage.manifest_text.partition("queue:")[0]
    stage.manifest_text = plain + CHANGED.lstrip("\n")
    changed, later = stage.build(), stage.build()
    stage.manifest_text = f"{MANIFEST}retain: 1\n"
    third, fourth = stage.build(), stage.build()
    cloud = copy.deepcopy(stage.cloud)
    process = Process(cloud)
    trial = Trial(cloud, first, process)
    replayed(trial.run, at_s=100.0)
    if trial.error:
        raise trial.error
    yield Scene("changed", copy.deepcopy(cloud), changed, later, process.memory)
    cloud.stacks.operation_s = 20.0  # the lock is renewed meanwhile
    yield Scene("second", copy.deepcopy(cloud), same, again, process.memory)
    direct = replace(same, lane=Lane.DIRECT)
    yield Scene("direct", copy.deepcopy(cloud), direct, again, process.memory)
    cloud.stacks.operation_s = 4.0
    process = Process(cloud, memory=process.memory)
    trial = Trial(cloud, same, process)
    replayed(trial.run, at_s=500.0)
    if trial.error:
        raise trial.error
    yield Scene("pruning", cloud, third, fourth, process.memory)
