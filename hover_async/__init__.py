"""hover-async takes a Laravel application live on AWS Lambda.

    deployment = await hover_async.deploy(project="shop", report=print)

`build` and `deploy` are the command line's own entry points; `events` arrive at a reporter, and
every failure is a `HoverError` (`errors` draws the tree).
"""

from hover_async import errors, events
from hover_async.api import AWS, Target, build, deploy, doctor, local_target, plan, policy
from hover_async.errors import HoverError
from hover_async.events import Event, Reporter
from hover_async.values import BuildId
from hover_async.version import __version__

__all__ = [
    "AWS",
    "BuildId",
    "Event",
    "HoverError",
    "Reporter",
    "Target",
    "__version__",
    "build",
    "deploy",
    "doctor",
    "errors",
    "events",
    "local_target",
    "plan",
    "policy",
]
