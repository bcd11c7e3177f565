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
    application = importlib.import_module("ministack.app").app
    asyncio.run(importlib.import_module("hypercorn.asyncio").serve(application, config))


if __name__ == "__main__":
    main()
