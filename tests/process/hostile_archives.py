"""Archives that a build takes out of an image: what leads out of them, and what does not fit."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hover_async.docker.unpack import unpack
from tests.process.hostile_assets import CANARY, watched
from tests.process.hostile_case import Ended, said
from tests.process.onlookers import Onlookers


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    member.size = len(CANARY) if kind == tarfile.REGTYPE else 0
    return member


ARCHIVES: Mapping[str, Sequence[tarfile.TarInfo]] = {
    "archive: `..` in a name": [_member("public/../../x")],
    "archive: absolute name": [_member("/var/x")],
    "archive: link out": [_member("public/l", tarfile.SYMTYPE, "../../../canary")],
    "archive: absolute link": [_member("public/l", tarfile.SYMTYPE, "/etc/passwd")],
    "archive: hard link out": [_member("public/l", tarfile.LNKTYPE, "public/../../canary")],
    "archive: file below a link out": [
        _member("public/l", tarfile.SYMTYPE, ".."),
        _member("public/l/x"),
    ],
    "archive: the same name twice": [_member("public/x"), _member("public/x")],
    "archive: file below a file": [_member("public/x"), _member("public/x/y")],
    "archive: device": [_member("public/d", tarfile.CHRTYPE)],
    "archive: FIFO": [_member("public/f", tarfile.FIFOTYPE)],
    "archive: cut off": [],
}


def run_all(root: Path, only: str = "") -> list[Ended]:
    """Every case whose name contains `only`, each in a directory of its own."""
    return [
        unpacked(name, root / str(at), members)
        for at, (name, members) in enumerate(ARCHIVES.items())
        if only in name
    ]


def unpacked(name: str, project: Path, members: Sequence[tarfile.TarInfo]) -> Ended:
    """An archive that a build takes out of an image."""
    project.mkdir(parents=True)
    (project / "canary").write_bytes(CANARY)
    destination, page = project / "a/b/public", io.BytesIO()
    with tarfile.open(fileobj=page, mode="w") as archive:
        for member in members or [_member("public/x")]:
            archive.addfile(member, io.BytesIO(CANARY))
    content = page.getvalue() if members else page.getvalue()[:514]
    with Onlookers([project / "canary"]) as eyes:
        told = said(lambda: unpack(io.BytesIO(content), destination))  # type: ignore[arg-type]
    ended = Ended(name, told.line(project), told.exit_code, broken=told.broken())
    left = {path for path in project.rglob("*") if not path.is_relative_to(destination)}
    if left != {project / "canary", project / "a", project / "a/b"}:
        ended.broken.append("something was written outside")
    return watched(ended, eyes, None)
