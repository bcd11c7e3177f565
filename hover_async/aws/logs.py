"""CloudWatch Logs: the stage's log groups."""

from __future__ import annotations

from collections.abc import Mapping

from hover_async.aws.retry import CREATE, SETTLE
from hover_async.aws.service import Service
from hover_async.errors import Conflict


class CloudWatchLogGroups:
    """`LogGroups` over CloudWatch Logs."""

    def __init__(self, logs: Service) -> None:
        self._logs = logs

    async def find(self, prefix: str) -> Mapping[str, int | None]:
        found: dict[str, int | None] = {}
        async with self._logs.pages(
            "DescribeLogGroups",
            f"log groups '{prefix}*'",
            token="nextToken",  # noqa: S106 - the name of a parameter
            next_token="nextToken",  # noqa: S106 - the same
            logGroupNamePrefix=prefix,
        ) as pages:
            async for page in pages:
                found |= {
                    group["logGroupName"]: group.get("retentionInDays")
                    for group in page["logGroups"]
                }
        return found

    async def create(self, name: str, tags: Mapping[str, str]) -> None:
        given = {"tags": dict(tags)} if tags else {}
        try:
            await self._logs.call(
                CREATE, "CreateLogGroup", f"log group '{name}'", logGroupName=name, **given
            )
        except Conflict as error:
            if error.aws_code != "ResourceAlreadyExistsException":
                raise

    async def keep(self, name: str, *, days: int) -> None:
        await self._logs.call(
            SETTLE,
            "PutRetentionPolicy",
            f"log group '{name}'",
            logGroupName=name,
            retentionInDays=days,
        )
