"""Queues, their dead letters, and what hands their messages to the queue functions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.names import DEAD, FIFO, logical_id, sqs_name
from hover_async.template.functions import alias_id, sections
from hover_async.template.parts import RETAINED, Resources, attribute, ref, resource
from hover_async.values import FunctionName

MAX_VISIBILITY_S = 43_200
RETENTION_S = 1_209_600
"""14 days, SQS's longest: what nobody fetched yet is not lost over a holiday."""
VISIBILITY_FACTOR = 6
"""AWS asks for six times the function's timeout, so that retries of a throttled batch fit in."""


def queues(manifest: Manifest, *, started: Collection[FunctionName]) -> Resources:
    resources: Resources = {}
    for function, spec, _ in sections(manifest):
        if isinstance(spec, QueueSpec):
            for queue in spec.queues:
                resources |= _queue(
                    manifest.name,
                    queue,
                    spec,
                    alias=alias_id(function),
                    enabled=function.name in started,
                )
    return resources


def _queue(stage: str, queue: str, spec: QueueSpec, *, alias: str, enabled: bool) -> Resources:
    """The ids are the queue's own: it keeps its messages when another function takes it over."""
    queue_id, dead_id = logical_id("SqsQueue", queue), logical_id("DeadLetters", queue)
    redrive = {"deadLetterTargetArn": attribute(dead_id, "Arn"), "maxReceiveCount": spec.tries}
    resources: Resources = {
        queue_id: _sqs_queue(
            sqs_name(stage, queue),
            VisibilityTimeout=min(spec.timeout * VISIBILITY_FACTOR, MAX_VISIBILITY_S),
            RedrivePolicy=redrive if spec.dead_letter else None,
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
        resources[dead_id] = _sqs_queue(sqs_name(stage, queue, suffix=DEAD))
    return resources


def _sqs_queue(name: str, **properties: Any) -> dict[str, Any]:
    is_fifo = True if name.endswith(FIFO) else None
    fixed = {
        "QueueName": name,
        "FifoQueue": is_fifo,
        "ContentBasedDeduplication": is_fifo,  # each job's payload carries an id of its own
        "MessageRetentionPeriod": RETENTION_S,
    }
    return resource("AWS::SQS::Queue", fixed | properties, **RETAINED)
