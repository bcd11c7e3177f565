"""What EventBridge starts: the scheduler each minute, and the ping that keeps containers warm."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from hover_async.manifest import Manifest
from hover_async.manifest.model import Http
from hover_async.template.functions import alias_id, function_id
from hover_async.template.parts import Resources, attribute, permission, ref, resource
from hover_async.values import LIVE, FunctionName, FunctionSpec

WARMING_RATE = "rate(5 minutes)"
"""Lambda keeps an idle environment for 5 to 15 minutes."""
STALE_AFTER_S = 60
"""The shortest that AWS takes. By then the next minute's event is there: an old one is noise."""


def schedules(manifest: Manifest, *, started: Collection[FunctionName]) -> Resources:
    http, cli, *_ = manifest.functions
    resources: Resources = {}
    if manifest.http.warm:
        ping = {"warmer": True, "containers": _kept_warm(manifest.http)}
        resources |= _rule("Warmer", WARMING_RATE, ping, http, enabled=http.name in started)
    if manifest.cli.schedule:
        tick = {"schedule": True}
        resources |= _rule("Scheduler", "rate(1 minute)", tick, cli, enabled=cli.name in started)
    return resources


def _kept_warm(http: Http) -> int:
    """More than the function may run would only be throttled, each time."""
    return http.warm if http.concurrency is None else min(http.warm, http.concurrency)


def _rule(
    rule_id: str, rate: str, event: Mapping[str, object], target: FunctionSpec, *, enabled: bool
) -> Resources:
    alias = alias_id(target)
    return {
        f"{rule_id}Rule": resource(
            "AWS::Events::Rule",
            {
                "ScheduleExpression": rate,
                "State": "ENABLED" if enabled else "DISABLED",
                "Targets": [
                    {
                        "Id": LIVE,
                        "Arn": ref(alias),
                        "Input": json.dumps(event),
                        "RetryPolicy": {"MaximumEventAgeInSeconds": STALE_AFTER_S},
                    }
                ],
            },
        ),
        # Lambda would run a failed event twice more, and a throttled one for six hours.
        f"{rule_id}Once": resource(
            "AWS::Lambda::EventInvokeConfig",
            {
                "FunctionName": ref(function_id(target)),
                "Qualifier": LIVE,
                "MaximumEventAgeInSeconds": STALE_AFTER_S,
                "MaximumRetryAttempts": 0,
            },
            DependsOn=[alias],
        ),
        f"{rule_id}Permission": permission(
            alias, "events.amazonaws.com", attribute(f"{rule_id}Rule", "Arn")
        ),
    }
