"""The stage's queues on SQS: made beside the stack, and never deleted by a deploy.

They hold messages, so they are older than the functions that work on them and outlive those. A
queue that leaves the manifest stays with what is in it, and is the same queue when it comes back.
CloudFormation could not do that: a retained queue makes the stack that wants it again fail, and
SQS queues cannot be imported automatically, for their identifier is a URL that AWS gives.

Before the flip a queue only gains: it is made, or hides a message for longer. Whatever the version
that is live could miss is changed after the flip.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from anyio import CapacityLimiter, sleep

from hover_async.concurrency import bounded_map
from hover_async.errors import QueueTaken
from hover_async.events import Reporter, Warned
from hover_async.manifest import Manifest, QueueSpec
from hover_async.manifest.names import DEAD, FIFO, sqs_name
from hover_async.ports import Queues

AT_ONCE = 32
TAGGING_AT_ONCE = 2
"""SQS allows 5 requests a second that read or set tags, in the whole account (its quotas' page)."""
MAX_VISIBILITY_S = 43_200
RETENTION_S = 1_209_600
"""14 days, SQS's longest: what nobody fetched yet is not lost over a holiday."""
VISIBILITY_FACTOR = 6
"""AWS asks for six times the function's timeout, so that retries of a throttled batch fit in."""
MAX_RECEIVES = 1_000
"""SQS's most; AWS asks for five at least, because of throttled batches. The runtime itself sends to
the dead letters what failed for good: SQS counts receives, and knows neither a job's own tries nor
what was received in vain. Left to SQS is what no invocation ever came to an end with."""
USABLE_AFTER_S = 1.0
"""CreateQueue's page: one must wait for at least a second to be able to use a new queue."""
OWNER = "hover-async"
"""The tag that names the stage of a queue."""
VISIBILITY, REDRIVE = "VisibilityTimeout", "RedrivePolicy"

Attributes = Mapping[str, str]
"""By SQS's names and in its spelling: `{"VisibilityTimeout": "360"}`."""


@dataclass(frozen=True)
class WantedQueue:
    """A queue as the manifest asks for it.

    `dead` names its dead letters; dead letters themselves have no `visibility_s`.
    """

    name: str
    visibility_s: int | None
    dead: str | None = None

    def attributes(self, queues: Queues) -> Attributes:
        wanted = {"MessageRetentionPeriod": str(RETENTION_S), REDRIVE: ""}
        if self.visibility_s is not None:
            wanted[VISIBILITY] = str(self.visibility_s)
        if self.dead:
            policy = {"deadLetterTargetArn": queues.arn(self.dead), "maxReceiveCount": MAX_RECEIVES}
            wanted[REDRIVE] = json.dumps(policy)
        if self.name.endswith(FIFO):
            # Each job's payload carries an id of its own.
            wanted |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        return wanted


@dataclass(frozen=True)
class StandingQueues:
    """Every queue stands. `due` is what is still to be changed of some, by name, after the flip.

    `record` is the mark (an etag) of the record of what was live then.
    """

    count: int
    due: Mapping[str, Attributes] = field(default_factory=dict)
    record: str | None = None


def wanted_queues(manifest: Manifest) -> Iterator[WantedQueue]:
    """Every queue of the manifest, its dead letters before itself."""
    for spec in manifest.queues.values():
        for queue in spec.queues:
            dead = sqs_name(manifest.name, queue, suffix=DEAD) if spec.dead_letter else None
            if dead:
                yield WantedQueue(dead, None)
            yield WantedQueue(sqs_name(manifest.name, queue), visibility_s(spec), dead)


def visibility_s(spec: QueueSpec) -> int:
    """For how long a queue of this function hides a message that was received."""
    return min(spec.batch_timeout * VISIBILITY_FACTOR, MAX_VISIBILITY_S)


async def ensure_queues(
    manifest: Manifest, queues: Queues, report: Reporter, *, before: Manifest | None = None
) -> StandingQueues:
    """Make the queues that are missing, and let none hide messages for less than it must.

    `before` is the manifest that is live: its queues are the stage's own. Another queue that is
    there already is taken over with its messages, and told. Raises `QueueTaken` when it is another
    stage's. Nothing that the live version relies on has changed, whatever happens.
    """
    wanted = list(wanted_queues(manifest))
    known = {queue.name for queue in wanted_queues(before)} if before else set()
    kept = _kept_until_the_flip(manifest, before) if before else {}
    created: list[str] = []
    tagging = CapacityLimiter(TAGGING_AT_ONCE)

    async def ensure(queue: WantedQueue) -> tuple[str, Attributes]:
        attributes = queue.attributes(queues)
        found = await queues.find(queue.name)
        if found is None:
            # SQS takes no empty policy for a queue that is new.
            given = {name: value for name, value in attributes.items() if value}
            await queues.create(queue.name, given, {**manifest.tags, OWNER: manifest.name})
            created.append(queue.name)
            return queue.name, {}
        if queue.name not in known:
            async with tagging:
                await _take_over(queue.name, manifest, queues, report)
        least_s = max(queue.visibility_s or 0, kept.pop(queue.name, 0))
        found = await _hide_for(least_s, queue.name, found, queues)
        return queue.name, differences(attributes, found)

    async def keep(item: tuple[str, int]) -> None:
        name, least_s = item
        if found := await queues.find(name):
            await _hide_for(least_s, name, found, queues)

    # Dead letters first: SQS wants them there before a queue names them.
    due: dict[str, Attributes] = {}
    for is_dead in (True, False):
        batch = [queue for queue in wanted if (queue.visibility_s is None) is is_dead]
        due |= dict(await bounded_map(ensure, batch, limit=AT_ONCE))
        if is_dead and created:
            await sleep(USABLE_AFTER_S)
    await bounded_map(keep, kept.items(), limit=AT_ONCE)
    return StandingQueues(len(wanted), {name: changes for name, changes in due.items() if changes})


def _kept_until_the_flip(manifest: Manifest, before: Manifest) -> dict[str, int]:
    """For how long each queue must hide messages that a function of the manifest has until the
    flip, be it that another gets it then, or nobody: the function may take longer already."""
    return {
        sqs_name(manifest.name, queue): visibility_s(manifest.queues[key])
        for key, spec in before.queues.items()
        if key in manifest.queues
        for queue in spec.queues
    }


async def _hide_for(least_s: int, name: str, found: Attributes, queues: Queues) -> Attributes:
    """The queue's attributes, once it hides messages for `least_s` or longer."""
    if int(found.get(VISIBILITY, "0")) >= least_s:
        return found
    await queues.change(name, {VISIBILITY: str(least_s)})
    return {**found, VISIBILITY: str(least_s)}


async def settle_queues(standing: StandingQueues, queues: Queues) -> None:
    """After the flip: give the queues the attributes that had to wait for it."""

    async def change(item: tuple[str, Attributes]) -> None:
        await queues.change(*item)

    await bounded_map(change, standing.due.items(), limit=AT_ONCE)


async def _take_over(name: str, manifest: Manifest, queues: Queues, report: Reporter) -> None:
    owner = await owner_of(name, queues)
    if problem := taken(name, owner, manifest):
        raise problem
    if owner is None:
        await queues.tag(name, {OWNER: manifest.name})
        report(Warned(f"queue '{name}' was there already: its messages will be worked on"))


async def owner_of(name: str, queues: Queues) -> str | None:
    """The stage that a queue belongs to, by its tag."""
    return (await queues.tags(name)).get(OWNER)


def taken(name: str, owner: str | None, manifest: Manifest) -> QueueTaken | None:
    """Why this stage may not have the queue, if `owner` is another."""
    if owner in {None, manifest.name}:
        return None
    return QueueTaken(
        f"queue '{name}' belongs to stage '{owner}'",
        hint="two stages cannot work on one queue: give this queue, or the stage, another name",
    )


def differences(wanted: Attributes, found: Attributes) -> Attributes:
    """Those of the wanted attributes that a queue which stands has not."""
    return {name: value for name, value in wanted.items() if _differs(name, value, found)}


def _differs(name: str, value: str, found: Attributes) -> bool:
    there = found.get(name, "")
    if name == REDRIVE and value and there:
        return _policy(value) != _policy(there)
    return value != there


def _policy(text: str) -> tuple[str, int]:
    policy = json.loads(text)
    return str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
