"""The whole fake: the ports of a stage, KMS and a Docker engine over one world."""

from __future__ import annotations

from hover_async.ports import Cloud
from hover_async.testing.change_sets import FakeChangeSets
from hover_async.testing.facts import FakeFacts
from hover_async.testing.images import FakeImages, FakeRegistry
from hover_async.testing.keys import FakeKeys
from hover_async.testing.lambdas import FakeFunctions
from hover_async.testing.queues import FakeLogGroups, FakeQueues
from hover_async.testing.stacks import FakeStacks
from hover_async.testing.storage import FakeAssetStore, FakeDocuments
from hover_async.testing.world import World


class FakeCloud:
    """An account and region with nothing in it yet; `ports` is what a deploy takes."""

    def __init__(self) -> None:
        self.world = World()
        self.assets = FakeAssetStore(self.world)
        self.documents = FakeDocuments(self.world)
        self.registry = FakeRegistry(self.world)
        self.lambdas = FakeFunctions(self.world)
        self.stacks = FakeStacks(self.world, self.lambdas, self.assets)
        self.change_sets = FakeChangeSets(self.world, self.stacks)
        self.keys = FakeKeys(self.world)
        self.facts = FakeFacts(self.world)
        self.images = FakeImages(self.world, self.registry)
        self.queues = FakeQueues(self.world)
        self.logs = FakeLogGroups(self.world)
        self.ports = Cloud(
            self.assets,
            self.documents,
            self.registry,
            self.stacks,
            self.change_sets,
            self.lambdas,
            self.queues,
            self.logs,
            self.facts,
        )
