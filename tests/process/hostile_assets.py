"""Files that must not be served, names that nobody expects, and files that change meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from hover_async.assets import PART_BYTES, Asset
from hover_async.deploy.process import deploy_build
from hover_async.testing import RecordingReporter
from hover_async.testing.clients import ports_over
from tests.process.hostile_case import Ended, Said, command, pretend_build, said
from tests.process.onlookers import Onlookers
from tests.process.stage import MANIFEST, Stage
from tests.unit import test_assets as known

CANARY = b"canary"
OWN = frozenset({"dev.yml", "manifest.yml", "build.json"})
USAGE, FAILED = 2, 1


def _files(*names: str, content: bytes = b"x") -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for name in names:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    return make


def _link(name: str, to: str) -> Callable[[Path], None]:
    return lambda root: (root / name).symlink_to(to)


def _absolute_link(root: Path) -> None:
    (root / "canary.css").symlink_to(root.parent / "canary")


def _link_to_directory_outside(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside/app.css").write_bytes(CANARY)
    (root / "css").symlink_to(root.parent / "outside")


def _device(root: Path) -> None:
    os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))


def _unreadable(root: Path) -> None:
    (root / "mine").write_bytes(b"x")
    (root / "mine").chmod(0)


def _hard_link_inside(root: Path) -> None:
    (root / "twin.js").hardlink_to(root / "js/app.js")


def _sparse(root: Path) -> None:
    with (root / "holes").open("wb") as file:
        file.truncate(2 * PART_BYTES)


REFUSED: Mapping[str, Callable[[Path], None]] = {
    "link out of the directory": known.outside_link,
    "link out, by an absolute path": _absolute_link,
    "link out, through a link": known.link_through_a_link,
    "link out, with `..` in the middle": _link("a.css", "js/../../canary"),
    "link to /etc/passwd": known.absolute_link,
    "link to /proc/self/environ": _link("environ", "/proc/self/environ"),
    "link to /dev/null": known.link_to_device,
    "link to the directory above": known.directory_link_outside,
    "link to a directory outside": _link_to_directory_outside,
    "link to the directory itself": known.directory_link,
    "link to nothing": known.dangling,
    "links in a circle": known.link_loop,
    "link to a name of 5,000 bytes": _link("far", "x/" * 2000),
    "FIFO": known.fifo,
    "socket": known.unix_socket,
    "device": _device,
    "name that is not UTF-8": known.not_utf8,
    "path of 1,008 bytes": known.long_key,
    "name with an escape sequence": _files("a\x1b[2Jb.css"),
    "name with a backspace and a bell": _files("a\x08\x07.css"),
    "name with a control character of C1": _files("a\x85b.css"),
}
SENT: Mapping[str, Callable[[Path], None]] = {
    "link that stays inside": _link("twin.js", "js/app.js"),
    "hard link to a file inside": _hard_link_inside,
    "names with a newline, a tab": _files("a\nb.css", "a\tb.css"),
    "names of dots": _files("..css", "...", "%2e%2e/%2e%2e/x", ". ./x"),
    "names of a shell": _files("$(reboot).css", "`id`", "-rf", "a;b&c|d>e", "'\"\\"),
    "names of URLs": _files("a b+c#d?e=f&g%41", "%00", "a%2Fb", "http:/x"),
    "spaces around": _files(" a", "a ", " /b", "\u00a0"),
    "twins in case, and in Unicode": _files("App.js", "app.js", "caf\u00e9", "cafe\u0301"),
    "right-to-left, joiners, emoji": _files("\u202egpj.exe", "a\u200db", "\U0001f4a9.css"),
    "names of Windows": _files("CON", "nul.css", "C:\\x", "..\\..\\x"),
    "name of 255 bytes": _files("n" * 255),
    "64 directories deep": _files("d/" * 64 + "x"),
    "3,000 files": _files(*(f"many/{number}.css" for number in range(3_000))),
    "empty file": _files("empty", content=b""),
    "mode 0, read as root": _unreadable,
    "sparse file in parts": _sparse,
}
REPLACED: Mapping[str, Callable[[Path], None]] = {
    "replaced by a link out": known.by_a_link_out,
    "replaced by a hard link out": known.by_a_hard_link_out,
    "its directory replaced by a link out": known.by_its_directory,
    "replaced by a FIFO": known.by_a_fifo,
    "grown": known.by_growing,
    "shrunk": known.by_shrinking,
    "gone": known.by_going,
}
"""After it was planned; `canary` is as long and as old as the file was."""


def _grow(file: Path) -> None:
    with file.open("ab") as more:
        more.write(b"more")


def _replace(file: Path) -> None:
    file.rename(file.with_name("old"))
    file.write_bytes(bytes(3 * PART_BYTES))


WHILE_SENT: Mapping[str, Callable[[Path], None]] = {
    "grows while it is sent": _grow,
    "shrinks while it is sent": lambda file: os.truncate(file, 1),
    "is replaced while it is sent": _replace,
    "is written to while it is sent": os.utime,
}


def run_all(root: Path, only: str = "") -> list[Ended]:
    """Every case whose name contains `only`, each in a directory of its own."""
    runs: list[tuple[str, Callable[[str, Path], Ended | None]]] = []
    runs += [(name, lambda n, at: planned(n, at, REFUSED[n])) for name in REFUSED]
    runs += [(name, lambda n, at: planned(n, at, SENT[n], is_sent=True)) for name in SENT]
    runs += [(name, lambda n, at: changed(n, at, REPLACED[n])) for name in REPLACED]
    runs += [(name, lambda n, at: changed_while_sent(n, at, WHILE_SENT[n])) for name in WHILE_SENT]
    ended = [run(name, root / str(at)) for at, (name, run) in enumerate(runs) if only in name]
    return [one for one in ended if one]


def stage_at(project: Path) -> Stage:
    """A stage whose assets are those of the build in `project`; beside them lies a canary."""
    out = project / ".hover/out"
    out.mkdir(parents=True)
    stage = Stage(out)
    (out / "canary").write_bytes(CANARY)
    pretend_build(project, MANIFEST)
    return stage


def outside(project: Path, root: Path) -> list[Path]:
    """Every plain file and directory below `project` that is no asset, and not the command's."""
    found = [path for path in project.rglob("*") if not path.is_relative_to(root)]
    files = [path for path in found if path.is_file() and not path.is_symlink()]
    others = [path for path in found if path.is_dir() and path.name == "outside"]
    return [path for path in files if path.name not in OWN] + others


