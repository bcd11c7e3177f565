"""A plan for people: what changes, in one table, and what becomes of the data in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hover_async.template.difference import HIDDEN, Action, Change, PropertyChange
from hover_async.values import Lane

if TYPE_CHECKING:
    from hover_async.deploy.planned import (
        Plan,
        PlannedFunction,
        PlannedLogs,
        PlannedQueue,
        PlannedStack,
    )
    from hover_async.deploy.upload import Amount

LONGEST_VALUE = 60
SHOWN_BEFORE = 12
"""Characters before the first that differs, of values too long to be shown."""
SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.MODIFY: ("~", "yellow"),
    Action.REPLACE: ("±", "bold red"),
    Action.DELETE: ("-", "red"),
}
DOES = {
    "new": ("goes live for the first time", "green"),
    "new-version": ("gets a new version", "yellow"),
    "nothing": ("stays", "dim"),
    "removed": ("is deleted with its versions", "red"),
}
QUEUES = {
    "made": ("is made", "green"),
    "taken over": ("is there already, and will be worked on", "bold yellow"),
    "changed": ("is changed", "yellow"),
    "left": ("stays on AWS with what is in it; nobody works on it any more", "bold yellow"),
    "refused": ("is another stage's", "bold red"),
}
LOGS = {
    "made": ("is made", "green"),
    "adopted": ("is adopted with its logs", "yellow"),
    "changed": ("is changed", "yellow"),
    "left": ("stays on AWS with its logs", "yellow"),
}
DIGEST = re.compile(r"\S*@(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def print_plan(plan: Plan, console: Console) -> None:
    """The plan; its last line says whether anything would change."""
    console.print(_head(plan))
    if plan.deploying:
        console.print(Text(f"! another run holds the lock: {plan.deploying}", "bold yellow"))
    console.print(_stack_line(plan.stack))
    for note in _notes(plan):
        console.print(Text.assemble("  ", note))
    if plan.stack.changes:
        console.print(_changes(plan.stack))
    console.print(_facts(plan))
    console.print(_verdict(plan))


def _head(plan: Plan) -> Text:
    live = f"{plan.live_build} is live" if plan.live_build else "nothing of it is on record as live"
    if plan.live_build == plan.build_id:
        live = "this build is live"
    return Text.assemble(
        ("plan ", "bold"), f"of {plan.build_id}, stage '{plan.stage}', {plan.region}; {live}"
    )


def _stack_line(stack: PlannedStack) -> Text:
    counts = ", ".join(
        f"{stack.count(action)} to {action}" for action in Action if stack.count(action)
    )
    said = {"create": "is created", "update": "is updated", "nothing": "stays as it is"}
    line = Text.assemble("\n", ("stack ", "bold"), f"{stack.name} {said[stack.does]}")
    return line.append(f": {counts}" if counts else "")


def _notes(plan: Plan) -> Iterator[Text]:
    stack = plan.stack
    if stack.obstacle:
        yield Text(f"! a deploy cannot begin: {stack.obstacle}", "bold red")
    if stack.refused:
        yield Text("! the direct lane refuses this; with --stack a deploy does it", "bold red")
        for reason in stack.refused:
            yield Text(f"  {_told(reason)}", "yellow")
    elif plan.lane is Lane.DIRECT:
        yield Text("in the direct lane: functions get the image without CloudFormation", "dim")
        return
    if stack.does == "create" and stack.status == "ROLLBACK_COMPLETE":
        yield Text("its first creation failed: a deploy deletes it and makes it anew", "yellow")
    if stack.source == "change-set":
        why = f"the deployed template cannot be read: {stack.unreadable}"
        yield Text(f"by CloudFormation alone, for {why}", "yellow")
    elif stack.confirmed:
        yield Text("by the two templates; confirmed by CloudFormation", "dim")
    else:
        yield Text(
            f"by the two templates, not confirmed by CloudFormation: {stack.unconfirmed}", "yellow"
        )
    for remark in stack.remarks:
        yield Text(remark, "yellow")


def _changes(stack: PlannedStack) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    order = list(Action)
    for change in sorted(stack.changes, key=lambda change: order.index(change.action)):
        sign, style = SIGNS[change.action]
        where = f"  (in {change.stack})" if change.stack else ""
        table.add_row(
            Text(f"{sign} {change.action}", style),
            Text(change.label),
            Text.assemble((change.name or change.logical_id, "bold"), (where, "dim")),
        )
        for line in _details(change):
            table.add_row("", "", line)
    return table


def _details(change: Change) -> Iterator[Text]:
    for prop in change.properties:
        yield _property(prop)
    if change.fate:
        yield Text(f"! {change.fate}", "bold red" if change.loses else "bold yellow")


def _property(prop: PropertyChange) -> Text:
    because = Text("  (replaces it)", "red") if prop.replaces else Text()
    path = Text(f"{prop.path} ", "dim")
    if prop.before is None and prop.after is None:
        return Text.assemble(path, "changes", because)
    if HIDDEN in {prop.before, prop.after}:
        how = "added" if prop.before is None else "removed" if prop.after is None else "changed"
        return Text.assemble(path, how, (" (values are not shown)", "dim"), because)
    before, after = _pair(prop.before, prop.after)
    return Text.assemble(
        path,
        (before, "red" if prop.before is not None else "dim"),
        (" → ", "dim"),
        (after, "green" if prop.after is not None else "dim"),
        because,
    )


def _pair(before: str | None, after: str | None) -> tuple[str, str]:
    """Two values that fit a line: long ones from shortly before where they begin to differ."""
    if before is None or after is None:
        return _short(before), _short(after)
    old, new = _told(before), _told(after)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    if max(len(old), len(new)) > LONGEST_VALUE and same > SHOWN_BEFORE:
        cut = same - SHOWN_BEFORE
        old, new = f"…{old[cut:]}", f"…{new[cut:]}"
    return _fit(old), _fit(new)


def _short(value: str | None) -> str:
    return "none" if value is None else _fit(_told(value))


def _told(value: str) -> str:
    """On one line, nothing in it that a terminal obeys; of an image, its digest's beginning."""
    plain = "".join(each if each.isprintable() else repr(each)[1:-1] for each in value)
    return DIGEST.sub(r"\1", plain)


