"""What an operation on a stack tells while it works: its events, and which functions are done.

CloudFormation is done with a function when it says so, and not before: between the new code and
the new configuration Lambda, too, calls the function updated, and a version published then would
keep the old configuration. Functions that the operation does not touch have no events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hover_async.concurrency import Feed
from hover_async.events import Reporter, ResourceChanged
from hover_async.ports import StackEvent, Stacks
from hover_async.values import FunctionName

NESTED = "AWS::CloudFormation::Stack"
FUNCTION = "AWS::Lambda::Function"
STANDS = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


@dataclass
class Hearing:
    """Hears an operation's events, each once; `updated` is fed the functions that are done.

    `stand` are those functions, `told` all events but those of nested stacks.
    """

    name: str
    token: str
    stacks: Stacks
    report: Reporter
    updated: Feed[FunctionName]
    told: list[StackEvent] = field(default_factory=list)
    stand: set[FunctionName] = field(default_factory=set)
    _nested: dict[str, str | None] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    async def listen(self, *, again: bool = False) -> bool:
        """Ask for what is new, or `again` for all; whether there was any that is new."""
        since = self.told[-1].id if self.told and not again else None
        heard = await self.stacks.events(self.name, token=self.token, since=since)
        known = {event.id for event in self.told}
        new = [event for event in heard if event.id not in known]
        for event in new:
            self.told.append(event)
            self.report(ResourceChanged(event.logical_id, event.kind, event.status, event.reason))
            self._note(event)
        inner = [await self._listen_in(stack) for stack in self._nested if stack not in self._ended]
        self._ended |= {
            event.physical_id for event in new if event.kind == NESTED and event.status in STANDS
        }
        return bool(new) or any(inner)

    async def _listen_in(self, stack: str) -> bool:
        """A nested stack may still tell of an older operation: what is older than ours is not ours.

        Both times are of CloudFormation's own clock.
        """
        heard = await self.stacks.events(stack, token=None, since=self._nested[stack])
        if heard:
            self._nested[stack] = heard[-1].id
        new = [event for event in heard if event.at_s >= self.told[0].at_s > 0]
        for event in new:
            self._note(event)
        return bool(new)

    def _note(self, event: StackEvent) -> None:
        if event.kind == FUNCTION and event.status in STANDS:
            self.stand.add(FunctionName(event.physical_id))
            self.updated.put(FunctionName(event.physical_id))
        if event.kind == NESTED and event.physical_id not in {"", event.stack_id, self.name}:
            self._nested.setdefault(event.physical_id, None)
