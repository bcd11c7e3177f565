"""obstore: Rust's object_store, from asyncio. It leaves by `os._exit`: docs/uploads.md says why."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.store import S3Store

PART_BYTES = 8 * 2**20


async def send(url: str, files: Iterator[Path], at_once: int) -> None:
    store = S3Store(
        "bucket",
        endpoint=url,
        region="us-east-1",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="a-secret",  # noqa: S106 - of nothing
        client_options={"allow_http": True},
    )

    async def work() -> None:
        for file in files:
            if file.stat().st_size > PART_BYTES:
                await obstore.put_async(store, file.name, file, chunk_size=PART_BYTES)
            else:
                await obstore.put_async(store, file.name, file.read_bytes(), use_multipart=False)

    await asyncio.gather(*(work() for _ in range(at_once)))


if __name__ == "__main__":
    to, directory, number, certificate = sys.argv[1:]
    os.environ["SSL_CERT_FILE"] = certificate
    began = time.perf_counter()
    asyncio.run(send(to, iter(sorted(Path(directory).iterdir())), int(number)))
    print(time.perf_counter() - began, flush=True)
    os._exit(0)
