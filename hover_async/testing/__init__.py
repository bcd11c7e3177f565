"""A cloud in memory, for tests of programs that deploy: every port, with its time and its faults.

    cloud = FakeCloud()
    process = Process(cloud)
    process.inject(Fault.TIMEOUT_AFTER, "functions.move_alias", occurrence=2)
    order = new_build(cloud, Path(".hover/dev.yml"))
    await deploy_build(order, process.ports, process.images, RecordingReporter())

It runs on asyncio and on trio; on trio's MockClock a deploy of minutes takes milliseconds.
docs/testing.md says what it models, and what it does not.
"""

from hover_async.testing.cloud import FakeCloud
from hover_async.testing.faults import Fault, Killed, Sent
from hover_async.testing.orders import new_build
from hover_async.testing.processes import Process
from hover_async.testing.recorder import RecordingReporter
from hover_async.testing.world import Call, World

__all__ = [
    "Call",
    "FakeCloud",
    "Fault",
    "Killed",
    "Process",
    "RecordingReporter",
    "Sent",
    "World",
    "new_build",
]
