"""What lies between two templates of a stack, as CloudFormation would make one of the other.

Pure: nobody is asked. It is computed from the templates themselves and from CloudFormation's
published update behaviours (`behaviours.py`), so it needs no permission but to read the template.
Values are shown, except those of a function's environment variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hover_async.template.behaviours import behaviour
from hover_async.template.parts import Resource, Resources

RETAINS = {"Retain", "RetainExceptOnCreate"}
ATTRIBUTES = ("DependsOn", "DeletionPolicy", "UpdateReplacePolicy")
"""What a resource may have beside its properties; no change of it replaces anything."""
VARIABLES = "Environment.Variables."
HIDDEN = "(not shown)"
OUTPUTS = "Outputs"
"""Stands for the stack's outputs where a logical id is told."""


class Action(StrEnum):
    CREATE = "create"
    MODIFY = "modify"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True)
class PropertyChange:
    """`before` and `after` as text, or `HIDDEN`; None where there is none."""

    path: str
    before: str | None = None
    after: str | None = None
    replaces: bool = False


@dataclass(frozen=True)
class Change:
    """What happens to a resource.

    `stack` leads to the nested stack it is in, empty for the root. `fate` tells what becomes of the
    data of a resource that ends here; `loses` whether it is gone.
    """

    action: Action
    logical_id: str
    kind: str
    name: str = ""
    properties: Sequence[PropertyChange] = ()
    fate: str = ""
    loses: bool = False
    stack: str = ""

    @property
    def label(self) -> str:
        return behaviour(self.kind).label if self.kind else "outputs"

    @property
    def is_grave(self) -> bool:
        """Whether something that keeps data, or that the world points to, ends."""
        return bool(self.fate)


class Unreadable(ValueError):
    """A template that is not the JSON object that ours are."""


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Every change, by stack and logical id.

    Both map a (nested) stack's path, `""` for the root, to its template. Raises `Unreadable`.
    """
    changes: list[Change] = []
    olds, news = _bound(before), _bound(after)
    for path in sorted({*before, *after}):
        old, new = olds.get(path, {}), news.get(path, {})
        changes += _resources(old.get("Resources", {}), new.get("Resources", {}), path)
        outputs = tuple(_properties("", old.get(OUTPUTS, {}), new.get(OUTPUTS, {}), frozenset()))
        if outputs and path in before and path in after:
            changes.append(Change(Action.MODIFY, OUTPUTS, "", properties=outputs, stack=path))
    return tuple(changes)


def fate_of(kind: str, action: Action, *, retained: bool) -> tuple[str, bool]:
    """What becomes of the old resource's data, and whether it is lost."""
    about = behaviour(kind)
    what = "the old one" if action is Action.REPLACE else "it"
    if about.keeps and retained:
        stays = f"{what} stays on AWS with its {about.keeps}, outside the stack"
        return f"{stays}; nothing of the stage uses it any more", False
    if about.keeps:
        return f"{what} is deleted with its {about.keeps}", True
    if about.lost and not retained:
        return about.lost, True
    return "", False


