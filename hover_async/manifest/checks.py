"""What no single key can tell: limits that several keys reach together."""

from __future__ import annotations

from collections.abc import Iterator

from hover_async.manifest.document import Path
from hover_async.manifest.model import Manifest

MAX_FUNCTION_NAME = 64
MAX_QUEUE_NAME = 80
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192),
    *(2557, 2922, 3288, 3653),
)
"""What PutRetentionPolicy takes."""


def cross_checks(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Every problem, with the path it is best told at."""
    if manifest.log_retention not in RETENTION_DAYS:
        nearest = min(RETENTION_DAYS, key=lambda days: abs(days - manifest.log_retention))
        yield (
            ("log-retention",),
            f"CloudWatch keeps logs for {nearest} days, not for {manifest.log_retention}",
        )
    if manifest.http.domains and not manifest.http.certificate:
        yield ("http", "domains"), "a domain needs http.certificate as well"
    if manifest.http.certificate and not manifest.http.domains:
        yield ("http", "certificate"), "a certificate needs http.domains as well"
    if manifest.http.concurrency is not None and manifest.http.warm > manifest.http.concurrency:
        limit = manifest.http.concurrency
        yield (
            ("http", "warm"),
            f"{manifest.http.warm} containers cannot be warm with a concurrency of {limit}",
        )
    yield from _queue_checks(manifest)


def _queue_checks(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    consumers: dict[str, str] = {}
    for function, spec in manifest.queue.items():
        path: Path = ("queue", function)
        name = manifest.queue_function(function)
        if len(name) > MAX_FUNCTION_NAME:
            yield path, f"the function's name '{name}' has more than {MAX_FUNCTION_NAME} characters"
        limit = spec.concurrency
        if limit is not None and spec.max_concurrency is not None and spec.max_concurrency > limit:
            yield (
                (*path, "max-concurrency"),
                f"{spec.max_concurrency} at once cannot run with a concurrency of {limit}",
            )
        for index, queue in enumerate(manifest.queues_of(function)):
            at = (*path, "queues", index) if spec.queues else path
            other = consumers.setdefault(manifest.queue_name(queue), function)
            if other != function or spec.queues.count(queue) > 1:
                yield at, f"queue '{queue}' is worked on by '{other}' already"
            if len(manifest.queue_name(queue)) > MAX_QUEUE_NAME:
                yield at, f"the queue's name has more than {MAX_QUEUE_NAME} characters"
