"""Events as lines: for CI logs, pipes, and machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

import click

from hover_async.events import (
    AliasMoved,
    CodeUpdated,
    ContainerWarmed,
    Event,
    LiveNow,
    Output,
    ResourceChanged,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    Waiting,
    Warned,
    as_json,
)


class PlainReporter:
    """A line on stderr for every event worth one, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, event: Event, /) -> None:
        for line in describe(event):
            click.echo(f"{time.monotonic() - self._began:7.1f}s  {line}", err=True)


class JsonReporter:
    """A JSON object per line on stdout, with the seconds since the beginning as `at_s`."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, event: Event, /) -> None:
        self.write(as_json(event))

    def write(self, fields: Mapping[str, object]) -> None:
        at_s = round(time.monotonic() - self._began, 3)
        line = json.dumps({"at_s": at_s, **fields}, default=str)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def is_asked_for(output: Output) -> bool:
    """Whether a user always wants to read it: a deploy command's, and the application's tests'."""
    return output.step is Step.COMMANDS or output.source == "tests"


def describe(event: Event) -> list[str]:  # noqa: C901, PLR0911, PLR0912 - an arm each
    """The lines that tell an event; none for those that only move a progress bar."""
    match event:
        case StepStarted(step):
            return [f"{step:<14} ..."]
        case StepFinished(step, seconds, summary):
            return [f"{step:<14} done in {seconds:.1f} s  {summary}".rstrip()]
        case StepFailed(step, seconds, cancelled):
            return [f"{step:<14} {'cancelled' if cancelled else 'failed'} after {seconds:.1f} s"]
        case Output(step, source, text):
            head = [f"{step:<14} $ {source}"] if step is Step.COMMANDS else []
            return head + [f"{step:<14} | {line}" for line in text.splitlines()]
        case ResourceChanged(_, _, status, _) if status.endswith("_IN_PROGRESS"):
            return []
        case ResourceChanged(resource, kind, status, reason):
            because = f": {reason}" if reason else ""
            return [f"{Step.STACK:<14} {status:<28} {resource} ({kind}){because}"]
        case CodeUpdated(function):
            return [f"{Step.PUBLISH:<14} {function} is given the image"]
        case ContainerWarmed(function, instance, cold, boot_ms):
            how = f"booted in {boot_ms:.0f} ms" if cold else "was warm"
            return [f"{Step.WARM:<14} {function} container {instance} {how}"]
        case AliasMoved(function, before, after):
            return [f"{Step.ACTIVATE:<14} {function} live: {before or 'none'} -> {after}"]
        case LiveNow(versions):
            live = ", ".join(f"{name}:{version}" for name, version in versions.items())
            return [f"live now       {live or 'no function'}"]
        case Waiting(step, what, seconds):
            return [f"{step:<14} waiting at most {seconds:.0f} s for {what}"]
        case Warned(message, hint):
            return [f"warning: {message}"] + ([f"   hint: {hint}"] if hint else [])
        case _:
            return []
