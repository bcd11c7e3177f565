"""What no single key can tell: limits that several keys reach together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hover_async.manifest.document import Path
from hover_async.manifest.fields import MAX_TIMEOUT_S
from hover_async.manifest.model import Manifest, QueueSpec
from hover_async.manifest.names import DEAD, sqs_name

MAX_FUNCTION_NAME = 64
MAX_QUEUE_NAME = 80
USUAL_CONCURRENCY, ALWAYS_UNRESERVED = 1_000, 100
"""Of an account in a region, and what of it Lambda lets nobody reserve."""
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192),
    *(2557, 2922, 3288, 3653),
)
"""What CloudWatch's PutRetentionPolicy takes."""


class Found(NamedTuple):
    """A problem, with the path it is best told at."""

    path: Path
    message: str
    suggestion: str | None = None


def cross_checks(manifest: Manifest) -> Iterator[Found]:
    """Every problem that no key has by itself."""
    yield from _stage_checks(manifest)
    yield from _http_checks(manifest)
    for key, spec in manifest.queues.items():
        yield from _queue_checks(manifest, key, spec)
    yield from _consumer_checks(manifest)


def advice(manifest: Manifest) -> Iterator[str]:
    """What is legal and may still go wrong, in a sentence each: it depends on the account."""
    reserves = [manifest.http.concurrency, manifest.cli.concurrency]
    reserves += [queue.concurrency for queue in manifest.queues.values()]
    reserved = sum(reserve or 0 for reserve in reserves)
    if reserved > USUAL_CONCURRENCY - ALWAYS_UNRESERVED:
        yield (
            f"the functions reserve a concurrency of {reserved:,} together; an account has "
            f"{USUAL_CONCURRENCY:,} unless AWS has raised it, and {ALWAYS_UNRESERVED} of it "
            "cannot be reserved"
        )


def _stage_checks(manifest: Manifest) -> Iterator[Found]:
    days = manifest.log_retention
    if days not in RETENTION_DAYS:
        nearest = min(RETENTION_DAYS, key=lambda known: abs(known - days))
        yield Found(
            ("log-retention",), f"CloudWatch cannot keep logs for {days} days", str(nearest)
        )
    accounts = [
        role.split(":")[4] for role in (manifest.auth.stack_role, manifest.auth.lambda_role)
    ]
    if len(set(accounts)) > 1:
        message = f"the roles are of two accounts, {accounts[0]} and {accounts[1]}"
        yield Found(("auth", "lambda-role"), message)
    key = (manifest.auth.secrets_key or "").split(":")
    if len(key) > 1 and key[3] != manifest.region:
        message = f"the key is of region '{key[3]}', the stage of '{manifest.region}'"
        yield Found(("auth", "secrets-key"), message)
    if manifest.alarms and (region := manifest.alarms.topic.split(":")[3]) != manifest.region:
        message = f"the topic is in {region}; alarms reach topics of their own region only"
        yield Found(("alarms", "topic"), message)


def _http_checks(manifest: Manifest) -> Iterator[Found]:
    http = manifest.http
    if http.domains and not http.certificate:
        yield Found(("http", "domains"), "domains need http.certificate as well")
    if http.certificate and not http.domains:
        yield Found(("http", "certificate"), "a certificate needs http.domains as well")
    for index in _repeated(http.domains):
        yield Found(("http", "domains", index), f"'{http.domains[index]}' is given twice")


def _queue_checks(manifest: Manifest, key: str, spec: QueueSpec) -> Iterator[Found]:
    path: Path = ("queue", key)
    function = manifest.queue_function(key).name
    if len(function) > MAX_FUNCTION_NAME:
        message = (
            f"its function's name would be '{function}', "
            f"{len(function)} characters of at most {MAX_FUNCTION_NAME}"
        )
        yield Found(path, message)
    if spec.batch_timeout > MAX_TIMEOUT_S:
        message = (
            f"{spec.batch} jobs of {spec.timeout} s need {spec.batch_timeout} s; "
            f"a function has {MAX_TIMEOUT_S}"
        )
        yield Found((*path, "batch"), message)
    limit, most = spec.concurrency, spec.max_concurrency
    if limit is not None and most is not None and most > limit:
        message = f"{most} at once cannot run with a concurrency of {limit}"
        yield Found((*path, "max-concurrency"), message)
    for index, queue in enumerate(spec.queues):
        name = sqs_name(manifest.name, queue, suffix=DEAD if spec.dead_letter else "")
        if len(name) > MAX_QUEUE_NAME:
            message = (
                f"the queue's name on SQS would be '{name}', "
                f"{len(name)} characters of at most {MAX_QUEUE_NAME}"
            )
            yield Found((*path, "queues", index), message)


def _consumer_checks(manifest: Manifest) -> Iterator[Found]:
    """A queue has one function; which of two gets a message would be chance."""
    owners: dict[str, str] = {}
    for key, spec in manifest.queues.items():
        for index, queue in enumerate(spec.queues):
            at: Path = ("queue", key, "queues", index)
            owner = owners.setdefault(sqs_name(manifest.name, queue), key)
            if owner != key or queue in spec.queues[:index]:
                yield Found(at, f"queue '{queue}' is worked on by 'queue.{owner}' already")
    yield from _dead_letter_checks(manifest, owners)


def _dead_letter_checks(manifest: Manifest, owners: Mapping[str, str]) -> Iterator[Found]:
    for key, spec in manifest.queues.items():
        for index, queue in enumerate(spec.queues if spec.dead_letter else ()):
            name = sqs_name(manifest.name, queue, suffix=DEAD)
            if name in owners:
                message = f"its dead letters would go to '{name}', which 'queue.{owners[name]}' has"
                yield Found(("queue", key, "queues", index), message)


def _repeated(values: Sequence[str]) -> Iterator[int]:
    return (index for index, value in enumerate(values) if value in values[:index])
