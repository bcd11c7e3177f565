"""The library's entry points, awaited from any asyncio program: `build`, `deploy`, `plan`, ...

They gather what the core needs (project, manifest, AWS, Docker) and hand it to `build/process.py`,
`deploy/process.py` and the like. Heavy modules are imported where they are first needed, so that
importing `hover_async` and `hover-async --help` stay quick.

    target.py     where AWS is: the real one, or the local one
    project.py    the project's stages and its build
    building.py   deploying.py   recovering.py   releasing.py
    examining.py   policies.py   secrets.py
"""

import hover_async.build
import hover_async.deploy
import hover_async.doctor  # noqa: F401 - all now: a later first import would hide the functions
from hover_async.api.building import build
from hover_async.api.deploying import deploy, plan
from hover_async.api.examining import doctor
from hover_async.api.policies import policy
from hover_async.api.recovering import lock_holder, recover, unlock
from hover_async.api.releasing import releases, rollback
from hover_async.api.secrets import decrypt_secrets, encrypt_secrets, list_secrets
from hover_async.api.target import AWS, Target, local_target

__all__ = [
    "AWS",
    "Target",
    "build",
    "decrypt_secrets",
    "deploy",
    "doctor",
    "encrypt_secrets",
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