def planned(
    name: str, project: Path, make: Callable[[Path], None], *, is_sent: bool = False
) -> Ended | None:
    """The real command plans it; what that takes is sent, and must be what lies there."""
    stage = stage_at(project)
    root = stage.assets_root
    try:
        make(root)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EOPNOTSUPP}:  # this machine makes no such thing
            return None
        raise
    with Onlookers(outside(project, root)) as eyes:
        told = command("deploy", "-C", str(project))
        if is_sent:
            ended = _sent(name, stage, eyes)
            if told.code != "docker-unavailable":
                ended.broken.append(f"the command did not take it: {told.code}")
            return ended
    ended = Ended(name, told.line(project), told.exit_code, broken=told.broken())
    if told.exit_code != USAGE or told.code != "project":
        ended.broken.append(f"exit {told.exit_code}, {told.code}: not refused")
    return watched(ended, eyes, stage)


def _sent(name: str, stage: Stage, eyes: Onlookers) -> Ended:
    order = stage.build()
    stage.run(
        lambda: deploy_build(
            order, ports_over(stage.cloud), stage.cloud.images, RecordingReporter()
        )
    )
    prefix = f"{order.build.build_id}/"
    found = {
        key.removeprefix(prefix): stored.body for key, stored in stage.cloud.assets.objects.items()
    }
    there = {
        str(path.relative_to(stage.assets_root)): path.read_bytes()
        for path in stage.assets_root.rglob("*")
        if path.is_file()
    }
    eyes.look()
    ended = Ended(name, f"sent: {len(found):,} objects, byte for byte", 0)
    if found != there:
        ended.broken.append("the objects are not the files")
    return watched(ended, eyes, stage)


def changed(name: str, project: Path, change: Callable[[Path], None]) -> Ended:
    """Changed between planning and sending."""
    stage = stage_at(project)
    stage.write("app.css", b"public")
    order = stage.build()
    (asset,) = (one for one in order.assets if one.path == "app.css")
    change(stage.assets_root / "app.css")
    _disguise(project, asset)
    with Onlookers(outside(project, stage.assets_root)) as eyes:
        told = said(
            lambda: stage.run(
                lambda: deploy_build(
                    order, ports_over(stage.cloud), stage.cloud.images, RecordingReporter()
                )
            )
        )
    return _refused_as_changed(name, project, stage, eyes, told)


def changed_while_sent(name: str, project: Path, change: Callable[[Path], object]) -> Ended:
    """Changed once a part of it is under way."""
    stage = stage_at(project)
    stage.write("large.bin", bytes(3 * PART_BYTES))
    order = stage.build()

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(once_under_way)
            ports = ports_over(stage.cloud)
            await deploy_build(order, ports, stage.cloud.images, RecordingReporter())

    async def once_under_way() -> None:
        await stage.cloud.world.reached("s3.UploadPart").wait()
        change(stage.assets_root / "large.bin")

    def run() -> None:
        try:
            stage.run(work)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    with Onlookers(outside(project, stage.assets_root)) as eyes:
        told = said(run)
    return _refused_as_changed(name, project, stage, eyes, told)


def _disguise(project: Path, asset: Asset) -> None:
    """What took the file's place is of the same time."""
    for path in project.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.read_bytes() == CANARY:
            os.utime(path, ns=(asset.modified_ns, asset.modified_ns))


def _refused_as_changed(
    name: str, project: Path, stage: Stage, eyes: Onlookers, told: Said
) -> Ended:
    ended = Ended(name, told.line(project), told.exit_code, broken=told.broken())
    if told.exit_code != FAILED or told.code != "asset-changed":
        ended.broken.append(f"exit {told.exit_code}, {told.code}: not told as a change")
    return watched(ended, eyes, stage)


def watched(ended: Ended, eyes: Onlookers, stage: Stage | None) -> Ended:
    ended.opened, ended.read = eyes.opened.total(), eyes.read.total()
    if ended.read:
        ended.broken.append(f"read: {sorted(eyes.read)}")
    objects = stage.cloud.assets.objects.values() if stage else ()
    if any(CANARY in stored.body for stored in objects):
        ended.broken.append("a file outside was sent")
    return ended
