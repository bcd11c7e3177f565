"""What commands end with, drawn by rich: in colour on a terminal, as plain lines into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import click
from rich.console import Console

PLAIN_WIDTH = 110


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal that something goes on."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with Console(stderr=True).status(what):
            yield
    else:
        yield


def show(draw: Callable[[Console], None]) -> None:
    """Draw on stdout; what goes into a pipe has no colours, and no spaces at the ends of lines."""
    if sys.stdout.isatty():
        draw(Console(highlight=False))
        return
    width = int(os.environ.get("COLUMNS", "") or PLAIN_WIDTH)
    console = Console(width=width, highlight=False, color_system=None, file=StringIO())
    with console.capture() as captured:
        draw(console)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