def _fit(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _facts(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("", "")
    table.add_row("functions", _functions(plan.functions))
    for title, lines in (
        ("queues", _queues(plan.beside.queues)),
        ("logs", _logs(plan.beside.logs)),
    ):
        for index, line in enumerate(lines):
            table.add_row(title if index == 0 else "", line)
    in_registry = "is in the registry already" if plan.image.in_registry else "has to be pushed"
    table.add_row("image", f"{plan.image.tag} {in_registry}")
    if plan.image.problem:
        table.add_row("", Text(f"! Lambda would refuse it: {plan.image.problem}", "bold red"))
    table.add_row("assets", _assets(plan))
    for index, command in enumerate(plan.commands):
        table.add_row("commands" if index == 0 else "", Text(f"{index + 1}. {_told(command)}"))
    for index, line in enumerate(_environment(plan)):
        table.add_row("environment" if index == 0 else "", line)
    return table


def _functions(functions: Sequence[PlannedFunction]) -> Table:
    table = Table.grid(padding=(0, 2))
    for function in functions:
        told, style = DOES[function.does]
        live = f"version {function.live} is live" if function.live else "not live"
        table.add_row(function.name, Text(live, "dim"), Text(told, style))
    return table


def _queues(queues: Sequence[PlannedQueue]) -> Iterator[Text]:
    """Each queue that something happens to; the others are counted."""
    for queue in queues:
        if queue.does == "stays":
            continue
        told, style = QUEUES[queue.does]
        has = f"{queue.messages:,} messages" if queue.messages else "empty"
        with_it = "" if queue.does == "made" else f" ({has})"
        yield Text.assemble(queue.name, "  ", (f"{told}{with_it}", style))
        if queue.problem:
            yield Text(f"  ! {queue.problem}", "bold red")
        for change in queue.changes:
            yield Text.assemble("  ", _property(change))
    yield from _staying([queue.does for queue in queues])


def _logs(groups: Sequence[PlannedLogs]) -> Iterator[Text]:
    for group in groups:
        if group.does == "stays":
            continue
        told, style = LOGS[group.does]
        kept = f", kept for {group.days} days" if group.days else ", kept for ever"
        was = f" (now {group.days_before or 'for ever'})" if group.loses else ""
        yield Text.assemble(group.name, "  ", (f"{told}{kept}{was}", style))
        if group.loses:
            yield Text("  ! logs that are older are deleted", "bold red")
    yield from _staying([group.does for group in groups])


def _staying(fates: Sequence[str]) -> Iterator[Text]:
    if count := list(fates).count("stays"):
        yield Text("1 stays as it is" if count == 1 else f"{count:,} stay as they are", "dim")


def _assets(plan: Plan) -> str:
    counts = {
        "to send": plan.assets.send,
        "copied inside S3": plan.assets.copy,
        "there already": plan.assets.keep,
    }
    told = [f"{_amount(amount)} {how}" for how, amount in counts.items() if amount.files]
    return ", ".join(told) or "none"


def _amount(amount: Amount) -> str:
    size = float(amount.size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004 - of SI
            break
        size /= 1000
    shown = f"{size:,.0f}" if unit == "bytes" else f"{size:,.1f}"
    return f"{amount.files:,} ({shown} {unit})"


def _environment(plan: Plan) -> Iterator[Text]:
    environment = plan.environment
    if environment.added:
        yield Text(f"+ {', '.join(environment.added)}", "green")
    if environment.removed:
        yield Text(f"- {', '.join(environment.removed)}", "red")
    if environment.unchanged:
        yield Text(f"{len(environment.unchanged)} variables, unchanged", "dim")
    if environment.unknown:
        of_both = "in both" if environment.is_known else "and no record of those that are live"
        yield Text.assemble(
            f"? {', '.join(environment.unknown)}",
            (f"  ({of_both}: whether a value changed is not on record)", "dim"),
        )


def _verdict(plan: Plan) -> Text:
    if not plan.has_changes:
        commands = "; its commands would run again" if plan.commands else ""
        return Text(f"\nnothing would change{commands}", "bold green")
    lost = [change.name for change in plan.stack.changes if change.loses]
    told = Text("\nthere are changes", "bold")
    return told.append(f"; this is lost: {', '.join(lost)}", "bold red") if lost else told
