"""Deploy commands: in order, on the new CLI version, each at most once."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hover_async.deploy.answers import failure_of
from hover_async.errors import CommandFailed, OutcomeUnknown
from hover_async.events import Output, Reporter, Step
from hover_async.manifest import DeployCommand
from hover_async.ports import Functions, Invocation, Repeatable
from hover_async.values import FunctionName, Version

ANSWER_MARGIN_S = 30
"""Beyond the function's own timeout, for its start and for the answer's way back."""
UNCHANGED = "no live alias was touched"


@dataclass(frozen=True)
class CommandResult:
    """A command that exited 0. `output` is stdout and stderr together, as they came."""

    command: str
    output: str
    duration_ms: int


@dataclass(frozen=True)
class CommandResults:
    """Every deploy command, in the order they ran; all exited 0."""

    results: Sequence[CommandResult] = ()

    def __str__(self) -> str:
        return f"{len(self.results)} run"


async def run_commands(
    commands: Sequence[DeployCommand],
    function: FunctionName,
    version: Version,
    lambdas: Functions,
    report: Reporter,
    *,
    timeout_s: float,
    prove: Callable[[], Awaitable[None]],
) -> CommandResults:
    """Run each command to its end before the next; `timeout_s` is the function's own.

    `prove` is awaited before each: without the lock none is run.

    Raises `CommandFailed` at the first that does not exit 0, whose outcome is not known, or whose
    function failed. It is never sent again: a migration must not run twice.
    """
    results = []
    for command in commands:
        await prove()
        payload = json.dumps({"command": list(command.argv)}).encode()
        try:
            answer = await lambdas.invoke(
                function,
                version,
                payload,
                timeout_s=timeout_s + ANSWER_MARGIN_S,
                repeatable=Repeatable.NEVER,
            )
        except OutcomeUnknown as error:
            raise CommandFailed(
                f"the outcome of '{command.text}' is not known: {error}",
                exit_status=None,
                hint=f"{UNCHANGED}; look at the log of '{function}' before you deploy again",
            ) from error
        results.append(_result(command, function, version, answer, report))
    return CommandResults(tuple(results))


def _result(
    command: DeployCommand,
    function: FunctionName,
    version: Version,
    answer: Invocation,
    report: Reporter,
) -> CommandResult:
    if failure := failure_of(answer, version):
        raise CommandFailed(
            f"'{command.text}' could not run: {failure}",
            exit_status=None,
            hint=f"{UNCHANGED}; the log of '{function}' has more",
        )
    try:
        told = json.loads(answer.payload)
        output = base64.b64decode(told["output"]).decode(errors="replace")
        status, timed_out = int(told["exit_code"]), bool(told["timed_out"])
        duration_ms = int(told["duration_ms"])
    except (ValueError, KeyError, TypeError) as error:
        shown = answer.payload[:200].decode(errors="replace")
        raise CommandFailed(
            f"'{command.text}' was answered with {shown!r}",
            exit_status=None,
            hint=f"{UNCHANGED}; is the runtime in the image of this hover-async?",
        ) from error
    report(Output(Step.COMMANDS, command.text, output))
    if timed_out:
        raise CommandFailed(
            f"'{command.text}' was stopped after {duration_ms / 1000:.0f} s, before the deadline",
            exit_status=status,
            hint=f"{UNCHANGED}; give it more time with cli.timeout, at most 900 s",
        )
    if status != 0:
        raise CommandFailed(
            f"'{command.text}' exited with {status}",
            exit_status=status,
            hint=f"{UNCHANGED}; its output is above",
        )
    return CommandResult(command.text, output, duration_ms)
