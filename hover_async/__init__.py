"""hover-async takes a Laravel application live on AWS Lambda.

    deployment = await hover_async.deploy(project="shop", report=print)

`build`, `deploy` and those of secrets are the command line's own entry points; `events` arrive at a
reporter, and every failure is a `HoverError` (`errors` draws the tree).
"""

from hover_async import errors, events
from hover_async.api import (
    AWS,
    Target,
    build,
    decrypt_secrets,
    deploy,
    doctor,
    encrypt_secrets,
    list_secrets,
    local_target,
    lock_holder,
    plan,
    policy,
    recover,
    releases,
    rollback,
    unlock,
)
from hover_async.errors import HoverError
from hover_async.events import Event, Reporter
from hover_async.values import BuildId, Lane
from hover_async.version import __version__

__all__ = [
    "AWS",
    "BuildId",
    "Event",
    "HoverError",
    "Lane",
    "Reporter",
    "Target",
    "__version__",
    "build",
    "decrypt_secrets",
    "deploy",
    "doctor",
    "encrypt_secrets",
    "errors",
    "events",
    "list_secrets",
    "local_target",
    "lock_holder",
    "plan",
    "policy",
    "recover",
    "releases",
    "rollback",
    "unlock",
]
