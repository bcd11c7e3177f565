"""CloudWatch Logs' client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hover_async.testing.clients.refusals import missing, refused
from hover_async.testing.clients.wire import Wire
from hover_async.testing.queues import FakeLogGroups

Answer = Mapping[str, Any]
PAGE = 50


class LogsClient:
    """botocore's `logs`, as far as a deploy uses it."""

    def __init__(self, logs: FakeLogGroups, wire: Wire) -> None:
        self._logs = logs
        self._wire = wire

    async def describe_log_groups(self, **asked: Any) -> Answer:
        prefix = asked["logGroupNamePrefix"]
        async with self._wire.request("logs.DescribeLogGroups", prefix):
            names = sorted(name for name in self._logs.groups if name.startswith(prefix))
            begin = int(asked.get("nextToken", 0))
            more = {"nextToken": str(begin + PAGE)} if names[begin + PAGE :] else {}
            return {"logGroups": [self._about(n) for n in names[begin : begin + PAGE]], **more}

    async def create_log_group(self, **asked: Any) -> Answer:
        async with self._wire.request("logs.CreateLogGroup", asked["logGroupName"]):
            if asked["logGroupName"] in self._logs.groups:
                raise refused("ResourceAlreadyExistsException")
            self._logs.groups[asked["logGroupName"]] = None
            return {}

    async def put_retention_policy(self, **asked: Any) -> Answer:
        async with self._wire.request("logs.PutRetentionPolicy", asked["logGroupName"]):
            if asked["logGroupName"] not in self._logs.groups:
                raise missing(f"no log group {asked['logGroupName']}")
            self._logs.groups[asked["logGroupName"]] = asked["retentionInDays"]
            return {}

    def _about(self, name: str) -> Mapping[str, Any]:
        days = self._logs.groups[name]
        return {"logGroupName": name, **({} if days is None else {"retentionInDays": days})}
