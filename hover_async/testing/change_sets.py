"""Change sets in memory: by resource and property of the top level, ready after a while."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio import current_time

from hover_async.errors import Conflict, NotFound
from hover_async.ports import ChangeSet, ChangeSetState, ForeseenChange, StackRequest
from hover_async.testing.stacks import FakeStack, FakeStacks
from hover_async.testing.world import World

REVIEW = "REVIEW_IN_PROGRESS"


@dataclass
class FakeChangeSet:
    ready_at_s: float
    result: ChangeSet


@dataclass
class FakeChangeSets:
    """By stack and name. `failure` is the reason why the next one fails; `extra` is added to it."""

    world: World
    stacks: FakeStacks
    ready_s: float = 5.0
    failure: str | None = None
    extra: Sequence[ForeseenChange] = ()
    kept: dict[tuple[str, str], FakeChangeSet] = field(default_factory=dict)

    async def create(self, request: StackRequest, name: str, *, creates: bool) -> None:
        async with self.world.request("change_sets.create", request.name):
            if creates:
                self._empty_stack(request)
            elif request.name not in self.stacks.stacks:
                raise NotFound(f"no stack {request.name}")
            before = {"Resources": {}} if creates else self.stacks.stacks[request.name].template
            changes = [
                *self._foresee(before, json.loads(self.stacks.read.body(request))),
                *self.extra,
            ]
            result = ChangeSet(ChangeSetState.READY, changes=changes)
            if self.failure:
                result = ChangeSet(ChangeSetState.FAILED, self.failure)
            self.kept[request.name, name] = FakeChangeSet(current_time() + self.ready_s, result)

    async def describe(self, stack: str, name: str) -> ChangeSet:
        async with self.world.request("change_sets.describe", stack):
            found = self._found(stack, name)
            if found is None or stack not in self.stacks.stacks:
                raise NotFound(f"no change set {name}")
            is_ready = current_time() >= found.ready_at_s
            return found.result if is_ready else ChangeSet(ChangeSetState.WORKING)

    async def names(self, stack: str) -> Sequence[str]:
        async with self.world.request("change_sets.names", stack):
            return [name for of, name in self.kept if of == stack]

    async def delete(self, stack: str, name: str) -> None:
        async with self.world.request("change_sets.delete", stack):
            found = self._found(stack, name)
            if found and current_time() < found.ready_at_s:
                raise Conflict("the change set is being made")
            self.kept.pop((stack, name), None)

    def _foresee(self, before: dict[str, Any], after: dict[str, Any]) -> Iterator[ForeseenChange]:
        """Of the stack and of its nested stacks, those that only get another image included."""
        yield from _changes("", before["Resources"], after["Resources"])
        olds, news = self.stacks.read.nested(before), self.stacks.read.nested(after)
        for place in sorted({*olds, *news}):
            old, new = _bound(place, before, olds), _bound(place, after, news)
            yield from _changes(place, old, new)

    def _found(self, stack: str, name: str) -> FakeChangeSet | None:
        return self.kept.get((stack, name))

    def _empty_stack(self, request: StackRequest) -> None:
        nothing: dict[str, Any] = {"Resources": {}}
        self.stacks.stacks.setdefault(
            request.name, FakeStack(request.name, REVIEW, REVIEW, 0, request.token, nothing, "")
        )


def _bound(place: str, outer: dict[str, Any], bodies: dict[str, str]) -> dict[str, Any]:
    """The resources of a nested stack, with its parameters' values in their places."""
    if place not in bodies:
        return {}
    resources = json.dumps(json.loads(bodies[place])["Resources"])
    given = outer["Resources"][place]["Properties"]["Parameters"]
    for name, value in given.items():
        resources = resources.replace(json.dumps({"Ref": name}), json.dumps(value))
    bound: dict[str, Any] = json.loads(resources)
    return bound


def _changes(stack: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[ForeseenChange]:
    for logical_id in sorted({*before, *after}):
        if logical_id not in before:
            yield ForeseenChange(stack, logical_id, after[logical_id]["Type"], "Add")
            continue
        old, new = before[logical_id], after.get(logical_id)
        if new is None:
            policy = old.get("DeletionPolicy", "Delete").removesuffix("ExceptOnCreate")
            yield ForeseenChange(stack, logical_id, old["Type"], "Remove", policy=policy)
        elif old != new:
            given = {**old["Properties"], **new["Properties"]}
            names = [
                name for name in given if old["Properties"].get(name) != new["Properties"].get(name)
            ]
            yield ForeseenChange(
                stack, logical_id, new["Type"], "Modify", "False", properties=names
            )
