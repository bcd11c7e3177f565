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
MAX_RECEIVES = 1_000
"""SQS's most; AWS asks for five at least, because of throttled batches. The runtime itself sends to
the dead letters what failed for good: SQS counts receives, and knows neither a job's own tries nor
what was received in vain. Left to SQS is what no invocation ever came to an end with.
"""
MAXIMUM_CONCURRENCY = (2, 1000)
"""What Lambda takes as a mapping's ScalingConfig.MaximumConcurrency."""


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
    """The ids are the queue's own: it keeps its messages when another function takes it over.

    A FIFO queue hands over one message at a time. What was received behind a message of its group
    that comes again would have to wait with it: for the visibility timeout instead of the backoff,
    and as a receive, which counts as a try.
    """
    queue_id, dead_id = logical_id("SqsQueue", queue), logical_id("DeadLetters", queue)
    redrive = {"deadLetterTargetArn": attribute(dead_id, "Arn"), "maxReceiveCount": MAX_RECEIVES}
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
                "BatchSize": 1 if queue.endswith(FIFO) else spec.batch,
                "Enabled": enabled,
                "ScalingConfig": _scaling(spec),
            },
        ),
    }
    if spec.dead_letter:
        resources[dead_id] = _sqs_queue(sqs_name(stage, queue, suffix=DEAD))
    return resources


def _scaling(spec: QueueSpec) -> dict[str, int] | None:
    """Never more batches at once than the function may run.

    Lambda receives from a queue without regard to a function's reserve; a batch that finds it used
    up is retried until its visibility timeout, and has then been received for nothing: that counts
    as a try, and towards the dead letters
    (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html). So where the manifest
    does not say, the queues share the reserve.
    """
    if spec.max_concurrency:
        return {"MaximumConcurrency": spec.max_concurrency}
    if spec.concurrency is None:
        return None
    least, most = MAXIMUM_CONCURRENCY
    share = spec.concurrency // len(spec.queues)
    return {"MaximumConcurrency": min(max(share, least), most)}


def _sqs_queue(name: str, **properties: Any) -> dict[str, Any]:
    is_fifo = True if name.endswith(FIFO) else None
    fixed = {
        "QueueName": name,
        "FifoQueue": is_fifo,
        "ContentBasedDeduplication": is_fifo,  # each job's payload carries an id of its own
        "MessageRetentionPeriod": RETENTION_S,
    }
    return resource("AWS::SQS::Queue", fixed | properties, **RETAINED)
