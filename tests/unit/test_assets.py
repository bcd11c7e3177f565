"""The files of a build as S3 objects."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.assets import MAX_PARTS, PART_BYTES, content_type, part_sizes, plan_assets
from hover_async.errors import ProjectError

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("app.css", "text/css; charset=utf-8"),
        ("app.JS", "text/javascript; charset=utf-8"),
        ("app.mjs", "text/javascript; charset=utf-8"),
        ("app.js.map", "application/json; charset=utf-8"),
        ("logo.svg", "image/svg+xml; charset=utf-8"),
        ("photo.jpg", "image/jpeg"),
        ("photo.webp", "image/webp"),
        ("photo.avif", "image/avif"),
        ("font.woff2", "font/woff2"),
        ("favicon.ico", "image/x-icon"),
        ("site.webmanifest", "application/manifest+json; charset=utf-8"),
        ("module.wasm", "application/wasm"),
        ("page.html", "text/html; charset=utf-8"),
        ("robots.txt", "text/plain; charset=utf-8"),
        ("paper.pdf", "application/pdf"),
        ("no-ending", "application/octet-stream"),
        ("strange.xyzzy", "application/octet-stream"),
    ],
)
def test_content_type_is_what_browsers_need(path: str, expected: str) -> None:
    """The media type follows the name's ending, and text has its charset."""
    assert content_type(path) == expected


@given(st.integers(min_value=1, max_value=200 * 1024 * MIB))
def test_parts_are_the_file(size_bytes: int) -> None:
    """Parts add up to the file, all but the last are equal, and S3 takes their number and size."""
    sizes = part_sizes(size_bytes)
    assert sum(sizes) == size_bytes
    assert len(sizes) <= MAX_PARTS
    assert len(set(sizes[:-1])) <= 1
    assert all(size >= 5 * MIB for size in sizes[:-1])


@pytest.mark.parametrize(
    ("size_bytes", "count"),
    [(0, 0), (1, 1), (PART_BYTES, 1), (PART_BYTES + 1, 2), (3 * PART_BYTES, 3)],
)
def test_part_count_at_the_borders(size_bytes: int, count: int) -> None:
    """A file of exactly one part is one part."""
    assert len(part_sizes(size_bytes)) == count


def plan(root: Path) -> list[str]:
    return [asset.path for asset in plan_assets(root, lambda _: "immutable")]


def test_every_plain_file_is_planned(tmp_path: Path) -> None:
    """Files in every depth become assets, ordered, empty ones and strange names included."""
    names = ["a b+c#?%&\"'\\.txt", "deep/er/file.js", "empty", "ümlaut.css", "zz\nnewline"]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x" if name != "empty" else "")
    assert sorted(plan(tmp_path)) == sorted(names)


def test_link_inside_is_followed(tmp_path: Path) -> None:
    """A link to a file inside the directory is served as that file."""
    (tmp_path / "real.css").write_text("x")
    (tmp_path / "link.css").symlink_to("real.css")
    assert plan(tmp_path) == ["link.css", "real.css"]


def outside_link(root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("secret")
    (root / "link").symlink_to(secret)


def directory_link(root: Path) -> None:
    (root / "loop").symlink_to(root)


def fifo(root: Path) -> None:
    os.mkfifo(root / "pipe")


def dangling(root: Path) -> None:
    (root / "gone").symlink_to("nowhere")


def link_loop(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")


def not_utf8(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/bad-\xff")).write_text("x")


def long_key(root: Path) -> None:
    deep = root / ("d" * 250) / ("e" * 250) / ("f" * 250) / ("g" * 250)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (outside_link, "leads out of"),
        (directory_link, "a link to a directory"),
        (fifo, "neither a file nor a directory"),
        (dangling, "No such file"),
        (link_loop, "cannot be served"),
        (not_utf8, "not UTF-8"),
        (long_key, "S3 takes"),
    ],
)
def test_what_must_not_be_served_is_refused(tmp_path: Path, make: object, found: str) -> None:
    """Nothing outside the directory is read, and what cannot be an object is named."""
    root = tmp_path / "assets"
    root.mkdir()
    assert callable(make)
    make(root)
    with pytest.raises(ProjectError, match=found):
        plan(root)
