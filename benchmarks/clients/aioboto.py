"""aioboto3 as its documentation shows it: `put_object`, or `upload_file` for large files."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aioboto3
from aiobotocore.config import AioConfig

PART_BYTES = 8 * 2**20


async def send(url: str, files: Iterator[Path], at_once: int, certificate: str) -> None:
    session = aioboto3.Session("AKIDEXAMPLE", "a-secret", region_name="us-east-1")
    config = AioConfig(max_pool_connections=at_once, s3={"addressing_style": "path"})
    async with session.client("s3", endpoint_url=url, verify=certificate, config=config) as s3:

        async def work() -> None:
            for file in files:
                if file.stat().st_size > PART_BYTES:
                    await s3.upload_file(str(file), "bucket", file.name)
                else:
                    body = file.read_bytes()
                    await s3.put_object(Bucket="bucket", Key=file.name, Body=body)

        await asyncio.gather(*(work() for _ in range(at_once)))


if __name__ == "__main__":
    to, directory, number, authority = sys.argv[1:]
    began = time.perf_counter()
    asyncio.run(send(to, iter(sorted(Path(directory).iterdir())), int(number), authority))
    print(time.perf_counter() - began, flush=True)
