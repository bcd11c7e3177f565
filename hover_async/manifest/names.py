"""What the stage's things are called: on AWS, and inside the stack's template."""

from __future__ import annotations

import re

from hover_async.values import FunctionName

FIFO = ".fifo"
DEAD = "-dead"
"""What a dead letter queue's name has behind its queue's."""


def queue_function(stage: str, function: str) -> FunctionName:
    return FunctionName(f"{stage}-{function}-queue")


def sqs_name(stage: str, queue: str, *, suffix: str = "") -> str:
    """`jobs` of stage `shop-dev` is `jobs-shop-dev`; SQS wants `.fifo` at the very end."""
    return f"{queue.removesuffix(FIFO)}-{stage}{suffix}{FIFO if queue.endswith(FIFO) else ''}"


def log_group(function: FunctionName) -> str:
    """Where Lambda writes what a function prints, unless told otherwise."""
    return f"/aws/lambda/{function}"


def access_log_group(stage: str) -> str:
    """Below `/aws/vendedlogs/` CloudWatch's policy for log deliveries does not grow with each."""
    return f"/aws/vendedlogs/apis/{stage}"


def logical_id(kind: str, name: str) -> str:
    """The CloudFormation logical id of `name`: letters and digits only, and one id per name.

    `high-priority` reads `HighPriority`; a character that has no such form is written as `Z` and
    its ASCII code in hex. As `Z` stands for nothing else, the name could be read back from the id:
    two names never share one. Not to be changed: another id means another resource.
    """
    return kind + re.sub(r"(^|(?<!^)-)[a-y]|[^a-z0-9]", _written, name)


def _written(match: re.Match[str]) -> str:
    start = match.group().removeprefix("-")
    if start and "a" <= start <= "y":
        return start.upper()
    return f"Z{ord(match.group()):02x}"
