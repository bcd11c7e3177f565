"""A time that no deploy can beat, from the very draws that a run will meet.

It is the critical path of the work that cannot be left out, for somebody who knows every duration
beforehand and never has to ask whether something is done: push, UpdateStack, the stack itself,
PublishVersion and Active of every function, the commands, the health request, and the flips, in the
order that safety asks for (no command before everything that may fail by itself has succeeded;
consumers before producers in the flip). Asking, locks, records, warming and uploads cost nothing.

CloudFormation works in its own order, which nobody can change; whoever calls Lambda beside it can
only delay it. So no function is done before it would be with the whole quota to CloudFormation.

The requests that share a bucket are jobs on one machine, with the time they can start at the
earliest and the time that follows each at the least. Jackson's preemptive schedule of such jobs is
no longer than any schedule (J. R. Jackson, 1955; J. Carlier, 1982); a bucket's burst shortens it
by at most the time that it takes to refill.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio
import trio.testing

from hover_async.ports import StackRequest
from hover_async.testing.model import (
    CALLS_AFTER_IMAGE,
    CALLS_BEFORE_IMAGE,
    CONTROL_PLANE,
    STACK_FIXED,
    Model,
    Quota,
)
from hover_async.testing.operations import Engine
from hover_async.testing.stacks import FakeStack, Operation
from hover_async.testing.templates import FunctionChange
from hover_async.values import FunctionName


@dataclass(frozen=True)
class Job:
    """A request: the earliest it can be counted at, and what must follow it, in seconds."""

    release_s: float
    tail_s: float


@dataclass(frozen=True)
class Fleet:
    """The functions of a stage as the flip and as its template orders them; stack and commands."""

    stack: str
    queues: Sequence[str]
    cli: str
    http: str
    commands: Sequence[Sequence[str]]
    in_the_stack: Sequence[str]

    @property
    def functions(self) -> Sequence[str]:
        return [*self.queues, self.cli, self.http]


@dataclass(frozen=True)
class Bound:
    """Seconds until everything is published and decided, until the flip begins, and until it ends.

    `skew_s` is the least time from the first answer of the flip to the last.
    """

    artifacts_s: float
    rehearsed_s: float
    total_s: float
    skew_s: float


def lower_bound(seed: int, fleet: Fleet, model: Model) -> Bound:
    """Of a deploy of `fleet` in a fresh model of this seed; `model` itself is not drawn from."""
    drawn = Model(seed, model.sizes, model.quotas)
    quota = drawn.quotas[CONTROL_PLANE]
    accepted_s = drawn.push_s() + sum(drawn.request_s("cloudformation.UpdateStack", fleet.stack))
    half_s = drawn.draw(STACK_FIXED, "stack", fleet.stack) / 2
    begins_s = accepted_s + half_s
    alone = undisturbed(seed, fleet, model)
    jobs: list[Job] = []
    apart_s = accepted_s + alone.decided_s
    for name in fleet.functions:
        image_s = drawn.image_s(name)
        there_s, back_s = drawn.request_s("lambda.PublishVersion", name)
        ready_s = begins_s + image_s
        jobs += [Job(begins_s, image_s + half_s)] * CALLS_BEFORE_IMAGE
        jobs += [Job(ready_s, half_s)] * CALLS_AFTER_IMAGE
        active_s = back_s + drawn.activation_s(name)
        jobs.append(Job(ready_s + there_s, active_s))
        apart_s = max(apart_s, accepted_s + alone.done_s[name] + there_s + active_s)
    artifacts_s = max(span(jobs, quota), apart_s)
    rehearsed_s = artifacts_s + _rehearsal_s(drawn, fleet)
    flips = [(name, drawn.request_s("lambda.UpdateAlias", name)) for name in fleet.functions]
    last_s = sum(sum(took) for name, took in flips if name in {fleet.cli, fleet.http})
    queues = [took for name, took in flips if name in set(fleet.queues)]
    queues_s = span([Job(there_s, back_s) for there_s, back_s in queues], quota)
    first_s = min((sum(took) for took in queues), default=0.0)
    return Bound(
        artifacts_s, rehearsed_s, rehearsed_s + queues_s + last_s, queues_s - first_s + last_s
    )


@dataclass
class Course:
    """When CloudFormation is done with each function and with all, after it has accepted."""

    done_s: dict[str, float] = field(default_factory=dict)
    decided_s: float = 0.0

    def begin(self, operation: Operation, change: FunctionChange, *, done_at_s: float) -> None:
        """Nothing to note: the image is not the last of it."""

    def finish(self, operation: Operation, change: FunctionChange, *, at_s: float) -> None:
        self.done_s[change.name] = trio.current_time()

    def decide(self, operation: Operation, *, at_s: float) -> None:
        self.decided_s = trio.current_time()


def undisturbed(seed: int, fleet: Fleet, model: Model) -> Course:
    """An update of every function, with nobody else in the account."""
    course = Course()
    request = StackRequest(fleet.stack, "", False, None, {}, "alone")
    stack = FakeStack(fleet.stack, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", 0, "alone", {}, "")
    changes = [
        FunctionChange(FunctionName(name), name, "", "", is_new=False)
        for name in fleet.in_the_stack
    ]

    async def work() -> None:
        fresh = Model(seed, model.sizes, model.quotas)
        await Engine(course, fresh).carry_out(Operation(request, stack, changes))

    trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))
    return course


def _rehearsal_s(drawn: Model, fleet: Fleet) -> float:
    """The commands, the first of which boots its container, and the health request after them."""
    commands_s = drawn.boot_s(f"{fleet.cli}/0") if fleet.commands else 0.0
    for argv in fleet.commands:
        commands_s += sum(drawn.request_s("lambda.Invoke", fleet.cli))
        commands_s += drawn.command_s(list(argv))
    return commands_s


def span(jobs: Sequence[Job], quota: Quota) -> float:
    """When the last job and what follows it can be over at the earliest."""
    if not jobs:
        return 0.0
    alone_s = max(job.release_s + job.tail_s for job in jobs)
    return max(alone_s, jackson(jobs, 1 / quota.per_s) - quota.burst / quota.per_s)


def jackson(jobs: Sequence[Job], each_s: float) -> float:
    """The span of Jackson's preemptive schedule: always the job with the longest tail."""
    arriving = sorted(jobs, key=lambda job: job.release_s)
    waiting: list[tuple[float, float]] = []  # the longest tail first, and what is left of the job
    now_s, ends_s, arrived = 0.0, 0.0, 0
    while arrived < len(arriving) or waiting:
        if not waiting:
            now_s = max(now_s, arriving[arrived].release_s)
        while arrived < len(arriving) and arriving[arrived].release_s <= now_s:
            heapq.heappush(waiting, (-arriving[arrived].tail_s, each_s))
            arrived += 1
        tail, left_s = heapq.heappop(waiting)
        until_s = arriving[arrived].release_s if arrived < len(arriving) else now_s + left_s
        worked_s = min(left_s, until_s - now_s)
        now_s += worked_s
        if left_s - worked_s > 1e-12:
            heapq.heappush(waiting, (tail, left_s - worked_s))
        else:
            ends_s = max(ends_s, now_s - tail)
    return ends_s
