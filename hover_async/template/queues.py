"""Queues, their dead letters, and what hands their messages to the queue functions."""

from __future__ import annotations

from collections.abc import Collection

from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.model import logical_id
from hover_async.template.functions import alias_id
from hover_async.template.parts import RETAINED, Resources, attribute, ref, resource
from hover_async.values import FunctionName, Role

MAX_VISIBILITY_S = 43_200
MAX_RETENTION_S = 1_209_600
VISIBILITY_FACTOR = 6
"""AWS asks for six times the function's timeout, so that retries of a throttled batch fit in."""


def queues(manifest: Manifest, *, started: Collection[FunctionName]) -> Resources:
    resources: Resources = {}
    specs = [spec for spec in manifest.functions if spec.role is Role.QUEUE]
    for name, function in zip(manifest.queue, specs, strict=True):
        for queue in manifest.queues_of(name):
            resources |= _queue(
                manifest,
                manifest.queue[name],
                queue,
                alias=alias_id(function),
                enabled=function.name in started,
            )
    return resources


def _queue(
    manifest: Manifest, spec: QueueSpec, queue: str, *, alias: str, enabled: bool
) -> Resources:
    is_fifo = queue.endswith(".fifo")
    queue_id = logical_id("SqsQueue", queue)
    dead_id = logical_id("DeadLetters", queue)
    resources: Resources = {
        queue_id: resource(
            "AWS::SQS::Queue",
            {
                "QueueName": manifest.queue_name(queue),
                "FifoQueue": True if is_fifo else None,
                "VisibilityTimeout": min(spec.timeout * VISIBILITY_FACTOR, MAX_VISIBILITY_S),
                "MessageRetentionPeriod": MAX_RETENTION_S,
                "RedrivePolicy": {
                    "deadLetterTargetArn": attribute(dead_id, "Arn"),
                    "maxReceiveCount": spec.tries,
                }
                if spec.dead_letter
                else None,
            },
            **RETAINED,
        ),
        logical_id("Consumer", queue): resource(
            "AWS::Lambda::EventSourceMapping",
            {
                "EventSourceArn": attribute(queue_id, "Arn"),
                "FunctionName": ref(alias),
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "BatchSize": spec.batch,
                "Enabled": enabled,
                "ScalingConfig": {"MaximumConcurrency": spec.max_concurrency}
                if spec.max_concurrency
                else None,
            },
        ),
    }
    if spec.dead_letter:
        base, fifo, _ = manifest.queue_name(queue).partition(".fifo")
        resources[dead_id] = resource(
            "AWS::SQS::Queue",
            {
                "QueueName": f"{base}-dead{fifo}",
                "FifoQueue": True if is_fifo else None,
                "MessageRetentionPeriod": MAX_RETENTION_S,
            },
            **RETAINED,
        )
    return resources
