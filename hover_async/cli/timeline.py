"""`deploy --timeline FILE`: the picture of where the time went, whatever becomes of the deploy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hover_async.errors import UsageError
from hover_async.events import Reporter

if TYPE_CHECKING:
    from hover_async.timeline import Chart

ENDINGS = (".svg", ".html")


@contextmanager
def timeline(file: str | None, report: Reporter) -> Iterator[Reporter]:
    """The reporter to deploy with; the timeline is written to `file` when the block ends.

    Raises `UsageError` before the block begins when nothing could be written there. That it cannot
    be written in the end, as on a full disk, is a warning: live is live.
    """
    if file is None:
        yield report
        return
    path = writable(file)
    from hover_async.timeline import Recording, draw_html, draw_svg

    recording = Recording(report)
    try:
        yield recording
    finally:
        draw = draw_svg if path.suffix.lower() == ENDINGS[0] else draw_html
        _write(path, recording.chart(), draw)


def writable(file: str) -> Path:
    """The path, once it is known that a file can be made there. No file is left that was not."""
    path = Path(file)
    if path.suffix.lower() not in ENDINGS or "\0" in file:
        raise UsageError(
            f"a timeline cannot be written to {file!r}: it ends with neither "
            f"{' nor '.join(ENDINGS)}",
            hint="name a file such as timeline.svg",
        )
    try:
        stood = path.exists()
        if stood and not path.is_file():
            raise UsageError(
                f"a timeline cannot be written to '{path}': it is no file", hint="name another file"
            )
        path.open("ab").close()
        if not stood:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"a timeline cannot be written to '{path}': {os.strerror(error.errno or 0)}",
            hint="name a file in a directory that is there and may be written to",
        ) from error
    return path


def _write(path: Path, chart: Chart, draw: Callable[[Chart], str]) -> None:
    if not chart.lanes:
        return  # it ended before anything had begun
    try:
        path.write_text(draw(chart), encoding="utf-8", errors="replace")
    except OSError as error:
        with suppress(OSError):
            told = f"warning: the timeline could not be written to '{path}': {error.strerror}"
            click.echo(told, err=True)
