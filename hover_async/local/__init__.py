"""The embedded local AWS: MiniStack, AWS's runtime interface emulator and a Docker Engine.

`up` makes sure that all of it is there and running, `down` stops what `up` started, and
`endpoint` is where the rest of the program finds it.
"""

from hover_async.local.lifecycle import LocalStatus, down, status, up
from hover_async.local.record import LocalAws, endpoint

__all__ = ["LocalAws", "LocalStatus", "down", "endpoint", "status", "up"]
