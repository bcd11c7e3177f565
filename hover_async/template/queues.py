"""What hands a queue's messages to its function.

The queues themselves stand beside the stack (`deploy/queues.py`): they hold data, and no operation
of a stack may delete or recreate one.
"""

from __future__ import annotations

from hover_async.manifest.names import logical_id, sqs_name
from hover_async.template.crew import Consumer
from hover_async.template.functions import alias_id
from hover_async.template.parts import Resources, arn, ref, resource


def consumer(stage: str, given: Consumer) -> Resources:
    """The id is the queue's own: within a stack it changes hands in place."""
    most = given.spec.max_concurrency
    return {
        logical_id("Consumer", given.queue): resource(
            "AWS::Lambda::EventSourceMapping",
            {
                "EventSourceArn": arn("sqs", sqs_name(stage, given.queue)),
                "FunctionName": ref(alias_id(given.function)),
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "BatchSize": given.spec.batch,
                "Enabled": given.enabled,
                "ScalingConfig": {"MaximumConcurrency": most} if most else None,
            },
        )
    }
