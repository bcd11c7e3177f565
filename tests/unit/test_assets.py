"""The files of a build as S3 objects."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.assets import (
    MAX_PARTS,
    PART_BYTES,
    content_type,
    opened,
    part_sizes,
    plan_assets,
)
from hover_async.errors import ProjectError
from hover_async.values import BuildId

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


def absolute_link(root: Path) -> None:
    (root / "passwd").symlink_to("/etc/passwd")


def link_through_a_link(root: Path) -> None:
    outside_link(root)
    (root / "a-second").symlink_to("link")


def link_to_device(root: Path) -> None:
    (root / "null").symlink_to("/dev/null")


def directory_link_outside(root: Path) -> None:
    (root / "up").symlink_to("..")


def unix_socket(root: Path) -> None:
    here = Path.cwd()
    os.chdir(root)  # the name of a socket has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")
    finally:
        os.chdir(here)


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


def escape_sequence(root: Path) -> None:
    (root / "a\x1b[2Jb.css").write_text("x")


def long_key(root: Path) -> None:
    deep = root / ("d" * 250) / ("e" * 250) / ("f" * 250) / ("g" * 250)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (outside_link, "leads out of"),
        (absolute_link, "leads out of"),
        (link_through_a_link, "leads out of"),
        (link_to_device, "leads out of"),
        (directory_link_outside, "a link to a directory"),
        (unix_socket, "neither a file nor a directory"),
        (directory_link, "a link to a directory"),
        (fifo, "neither a file nor a directory"),
        (dangling, "No such file"),
        (link_loop, "cannot be served"),
        (not_utf8, "not UTF-8"),
        (escape_sequence, r"a\\x1b\[2Jb.css' cannot be served: .* control character U\+001B"),
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


def test_twins_and_names_like_others_are_all_planned(tmp_path: Path) -> None:
    """NFC and NFD, upper and lower case, and hard links are different objects; none is lost."""
    names = [
        "caf\u00e9.css",
        "cafe\u0301.css",
        "App.js",
        "app.js",
        "style.css/inner",
        "..css",
        "%2e%2e",
    ]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    (tmp_path / "hard").hardlink_to(tmp_path / "app.js")
    assert sorted(plan(tmp_path)) == sorted([*names, "hard"])


@pytest.mark.parametrize(("excess", "is_taken"), [(0, True), (1, False)])
def test_the_longest_key(tmp_path: Path, *, excess: int, is_taken: bool) -> None:
    """A key of 1,024 bytes is taken, one of 1,025 is refused."""
    path = "/".join(["d" * 249] * 3)
    path += "/" + "f" * (1_024 - len("b00000000T000000Z-00000000/") - len(path) - 1 + excess)
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.touch()
    if is_taken:
        (asset,) = plan_assets(tmp_path, lambda _: "immutable")
        assert len(asset.key(BuildId("b20260101T000000Z-0123abcd")).encode()) == 1_024
        return
    with pytest.raises(ProjectError, match="S3 takes"):
        plan(tmp_path)


def test_twenty_thousand_files(tmp_path: Path) -> None:
    """As many files as there are become assets, each once."""
    for number in range(20_000):
        (tmp_path / f"{number}.css").touch()
    assert len(set(plan(tmp_path))) == 20_000


def by_a_link_out(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent.parent / "canary")


def by_a_hard_link_out(file: Path) -> None:
    file.unlink()
    file.hardlink_to(file.parent.parent / "canary")


def by_its_directory(file: Path) -> None:
    """The directory is replaced by a link to one outside, with a file of the same name."""
    outside = file.parent.parent / "outside"
    outside.mkdir()
    (outside / file.name).write_text("secret")
    file.parent.rename(file.parent.parent / "moved")
    file.parent.symlink_to(outside)


def by_a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def by_growing(file: Path) -> None:
    file.write_text("plain!!")


def by_shrinking(file: Path) -> None:
    file.write_text("p")


def by_going(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    "replace",
    [
        by_a_link_out,
        by_a_hard_link_out,
        by_its_directory,
        by_a_fifo,
        by_growing,
        by_shrinking,
        by_going,
    ],
)
def test_only_the_planned_file_is_opened(tmp_path: Path, replace: Callable[[Path], None]) -> None:
    """A file that took the planned one's name is not read, even with the same size and time."""
    root = tmp_path / "assets"
    root.mkdir()
    (tmp_path / "canary").write_text("secret")
    (root / "app.css").write_text("public")
    (asset,) = plan_assets(root, lambda _: "immutable")
    replace(root / "app.css")
    for path in (tmp_path / "canary", tmp_path / "outside" / "app.css"):
        if path.exists():
            os.utime(path, ns=(asset.modified_ns, asset.modified_ns))
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on what lies there now
        opened(asset)


def test_a_link_is_opened_at_what_was_planned(tmp_path: Path) -> None:
    """What a link inside pointed to when it was planned is what is read, under the link's path."""
    (tmp_path / "real.css").write_text("public")
    (tmp_path / "link.css").symlink_to("real.css")
    link, _ = plan_assets(tmp_path, lambda _: "immutable")
    assert link.path == "link.css"
    with opened(link) as file:
        assert file.read() == b"public"
