"""A stage to deploy in memory: an order, a fake cloud, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import trio
import trio.testing

from hover_async.deploy.deployment import Deployment, Order
from hover_async.deploy.process import deploy_build
from hover_async.testing import FakeCloud, RecordingReporter, new_build
from hover_async.values import BuildId, FunctionName, Version

T = TypeVar("T")

MANIFEST = """
name: shop-dev
region: us-east-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
deploy-commands:
  - php artisan migrate --force
  - php artisan cache:clear
http: {warm: 3, health: /up}
queue:
  jobs: {queues: [default]}
"""


def build_id(second: int) -> BuildId:
    return BuildId(f"b20261123T0631{second:02}Z-7f3a9c1d")


@dataclass
class Stage:
    """A project directory and the cloud it is deployed to."""

    root: Path
    manifest_text: str = MANIFEST
    cloud: FakeCloud = field(default_factory=FakeCloud)
    report: RecordingReporter = field(default_factory=RecordingReporter)
    builds: int = 0
    clock: trio.testing.MockClock = field(
        default_factory=lambda: trio.testing.MockClock(autojump_threshold=0)
    )

    def __post_init__(self) -> None:
        self.write("build/assets/app-1234.css", b"body { color: teal }")
        self.write("images/logo.svg", b"<svg/>")
        self.write("js/app.js", b"console.log(1)")

    @property
    def assets_root(self) -> Path:
        return self.root / "assets"

    def write(self, path: str, content: bytes) -> None:
        file = self.assets_root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def build(self) -> Order:
        """A new build: another id and another image."""
        self.builds += 1
        manifest = self.root / "dev.yml"
        manifest.write_text(self.manifest_text)
        return new_build(self.cloud, manifest, number=self.builds, assets=self.assets_root)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run on trio with a clock that jumps over every wait: minutes take milliseconds."""
        return trio.run(work, clock=self.clock)

    async def deploy(self, order: Order | None = None) -> Deployment:
        """Deploy a build (a new one unless given) with a fresh reporter."""
        self.report = RecordingReporter()
        self.cloud.world.calls.clear()
        return await deploy_build(
            order or self.build(), self.cloud.ports, self.cloud.images, self.report
        )

    def live(self) -> dict[FunctionName, Version]:
        return self.cloud.lambdas.live()
