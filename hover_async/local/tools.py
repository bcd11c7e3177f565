"""What the local AWS is made of, fetched once with pip from wherever pip is configured to look.

MiniStack gets an environment of its own, for it pins another botocore than aioboto3 does.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from hover_async.errors import LocalError
from hover_async.local.places import MINISTACK, SAM_CLI, cache, emulators, environment
from hover_async.local.processes import run_logged, tail
from hover_async.local.progress import Report, telling
from hover_async.values import Architecture

_NEEDED_BYTES = 600_000_000
_COMPLETE = "complete"
"""Written last: an environment without this file is a half one, and is made again."""
_OPTIONS = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
_EXECUTABLE = 0o755


def environment_python() -> Path:
    return environment() / "bin" / "python"


async def ensure_environment(report: Report) -> Path:
    """The Python of MiniStack's environment, made now if it is not there, whole or not at all."""
    target = environment()
    python = environment_python()
    if (target / _COMPLETE).exists() and python.exists():
        return python
    _require_space()
    shutil.rmtree(target, ignore_errors=True)
    what = f"MiniStack {MINISTACK}"
    async with telling(report, f"installing {what} (once, about 220 MB)", f"installed {what}"):
        await _create_environment(target)
        await _run_pip(["--python", str(python)], ["install", f"ministack[full]=={MINISTACK}"])
    (target / _COMPLETE).touch()
    return python


async def ensure_emulator(report: Report, architecture: Architecture) -> Path:
    """AWS's runtime interface emulator for functions of this architecture."""
    wanted = emulators() / f"aws-lambda-rie-{architecture}"
    if not wanted.exists():
        what = "AWS's runtime interface emulator"
        async with telling(report, f"fetching {what} (once, 8 MB)", f"fetched {what}"):
            await _fetch_emulators()
    return wanted


def _require_space() -> None:
    root = cache()
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise LocalError(
            f"{root} has {free // 1_000_000} MB free, and the local AWS needs "
            f"{_NEEDED_BYTES // 1_000_000} MB",
            hint="free some space, or set XDG_CACHE_HOME to a directory on a larger disk",
        )


def _log() -> Path:
    return cache() / "install.log"


def _we_have_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


async def _create_environment(target: Path) -> None:
    """Ours lends it its pip where there is one, which takes a second instead of seven."""
    lent = ["--without-pip"] if _we_have_pip() else []
    command = [sys.executable, "-m", "venv", *lent, str(target)]
    status = await run_logged(command, log=_log())
    if status != 0:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise LocalError(
            f"Python cannot make a virtual environment (exit {status}):\n{tail(_log(), 5)}",
            hint=f"on Debian and Ubuntu: 'apt-get install python{version}-venv', then again",
        )


async def _run_pip(where: Sequence[str], what: Sequence[str]) -> None:
    """pip, ours or else the new environment's; `where` goes to ours alone."""
    if _we_have_pip():
        command = [sys.executable, "-m", "pip", *where]
    else:
        command = [str(environment_python()), "-m", "pip"]
    status = await run_logged([*command, *what, *_OPTIONS], log=_log())
    if status != 0:
        raise LocalError(
            f"pip could not {what[0]} {what[-1]} (exit {status}):\n{tail(_log(), 8)}",
            hint="pip looks where its own configuration says ('pip config list', PIP_INDEX_URL): "
            f"see that this reaches an index with it; all it said is in {_log()}",
        )


async def _fetch_emulators() -> None:
    target = emulators()
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    download = ["download", "--no-deps", "--only-binary=:all:", "--dest", str(partial)]
    await _run_pip([], [*download, f"aws-sam-cli=={SAM_CLI}"])
    try:
        [wheel] = partial.glob("*.whl")
        take_emulators(wheel, partial)
        wheel.unlink()
    except (ValueError, KeyError, zipfile.BadZipFile) as failure:
        raise LocalError(
            f"the wheel of aws-sam-cli {SAM_CLI} does not hold AWS's emulator as it should: "
            f"{failure}",
            hint="see that pip's index is a true mirror of PyPI, then run it again",
        ) from failure
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def take_emulators(wheel: Path, into: Path) -> None:
    """Take both emulators out of the wheel, runnable, each checked against the wheel's record.

    Raises KeyError when one is missing, ValueError when one is not what the record says.
    """
    with zipfile.ZipFile(wheel) as archive:
        [record] = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
        rows = csv.reader(io.StringIO(archive.read(record).decode()))
        digests = {row[0]: row[1] for row in rows}
        for architecture in Architecture:
            name = f"aws-lambda-rie-{architecture}"
            member = f"samcli/local/rapid/{name}"
            body = archive.read(member)
            digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=")
            if digests[member] != f"sha256={digest.decode()}":
                raise ValueError(f"{member} differs from its recorded checksum")
            (into / name).write_bytes(body)
            (into / name).chmod(_EXECUTABLE)
