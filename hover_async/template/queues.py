"""What hands a queue's messages to its function.

The queues themselves stand beside the stack (`deploy/queues.py`): they hold data, and no operation
of a stack may delete or recreate one.
"""

from __future__ import annotations

from hover_async.manifest import QueueSpec
from hover_async.manifest.names import FIFO, logical_id, sqs_name
from hover_async.template.crew import Consumer
from hover_async.template.functions import alias_id
from hover_async.template.parts import Resources, arn, ref, resource

MAXIMUM_CONCURRENCY = (2, 1000)
"""What Lambda takes as a mapping's ScalingConfig.MaximumConcurrency."""


def consumer(stage: str, given: Consumer) -> Resources:
    """The id is the queue's own: within a stack it changes hands in place.

    A FIFO queue hands over one message at a time. What was received behind a message of its group
    that comes again would have to wait with it: for the visibility timeout instead of the backoff,
    and as a receive, which counts as a try.
    """
    return {
        logical_id("Consumer", given.queue): resource(
            "AWS::Lambda::EventSourceMapping",
            {
                "EventSourceArn": arn("sqs", sqs_name(stage, given.queue)),
                "FunctionName": ref(alias_id(given.function)),
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "BatchSize": 1 if given.queue.endswith(FIFO) else given.spec.batch,
                "Enabled": given.enabled,
                "ScalingConfig": _scaling(given.spec),
            },
        )
    }


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
