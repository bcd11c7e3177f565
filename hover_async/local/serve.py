"""MiniStack's server, run by the Python of MiniStack's own environment.

It listens where `--bind` says, as often as it is given: MiniStack's own program takes one address
only, and that would have to be every interface of the machine for containers to reach it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import resource
from typing import Any

LATEST = "$LATEST"


def keep_published_versions(lambdas: Any) -> None:
    """Let containers belong to a version, as on Lambda, where a published one never changes.

    MiniStack 1.5.33 keeps them by function and image, and removes all of them when `$LATEST` is
    updated: visitors of the live version would meet a burst of cold starts that AWS does not have,
    and two versions of one image would share containers. What is changed here is named in full,
    so another MiniStack without these functions fails at its start and not in the middle.
    """
    key_of, pool = lambdas._warm_pool_key, lambdas._warm_pool  # noqa: SLF001 - see above

    def key_of_version(function: str, config: dict[str, Any]) -> str:
        return f"{key_of(function, config)}@{config.get('Version', LATEST)}"

    def kill_latest(account: str, function: str) -> None:
        with lambdas._warm_pool_lock:  # noqa: SLF001 - see above
            stale = [
                key
                for key in pool
                if key.endswith(f"@{LATEST}") and key.split(":")[0:3:2] == [account, function]
            ]
            entries = [entry for key in stale for entry in pool.pop(key)]
        for entry in entries:
            lambdas._kill_pool_entry(entry)  # noqa: SLF001 - see above

    for name, replacement in (
        ("_warm_pool_key", key_of_version),
        ("_pool_kill_function", kill_latest),
    ):
        setattr(lambdas, name, replacement)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bind", action="append", required=True)
    arguments.add_argument("--directory", required=True)
    arguments.add_argument("--mark", required=True, help="marks this process as ours")
    given = arguments.parse_args()
    os.chdir(given.directory)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = importlib.import_module("hypercorn.config").Config()
    config.bind = given.bind
    config.keep_alive_timeout = 75
    keep_published_versions(importlib.import_module("ministack.services.lambda_svc"))
    application = importlib.import_module("ministack.app").app
    asyncio.run(importlib.import_module("hypercorn.asyncio").serve(application, config))


if __name__ == "__main__":
    main()
