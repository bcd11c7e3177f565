"""Reading a file that was planned: that very file, or an error before a byte of another one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hover_async.assets import Asset, plan_assets
from hover_async.deploy.ledger import check_unchanged, read_part
from hover_async.errors import AssetChanged

CANARY = b"canary-of-a-file-outside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no deploy may read, as long as the planned one and of the same time."""
    file = tmp_path / "outside"
    file.write_bytes(CANARY)
    return file


@pytest.fixture
def planned(tmp_path: Path, outside: Path) -> Asset:
    root = tmp_path / "assets"
    (root / "css").mkdir(parents=True)
    (root / "css" / "app.css").write_bytes(b"x" * len(CANARY))
    (asset,) = plan_assets(root, lambda _: "no-store")
    os.utime(outside, ns=(asset.modified_ns, asset.modified_ns))
    return asset


def by_a_link(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside)


def by_a_hard_link(file: Path, outside: Path) -> None:
    file.unlink()
    file.hardlink_to(outside)


def by_a_fifo(file: Path, outside: Path) -> None:
    del outside
    file.unlink()
    os.mkfifo(file)


def by_its_directory(file: Path, outside: Path) -> None:
    elsewhere = outside.with_name("elsewhere")
    elsewhere.mkdir()
    outside.rename(elsewhere / file.name)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(elsewhere)


def test_the_planned_file_is_read(planned: Asset) -> None:
    """Untouched, it is read from where it is asked to where it ends."""
    assert read_part(planned, 3, planned.size_bytes - 3) == b"x" * (len(CANARY) - 3)


@pytest.mark.parametrize("replaced", [by_a_link, by_a_hard_link, by_a_fifo, by_its_directory])
def test_a_file_that_was_replaced(
    planned: Asset, outside: Path, replaced: Callable[[Path, Path], None]
) -> None:
    """What took its place since is not read, not waited for, and told."""
    replaced(planned.file, outside)
    with pytest.raises(AssetChanged, match=r"css/app\.css"):
        read_part(planned, 0, planned.size_bytes)


def test_a_file_that_changed_while_it_was_read(planned: Asset) -> None:
    """Changed after it was opened: what was read is not what stands there, and is not sent."""
    read_part(planned, 0, planned.size_bytes)
    check_unchanged(planned)
    with planned.file.open("ab") as file:
        file.write(b"more")
    with pytest.raises(AssetChanged, match="another size or time of change"):
        check_unchanged(planned)


def test_fewer_bytes_than_were_asked_for(planned: Asset) -> None:
    """A file that ends early, because it shrinks while it is read, is no shorter object."""
    with pytest.raises(AssetChanged, match="24 bytes where 24 were"):
        read_part(planned, 4, planned.size_bytes)
