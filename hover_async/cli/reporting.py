"""Which reporter: lanes for a terminal, lines for a pipe, JSON for a machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from hover_async.cli.plain import JsonReporter, PlainReporter
from hover_async.errors import HoverError, OutputLost, UsageError
from hover_async.events import Reporter


@contextmanager
def reporter(*, as_json: bool, usage_exit_code: int = UsageError.exit_code) -> Iterator[Reporter]:
    """The reporter for this terminal; with `as_json` a failure becomes a line, too."""
    if as_json:
        lines = JsonReporter()
        try:
            yield lines
        except HoverError as error:
            exit_code = usage_exit_code if isinstance(error, UsageError) else error.exit_code
            with to_whoever_listens():
                lines.write({"event": "Failed", "exit_code": exit_code, **error.details()})
            raise
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        from hover_async.cli.lanes import LanesReporter

        with LanesReporter(Console(stderr=True)) as lanes:
            yield lanes
    else:
        yield PlainReporter()


@contextmanager
def to_whoever_listens() -> Iterator[None]:
    """Print what came of the work. A closed pipe (`| head`) changes nothing about how it ended.

    Raises `OutputLost` when it cannot be written for another reason, such as a full disk.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputLost(
                f"the result cannot be written to stdout: {error.strerror}",
                hint="what was asked for was done; see what stdout leads to, then ask again",
            ) from error


@contextmanager
def tell_of_lost_output() -> Iterator[None]:
    """The work is what counts, not its account: that one is lost becomes a warning."""
    try:
        yield
    except OutputLost as error:
        with suppress(OSError):
            click.echo(f"warning: {error.message}", err=True)
