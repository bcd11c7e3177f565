"""The running local AWS: its address, and the record on disk by which it is found again."""

from __future__ import annotations

import http.client
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from hover_async.local.places import Instance
from hover_async.local.processes import Daemon

REGION: Final = "us-east-1"
ACCOUNT_ID: Final = "000000000000"
_HEALTH_WITHIN_S = 10


@dataclass(frozen=True)
class LocalAws:
    """A local AWS that runs.

    `edge_url` and `api_url` are templates: `{label}` stands for the distribution's (the first
    part of its domain), `{api}` for the API's id. Browsers and curl resolve names below
    `localhost`; other programs connect to `localhost:<port>` and send the name as `Host`.
    """

    endpoint_url: str
    port: int
    region: str
    account_id: str
    pid: int
    edge_url: str
    api_url: str
    log: Path
    instance: str


@dataclass(frozen=True)
class Record:
    """What is written down about a MiniStack that was started."""

    pid: int
    port: int
    mark: str
    started_at: float

    @property
    def daemon(self) -> Daemon:
        return Daemon(self.pid, self.mark)

    @property
    def uptime_s(self) -> float:
        return max(0.0, time.time() - self.started_at)

    def write(self, path: Path) -> None:
        """Replace the record on disk, whole."""
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The record, or None when there is none that can be used."""
        try:
            kept = json.loads(path.read_text())
            return cls(
                pid=int(kept["pid"]),
                port=int(kept["port"]),
                mark=str(kept["mark"]),
                started_at=float(kept["started_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def local_aws(self, instance: Instance) -> LocalAws:
        at = f"localhost:{self.port}"
        return LocalAws(
            endpoint_url=f"http://{at}",
            port=self.port,
            region=REGION,
            account_id=ACCOUNT_ID,
            pid=self.pid,
            edge_url=f"http://{{label}}.cloudfront.{at}",
            api_url=f"http://{{api}}.execute-api.{at}",
            log=instance.log,
            instance=instance.name,
        )


def edition(mark: str) -> str:
    """What MiniStack's health answer calls itself, so that ours is told from any other."""
    return f"hover-async {mark}"


def healthy(record: Record, *, within_s: float = _HEALTH_WITHIN_S) -> bool:
    """Whether the very MiniStack of this record answers on its port."""
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=within_s)
    with suppress(OSError, http.client.HTTPException, ValueError):
        try:
            connection.request("GET", "/_ministack/health")
            answer = json.loads(connection.getresponse().read())
            return isinstance(answer, dict) and answer.get("edition") == edition(record.mark)
        finally:
            connection.close()
    return False


def endpoint(instance: str | None = None) -> LocalAws | None:
    """The local AWS that runs now and answers, or None.

    Without a name it is the one that HOVER_LOCAL_INSTANCE names, or the default one.
    """
    which = Instance.named(instance)
    record = Record.read(which.record)
    if record is None or os.name != "posix" or not record.daemon.alive():
        return None
    return record.local_aws(which) if healthy(record) else None
