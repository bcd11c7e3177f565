"""A cloud in memory, for tests of programs that deploy: every port, with its time and its faults.

    cloud = FakeCloud()
    cloud.world.fail("functions.publish", lambda: Throttled("slow down"))
    await deploy_build(order, cloud.ports, cloud.images, reporter)

It runs on asyncio and on trio; on trio's MockClock a deploy of minutes takes milliseconds.
"""

from hover_async.testing.cloud import FakeCloud
from hover_async.testing.faults import Fault, Killed, Sent
from hover_async.testing.processes import Process
from hover_async.testing.recorder import RecordingReporter
from hover_async.testing.world import Call, World

__all__ = [
    "Call",
    "Fault",
    "FakeCloud",
    "Killed",
    "Process",
    "RecordingReporter",
    "Sent",
    "World",
]
