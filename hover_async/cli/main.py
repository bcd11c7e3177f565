"""The `hover-async` command: arguments in, exit code out.

Each command is a file of its own, imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import click

from hover_async.errors import HoverError, ImageBuildFailed, Interrupted, ProjectError
from hover_async.version import __version__

OUTPUT_LINES = 20
"""Of a failed Dockerfile step, the last ones."""
COMMANDS = {
    "build": "Build a stage: image, assets and runtime files in .hover/out.",
    "deploy": "Take the build live: every function at once, or none.",
    "doctor": "Check everything that a deploy needs, before it changes anything.",
    "iam": "The least IAM policies of a stage, as JSON.",
    "local": "The AWS on your own machine: up, status, down.",
    "plan": "What the next deploy would do, before it does.",
    "recover": "End an activation that was interrupted: all new, or all old.",
    "releases": "What was live, when, and by whom.",
    "rollback": "Take an earlier release live again.",
    "schema": "Print the manifest's JSON Schema, for editors.",
    "secrets": "A stage's secrets: encrypt, decrypt, list.",
    "stage": "Make the files of a new stage.",
    "unlock": "Free the lock of a run that died.",
}
"""Every command with its line in the help; `hover_async.cli.NAME` defines it as `NAME`."""


class _Commands(click.Group):
    """The commands by name, each imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args[0] not in COMMANDS and (close := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"hover_async.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hover-async")
@click.option("-C", "project", metavar="DIRECTORY", help="Go there first.")
def cli(*, project: str | None) -> None:
    """Takes a Laravel application live on AWS Lambda.

    A stage is a file .hover/STAGE.yml. 'build' makes it deployable, 'deploy' takes it live: nothing
    a visitor meets has changed until every function flips to its new version.
    """
    if project is None:
        return
    try:
        os.chdir(project)
    except OSError as error:
        raise ProjectError(
            f"'{project}' cannot be entered: {error.strerror}",
            hint="-C names the Laravel project",
        ) from error


def main() -> None:
    """Run the command line; every failure a user can meet ends here as two lines and a code."""
    try:
        cli(prog_name="hover-async")
    except HoverError as error:
        fail(error)
    except KeyboardInterrupt:
        fail(Interrupted("interrupted before anything had begun"))


def fail(error: HoverError, *, exit_code: int | None = None) -> NoReturn:
    """Tell the failure on stderr, if anyone still reads it, and exit with its code or this one."""
    with suppress(OSError):
        if isinstance(error, ImageBuildFailed):
            for line in error.output.splitlines()[-OUTPUT_LINES:]:
                click.echo(f"  | {line}", err=True)
        code = click.style(f"error[{error.code}]", fg="red")
        click.echo(f"{code}: {_printable(error.message)}", err=True)
        if error.hint:
            click.echo(f"{click.style('hint', fg='cyan')}: {_printable(error.hint)}", err=True)
    sys.exit(error.exit_code if exit_code is None else exit_code)


def _printable(text: str) -> str:
    """Names and what servers say may move a terminal's cursor: they are shown, not obeyed."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )
