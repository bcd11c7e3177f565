"""Our difference of two templates, held against what CloudFormation foresees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from hover_async.ports import ForeseenChange
from hover_async.template.difference import Action, Change, PropertyChange, fate_of

NESTED = "AWS::CloudFormation::Stack"
RETAINING = {"Retain", "ReplaceAndRetain", "Snapshot", "ReplaceAndSnapshot"}
"""CloudFormation's policy actions that keep the data."""
ACTIONS = {"Add": Action.CREATE, "Import": Action.CREATE, "Remove": Action.DELETE}
"""Modify and Dynamic are one of two things, by what they say of a replacement."""


@dataclass(frozen=True)
class Confirmed:
    """The changes with CloudFormation's word taken where it differs; `remarks` tell where."""

    changes: Sequence[Change]
    remarks: Sequence[str] = ()


def confirm(changes: Sequence[Change], foreseen: Sequence[ForeseenChange]) -> Confirmed:
    by_place = {(found.stack, found.logical_id): found for found in foreseen}
    ours = Counter((change.stack, change.logical_id) for change in changes)
    confirmed: list[Change] = []
    remarks: list[str] = []
    missing: list[Change] = []
    for change in changes:
        place = (change.stack, change.logical_id)
        found = by_place.get(place)
        if not change.kind or ours[place] > 1:  # outputs; or a type that changes: two of ours
            confirmed.append(change)
        elif found is None:
            confirmed.append(change)
            missing.append(change)
        else:
            told, remark = _corrected(change, found)
            confirmed.append(told)
            remarks += [remark] if remark else []
    others = [found for place, found in by_place.items() if place not in ours]
    confirmed += from_change_set(others)
    followers = [found for found in others if not found.is_certain and found.kind != NESTED]
    remarks += _missing(missing, {"", *(found.stack for found in foreseen)})
    if followers:
        names = ", ".join(found.logical_id for found in followers)
        remarks.append(f"may follow, as values of the above decide: {names}")
    confirmed.sort(key=lambda change: (change.stack, change.logical_id))
    return Confirmed(tuple(confirmed), tuple(remarks))


def _missing(missing: Sequence[Change], told_of: Collection[str]) -> Iterator[str]:
    """What CloudFormation does not foresee; of nested stacks it may not have told at all."""
    names = [change.logical_id for change in missing if change.stack in told_of]
    if names:
        yield f"CloudFormation foresees nothing for {', '.join(names)}"
    stacks = sorted({change.stack for change in missing if change.stack not in told_of})
    if stacks:
        yield f"CloudFormation did not look into {', '.join(stacks)}"


def from_change_set(foreseen: Sequence[ForeseenChange]) -> list[Change]:
    """Changes by CloudFormation's word alone: it names the properties and not their values."""
    return [_change(found) for found in foreseen if found.is_certain]


def _change(found: ForeseenChange) -> Change:
    action = _action(found)
    fate, loses = "", False
    if action in {Action.DELETE, Action.REPLACE}:
        fate, loses = fate_of(found.kind, action, retained=found.policy in RETAINING)
    properties = tuple(PropertyChange(name) for name in found.properties)
    if action in {Action.CREATE, Action.DELETE}:
        properties = ()
    return Change(
        action, found.logical_id, found.kind, found.logical_id, properties, fate, loses, found.stack
    )


def _corrected(change: Change, found: ForeseenChange) -> tuple[Change, str]:
    action, remark = _action(found), ""
    if found.replacement == "Conditional":
        action = change.action
        if action is Action.MODIFY and found.is_certain and found.kind != NESTED:
            remark = f"CloudFormation decides on the way whether {change.logical_id} is replaced"
    elif action is not change.action:
        remark = f"{change.logical_id}: CloudFormation says {action}, the templates {change.action}"
    fate, loses = change.fate, change.loses
    if action is not change.action or found.policy:
        fate, loses = "", False
        if action in {Action.DELETE, Action.REPLACE}:
            fate, loses = fate_of(change.kind, action, retained=found.policy in RETAINING)
    return replace(change, action=action, fate=fate, loses=loses), remark


def _action(found: ForeseenChange) -> Action:
    if found.action in ACTIONS:
        return ACTIONS[found.action]
    return Action.REPLACE if found.replacement == "True" else Action.MODIFY
