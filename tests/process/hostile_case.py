"""How a case ended, and the command that it meets."""

from __future__ import annotations

import io
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hover_async.build_record import ASSETS, MANIFEST, BuildRecord, write_record
from hover_async.cli.main import cli, fail
from hover_async.errors import HoverError
from hover_async.values import Architecture, BuildId
from tests.process.echoes import environment

SHOWN = 150
NOBODY = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "DOCKER_HOST": "unix:///nowhere/docker.sock",
    "LOGNAME": "somebody",
    "NO_COLOR": "1",
}
"""Neither an AWS nor an engine: a command that gets this far has taken what it was given."""
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass
class Ended:
    """A case: what came of it in a line, and what of that should not be."""

    name: str
    said: str
    exit_code: int
    opened: int = 0
    read: int = 0
    count: int = 1
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Said:
    """What a command wrote, its exit code, and how long it took."""

    text: str
    exit_code: int
    seconds: float

    @property
    def code(self) -> str:
        found = re.search(r"error\[([a-z-]+)\]", self.text)
        return found[1] if found else ""

    def broken(self) -> list[str]:
        """Why it is no answer to bad input."""
        found = [] if self.code and "hint:" in self.text else ["no error with a hint"]
        if "Traceback" in self.text:
            found.append("a traceback")
        if CONTROLS.search(self.text):
            found.append("a control character")
        return found

    def line(self, root: Path) -> str:
        if not self.code:
            return self.text.strip().rpartition("\n")[2]
        first = self.text.partition("error[")[2].partition("\nhint")[0]
        return f"`{'error[' + first}`".replace(f"{root}/", "")


def command(*argv: str) -> Said:
    """The real command, as `main` runs it, in this process."""
    return said(lambda: cli([*argv], prog_name="hover-async"))


def said(work: Callable[[], object], variables: Mapping[str, str] = NOBODY) -> Said:
    page, began = io.StringIO(), time.monotonic()
    exit_code = 0
    with environment(**variables), redirect_stdout(page), redirect_stderr(page):
        try:
            try:
                work()
            except HoverError as error:
                fail(error)
            except Exception:  # noqa: BLE001 - what the interpreter would write
                page.write(traceback.format_exc())
                exit_code = 1
        except SystemExit as ended:
            exit_code = int(ended.code or 0)
    return Said(page.getvalue(), exit_code, time.monotonic() - began)


def pretend_build(project: Path, manifest: str) -> None:
    """What a build leaves, as far as a deploy looks at it before it needs an engine or AWS."""
    (project / ASSETS).mkdir(parents=True, exist_ok=True)
    (project / MANIFEST).write_text(manifest)
    (project / ".hover/dev.yml").write_text(manifest)
    record = BuildRecord(
        stage="dev",
        build_id=BuildId("b20261123T063100Z-7f3a9c1d"),
        image="dev:b20261123T063100Z-7f3a9c1d",
        image_id="sha256:0",
        architecture=Architecture.X86_64,
        manifest_hash="0",
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        git_revision=None,
    )
    write_record(project, record)


def table(ended: Sequence[Ended], *, with_outside: bool) -> str:
    more = (" opened | read |", "--:|--:|") if with_outside else ("", "")
    lines = [f"| case | what happens | exit code |{more[0]}", f"|---|---|--:|{more[1]}"]
    for one in ended:
        outside = f" {one.opened or ''} | {one.read} |" if with_outside else ""
        lines.append(f"| {_cell(one.name)} | {_cell(one.said)} | {one.exit_code} |{outside}")
    return "\n".join(lines)


def _cell(text: str) -> str:
    shown = text.encode("unicode_escape", "backslashreplace").decode().replace("\\\\", "\\")
    is_code = shown.startswith("`")
    if len(shown) > SHOWN:
        shown = shown[:SHOWN].rstrip("`\\ ") + " ..." + "`" * is_code
    return shown.replace("|", "\\|")
