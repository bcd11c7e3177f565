"""Which reporter: lanes for a terminal, lines for a pipe, JSON for a machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hover_async.cli.plain import JsonReporter, PlainReporter
from hover_async.errors import HoverError, UsageError
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
    """Print what came of the work. A closed pipe (`| head`) changes nothing about how it ended."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
