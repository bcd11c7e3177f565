"""What the local AWS is made of: whole, checked, or an error that says what to do."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hover_async.errors import LocalError
from hover_async.local import tools
from hover_async.local.places import environment

pytestmark = pytest.mark.anyio

X86 = "samcli/local/rapid/aws-lambda-rie-x86_64"
ARM = "samcli/local/rapid/aws-lambda-rie-arm64"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that finds nothing anywhere."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """A wheel with these members, whose record tells the truth but for `lies`."""

    def make(members: dict[str, bytes], *, lies: tuple[str, ...] = ()) -> Path:
        path = tmp_path / "sam.whl"
        rows = []
        with zipfile.ZipFile(path, "w") as archive:
            for name, body in members.items():
                archive.writestr(name, body)
                known = b"another" if name in lies else body
                digest = base64.urlsafe_b64encode(hashlib.sha256(known).digest())
                rows.append(f"{name},sha256={digest.rstrip(b'=').decode()},{len(body)}")
            archive.writestr("sam-1.dist-info/RECORD", "\n".join(rows))
        return path

    return make


def test_both_emulators_come_out_of_the_wheel_and_can_be_run(
    wheel: Callable[..., Path], tmp_path: Path
) -> None:
    """The wheel carries them without their run bit, which they get back."""
    tools.take_emulators(wheel({X86: b"x86", ARM: b"arm", "other": b""}), tmp_path)
    for name, body in (("x86_64", b"x86"), ("arm64", b"arm")):
        taken = tmp_path / f"aws-lambda-rie-{name}"
        assert taken.read_bytes() == body
        assert os.access(taken, os.X_OK)


def test_an_emulator_that_is_not_what_the_wheel_recorded_is_refused(
    wheel: Callable[..., Path], tmp_path: Path
) -> None:
    """A changed program is not put where containers would run it."""
    changed = wheel({X86: b"x86", ARM: b"arm"}, lies=(X86,))
    with pytest.raises(ValueError, match="differs from its recorded checksum"):
        tools.take_emulators(changed, tmp_path)
    assert not (tmp_path / "aws-lambda-rie-x86_64").exists()


def test_a_wheel_without_an_emulator_is_refused(wheel: Callable[..., Path], tmp_path: Path) -> None:
    """A later version that moved the file is noticed."""
    with pytest.raises(KeyError):
        tools.take_emulators(wheel({X86: b"x86"}), tmp_path)


@pytest.mark.usefixtures("offline")
async def test_where_pip_reaches_no_index_the_environment_is_not_half_made() -> None:
    """The error names what was wanted, what pip said and where to look; a next try starts anew."""
    said: list[str] = []
    with pytest.raises(LocalError, match=r"pip could not install ministack\[full\]") as failure:
        await tools.ensure_environment(said.append)
    assert "No matching distribution found" in failure.value.message
    assert "pip config list" in str(failure.value.hint)
    assert not (environment() / "complete").exists()
    half = environment() / "left-by-the-first-try"
    half.touch()
    with pytest.raises(LocalError):
        await tools.ensure_environment(said.append)
    assert not half.exists()


async def test_an_environment_that_was_finished_is_used_again() -> None:
    """Nothing is installed, nothing is said."""
    python = tools.environment_python()
    python.parent.mkdir(parents=True)
    python.touch()
    (environment() / "complete").touch()
    assert await tools.ensure_environment(pytest.fail) == python


async def test_a_disk_too_full_is_told_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How much there is, how much is needed, and how to use another disk."""
    monkeypatch.setattr(tools, "_NEEDED_BYTES", 10**18)
    with pytest.raises(LocalError, match=r"MB free, and the local AWS needs") as failure:
        await tools.ensure_environment(pytest.fail)
    assert "XDG_CACHE_HOME" in str(failure.value.hint)