def _bound(bodies: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """The templates, those of nested stacks with the values that their parameters are given.

    So a change that comes through a parameter, a new image say, is seen where it has its effect.
    """
    templates: dict[str, Mapping[str, Any]] = {}
    for path in sorted(bodies, key=lambda path: path.count("/") + bool(path)):
        template = _parsed(bodies[path])
        outer, _, logical_id = path.rpartition("/")
        stack = templates.get(outer, {}).get("Resources", {}).get(logical_id) if path else None
        given = stack["Properties"].get("Parameters", {}) if stack else {}
        templates[path] = {
            **template,
            **{part: _with(template.get(part, {}), given) for part in ("Resources", OUTPUTS)},
        }
    return templates


def _with(value: Any, parameters: Mapping[str, Any]) -> Any:
    """`value`, in which each `Ref` to a parameter is what that is given."""
    if isinstance(value, dict):
        if value.keys() == {"Ref"} and value["Ref"] in parameters:
            return parameters[value["Ref"]]
        return {key: _with(inner, parameters) for key, inner in value.items()}
    return [_with(inner, parameters) for inner in value] if isinstance(value, list) else value


def _parsed(body: str) -> Mapping[str, Any]:
    try:
        template = json.loads(body)
        resources = list(template["Resources"].values())
        is_template = all(isinstance(resource["Type"], str) for resource in resources)
        for resource in resources:
            resource.setdefault("Properties", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        is_template, template = False, {}
    if not is_template:
        raise Unreadable("it is not the JSON of a template")
    found: Mapping[str, Any] = template
    return found


def _resources(old: Resources, new: Resources, stack: str) -> Iterator[Change]:
    replaced = _replaced(old, new)
    for logical_id in sorted({*old, *new}):
        before, after = old.get(logical_id), new.get(logical_id)
        if before is None and after is not None:
            yield Change(
                Action.CREATE, logical_id, after["Type"], _name(after, logical_id), stack=stack
            )
        elif before is not None and (after is None or before["Type"] != after["Type"]):
            yield _ended(Action.DELETE, logical_id, before, before.get("DeletionPolicy"), stack)
            if after is not None:
                name = _name(after, logical_id)
                yield Change(Action.CREATE, logical_id, after["Type"], name, stack=stack)
        elif before is not None and after is not None:
            yield from _changed(logical_id, before, after, replaced, stack)


def _changed(
    logical_id: str, before: Resource, after: Resource, replaced: frozenset[str], stack: str
) -> Iterator[Change]:
    properties = tuple(_property_changes(before, after, replaced))
    if logical_id in replaced:
        policy = after.get("UpdateReplacePolicy")
        yield _ended(Action.REPLACE, logical_id, after, policy, stack, properties)
    elif properties:
        name = _name(after, logical_id)
        yield Change(Action.MODIFY, logical_id, after["Type"], name, properties, stack=stack)


def _ended(
    action: Action,
    logical_id: str,
    resource: Resource,
    policy: str | None,
    stack: str,
    properties: Sequence[PropertyChange] = (),
) -> Change:
    kind = resource["Type"]
    fate, loses = fate_of(kind, action, retained=policy in RETAINS)
    return Change(
        action, logical_id, kind, _name(resource, logical_id), properties, fate, loses, stack
    )


def _replaced(old: Resources, new: Resources) -> frozenset[str]:
    """Those that become others: by a property of their own, or by one that follows another."""
    replaced: frozenset[str] = frozenset()
    while True:
        found = frozenset(
            logical_id
            for logical_id, before in old.items()
            if (after := new.get(logical_id))
            and before["Type"] == after["Type"]
            and any(change.replaces for change in _property_changes(before, after, replaced))
        )
        if found == replaced:
            return found
        replaced = found


def _property_changes(
    before: Resource, after: Resource, replaced: frozenset[str]
) -> Iterator[PropertyChange]:
    kind = after["Type"]
    yield from _properties(kind, before["Properties"], after["Properties"], replaced)
    for attribute in ATTRIBUTES:
        old, new = before.get(attribute), after.get(attribute)
        if old != new:
            yield PropertyChange(attribute, _shown(old), _shown(new))


def _properties(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any], replaced: frozenset[str]
) -> Iterator[PropertyChange]:
    replacing = behaviour(kind).replacing
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    for path in sorted({*old, *new}):
        is_other = old.get(path) != new.get(path) or (path in old) != (path in new)
        if is_other or _follows(new.get(path), replaced):
            show = _hidden if path.startswith(VARIABLES) else _shown
            yield PropertyChange(
                path,
                show(old[path]) if path in old else None,
                show(new[path]) if path in new else None,
                replaces=path.partition(".")[0].partition("[")[0] in replacing,
            )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values by path; a list whose entries have keys of their own is told entry by entry."""
    if isinstance(value, dict) and value and not _is_intrinsic(value):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
        return
    if isinstance(value, list) and (keys := _keys(value)):
        for key, inner in zip(keys, value, strict=True):
            yield from _leaves(inner, f"{path}[{key}]")
        return
    yield path, value


def _keys(entries: list[Any]) -> list[str] | None:
    for name in ("Key", "Id", "PathPattern", "EventType"):
        if entries and all(isinstance(entry, dict) and name in entry for entry in entries):
            keys = [str(entry[name]) for entry in entries]
            return keys if len(set(keys)) == len(keys) else None
    return None


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)


def _follows(value: Any, replaced: frozenset[str]) -> bool:
    """Whether the value is taken from a resource that becomes another one."""
    if isinstance(value, dict):
        if value.get("Ref") in replaced:
            return True
        got = value.get("Fn::GetAtt")
        if isinstance(got, list) and got and got[0] in replaced:
            return True
        return any(_follows(inner, replaced) for inner in value.values())
    return isinstance(value, list) and any(_follows(inner, replaced) for inner in value)


def _name(resource: Resource, logical_id: str) -> str:
    name = resource["Properties"].get(behaviour(resource["Type"]).named_by)
    return name if isinstance(name, str) else logical_id


def _hidden(value: Any) -> str:
    del value
    return HIDDEN


def _shown(value: Any) -> str | None:
    """A value as people read it: `${Api.Arn}` for what is taken from another resource."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((function, of),) = value.items()
        if function == "Ref":
            return f"${{{of}}}"
        if function == "Fn::GetAtt" and isinstance(of, list):
            return f"${{{'.'.join(map(str, of))}}}"
        if function == "Fn::Join" and isinstance(of, list):
            return str(of[0]).join(str(_shown(part)) for part in of[1])
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
