"""A stage in a simulated account: deployed once without the model, then measured within it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio
import trio.testing
from anyio import create_task_group, current_time

from benchmarks.simulated.bound import Bound, Fleet, lower_bound
from hover_async.assets import plan_assets
from hover_async.build_record import BuildRecord
from hover_async.deploy.deployment import Order
from hover_async.deploy.lock import Holder
from hover_async.deploy.process import deploy_build
from hover_async.events import AliasMoved, Event
from hover_async.manifest import load_manifest
from hover_async.ports import ImageInfo
from hover_async.testing import FakeCloud
from hover_async.testing.clients import Wire, ports_over
from hover_async.testing.model import Model
from hover_async.testing.operations import simulated
from hover_async.values import Architecture, BuildId, Role

MANIFEST = """
name: shop-dev
region: us-east-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
deploy-commands:
  - php artisan migrate --force
http: {warm: 3, health: /up}
queue:
"""


@dataclass
class Run:
    """What came of one deploy: its seconds, or why it failed; and what the account saw of it."""

    seconds: float
    error: str = ""
    skew_s: float = 0.0
    calls: int = 0
    refused: int = 0
    refused_lambda: int = 0
    retried: int = 0
    mixed: bool = False
    rival_sent: int = 0
    rival_lost: int = 0
    steps: dict[str, float] = field(default_factory=dict)


@dataclass
class Account:
    """An account with one stage of `functions` functions, live at its first build."""

    root: Path
    functions: int
    model: Model
    assets: int = 100

    def __post_init__(self) -> None:
        self.cloud = FakeCloud()
        self.wire = Wire(self.cloud.world)
        self.clock = trio.testing.MockClock(autojump_threshold=0)
        self.builds = 0
        self.rival_sent = self.rival_lost = 0
        for number in range(self.assets):
            file = self.root / "assets" / f"{number}.js"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"console.log({number})")

    @property
    def fleet(self) -> Fleet:
        """To be asked after a deploy: the stack's order is that of its template."""
        manifest = self.order().manifest
        template = self.cloud.stacks.stacks[manifest.stack_name].template
        named = {role: [f.name for f in manifest.functions if f.role is role] for role in Role}
        return Fleet(
            manifest.stack_name,
            named[Role.QUEUE],
            named[Role.CLI][0],
            named[Role.HTTP][0],
            [command.argv for command in manifest.deploy_commands],
            list(self.cloud.stacks.read.functions_in(template)),
        )

    @property
    def bound(self) -> Bound:
        return lower_bound(self.model.seed, self.fleet, self.model)

    def order(self) -> Order:
        """The next build: another id and another image."""
        self.builds += 1
        build_id = BuildId(f"b20261123T06{self.builds:02}00Z-7f3a9c1d")
        file = self.root / "dev.yml"
        queues = "".join(f"  jobs-{number}: {{}}\n" for number in range(self.functions - 2))
        file.write_text(MANIFEST + queues)
        manifest = load_manifest(file)
        self.cloud.images.local[f"dev:{build_id}"] = ImageInfo(
            f"sha256:{build_id}", Architecture.X86_64, int(self.model.sizes.new_bytes)
        )
        record = BuildRecord(
            stage="dev",
            build_id=build_id,
            image=f"dev:{build_id}",
            image_id=f"sha256:{build_id}",
            architecture=Architecture.X86_64,
            manifest_hash="hash",
            created_at=datetime(2026, 11, 23, tzinfo=UTC),
            git_revision=None,
        )
        assets = plan_assets(self.root / "assets", manifest.assets.cache_control_for)
        return Order(record, manifest, assets, Holder.me(build_id))

    def measure(
        self,
        way: Callable[[Account, Order], Awaitable[Run]],
        *,
        rival: Callable[[Account], Coroutine[Any, Any, None]] | None = None,
    ) -> Run:
        """Deploy the second build in this way, in the model, with a rival if one is given."""

        async def work() -> Run:
            await deploy_build(
                self.order(), ports_over(self.cloud, self.wire), self.cloud.images, _silent
            )
            order = self.order()
            self.cloud.lambdas.containers.clear()
            async with simulated(self.cloud, self.model), _beside(self, rival):
                self.wire.model = self.model
                self.wire.sent.clear()
                run = await way(self, order)
            return replace(
                run,
                calls=sum(self.wire.sent.values()),
                refused=sum(self.wire.refused.values()),
                refused_lambda=sum(
                    count
                    for name, count in self.wire.refused.items()
                    if name.startswith("lambda.") and name != "lambda.GetFunction"
                ),
                rival_sent=self.rival_sent,
                rival_lost=self.rival_lost,
                mixed=len(set(self.cloud.lambdas.live().values())) > 1,
            )

        return trio.run(work, clock=self.clock)


async def ours(account: Account, order: Order) -> Run:
    """The deployer itself: `deploy_build` over the real adapters."""
    moved: list[float] = []

    def report(event: Event) -> None:
        if isinstance(event, AliasMoved):
            moved.append(current_time())

    began = current_time()
    ports = ports_over(account.cloud, account.wire)
    try:
        deployment = await deploy_build(order, ports, account.cloud.images, report)
    except Exception as error:  # noqa: BLE001 - a failed run is a result here
        return Run(current_time() - began, error=str(error))
    return Run(
        current_time() - began,
        skew_s=max(moved) - min(moved),
        steps={str(timed.step): timed.seconds for timed in deployment.steps},
    )


@asynccontextmanager
async def _beside(
    account: Account, rival: Callable[[Account], Coroutine[Any, Any, None]] | None
) -> AsyncIterator[None]:
    async with create_task_group() as group:
        if rival:
            group.start_soon(rival, account)
        yield
        group.cancel_scope.cancel()


def _silent(event: Event) -> None:
    pass
