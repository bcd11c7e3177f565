"""What a build reads of a project and leaves in it: targets, public files, the record."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.build.dockerfile import targets
from hover_async.build.project import git_revision, require_buildable
from hover_async.build.public_files import prepare_public_files
from hover_async.build.workspace import BuildDetails, workspace
from hover_async.build_record import (
    ASSETS,
    MANIFEST,
    OUT,
    RECORD,
    BuildRecord,
    read_record,
    write_record,
)
from hover_async.errors import BuildMissing, ProjectError, SecretsDamaged
from hover_async.secrets.envelope import Envelope
from hover_async.values import Architecture, BuildId

BUILD = BuildRecord(
    stage="dev",
    build_id=BuildId("b20261123T063100Z-7f3a9c1d"),
    image="dev:b20261123T063100Z-7f3a9c1d",
    image_id="sha256:" + "0" * 64,
    architecture=Architecture.ARM64,
    manifest_hash="f" * 64,
    created_at=datetime(2026, 11, 23, 6, 31, tzinfo=UTC),
    git_revision=None,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".hover").mkdir()
    (tmp_path / ".hover/Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.fixture
def built(project: Path) -> Path:
    """A project with a whole build."""
    (project / ASSETS).mkdir(parents=True)
    (project / MANIFEST).write_text("name: shop\n")
    write_record(project, BUILD)
    return project


def test_targets_are_found_however_they_are_written() -> None:
    """Stages are named after AS in any case, after flags and over joined lines; others are not."""
    text = (
        "# FROM x AS comment\nARG A\nFROM ${A} AS Base\n  from --platform=$B php as assets\n"
        "FROM base \\\n  AS tests\nFROM base\nRUN echo FROM x AS y\n"
    )
    assert targets(text) == ["base", "assets", "tests"]


def test_a_record_is_read_as_it_was_written(built: Path) -> None:
    """Every field comes back, with its type."""
    assert read_record(built) == BUILD
    write_record(built, replace(BUILD, git_revision="a" * 40))
    assert read_record(built).git_revision == "a" * 40


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"format": 1}', '{"format": 2}', "\udcff"],
)
def test_what_is_no_record_is_no_build(built: Path, text: str) -> None:
    """Empty, broken or foreign JSON means that there is no build, with what to do."""
    (built / RECORD).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BuildMissing) as failure:
        read_record(built)
    assert "hover-async build" in (failure.value.hint or "")


@given(
    key=st.sampled_from(sorted(vars(BUILD))),
    value=st.one_of(
        st.none(), st.integers(), st.lists(st.integers(), max_size=1), st.text("x.", max_size=3)
    ),
)
def test_a_record_with_a_wrong_field_is_no_build(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    """One field of another type or form never gives a traceback: a valid record or BuildMissing."""
    project = tmp_path_factory.mktemp("project")
    (project / ASSETS).mkdir(parents=True)
    (project / MANIFEST).write_text("")
    write_record(project, BUILD)
    content = json.loads((project / RECORD).read_text())
    (project / RECORD).write_text(json.dumps({**content, key: value}))
    with suppress(BuildMissing):
        assert isinstance(vars(read_record(project))[key], str | None)


@pytest.mark.parametrize("gone", [RECORD, MANIFEST, ASSETS, OUT])
def test_an_incomplete_build_is_no_build(built: Path, gone: Path) -> None:
    """Whatever part of a build is gone, there is none to deploy."""
    (built / gone).rename(built / "elsewhere")
    with pytest.raises(BuildMissing):
        read_record(built)


def test_an_unfinished_build_leaves_the_last_one(built: Path) -> None:
    """A build that raises removes what it made; the last one still reads as whole."""

    def fail_halfway() -> None:
        with workspace(built) as fresh:
            (fresh.assets / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert read_record(built) == BUILD
    assert sorted(path.name for path in (built / ".hover").iterdir()) == ["Dockerfile", "out"]


def test_a_finished_build_replaces_the_last_one_whole(built: Path) -> None:
    """After publishing, nothing of the build before is left, and no other directory either."""
    (built / ASSETS / "old.css").write_text("")
    (built / ".hover/out.old").mkdir()  # of a build that was killed while it was published
    with workspace(built) as fresh:
        (fresh.assets / "new.css").write_text("")
        fresh.publish()
    assert [path.name for path in (built / ASSETS).iterdir()] == ["new.css"]
    assert sorted(path.name for path in (built / ".hover").iterdir()) == ["Dockerfile", "out"]


def test_two_builds_of_a_project_do_not_mix(project: Path) -> None:
    """While one build runs a second one is refused; afterwards it is not."""
    with workspace(project), pytest.raises(ProjectError, match="another build"):
        workspace(project).__enter__()
    with workspace(project) as fresh:
        assert fresh.application.is_dir()


def test_the_hash_covers_what_the_manifest_says() -> None:
    """Order of keys, build id and time leave the hash; any value changes it."""
    one = BuildDetails(BUILD.build_id, "t1", {"name": "shop", "http": {"warm": 3}})
    same = BuildDetails(BuildId.new(), "t2", {"http": {"warm": 3}, "name": "shop"})
    other = BuildDetails(BUILD.build_id, "t1", {"name": "shop", "http": {"warm": 4}})
    assert one.manifest_hash == same.manifest_hash != other.manifest_hash
    assert one.manifest_with_build()["build_details"] == {
        "id": BUILD.build_id,
        "hash": one.manifest_hash,
        "time": "t1",
    }


@pytest.mark.parametrize(
    ("stage", "dockerfile", "message"),
    [
        ("dev", "absent", "no Dockerfile"),
        ("dev", "../../outside", "outside"),
        ("dev", ".", "cannot be read"),
        ("Dev", "Dockerfile", "cannot name an image"),
        ("a/b", "Dockerfile", "cannot name an image"),
    ],
)
def test_what_cannot_be_built_is_refused(
    project: Path, stage: str, dockerfile: str, message: str
) -> None:
    """A missing or foreign Dockerfile and an impossible stage are errors with a hint."""
    with pytest.raises(ProjectError, match=message) as failure:
        require_buildable(project, stage, dockerfile)
    assert failure.value.hint


def test_a_directory_without_hover_is_refused(tmp_path: Path) -> None:
    """A project that was never set up is told how to set it up."""
    with pytest.raises(ProjectError, match=r"no \.hover") as failure:
        require_buildable(tmp_path, "dev", "Dockerfile")
    assert "stage new" in (failure.value.hint or "")


def test_the_revision_says_whether_files_differ_from_the_commit(project: Path) -> None:
    """A changed file or a new one makes it dirty; an ignored one, another directory's, or what a
    build leaves does not."""
    root, shop = project, project / "shop"
    assert anyio.run(git_revision, root) is None
    git = ["git", "-C", str(root), "-c", "user.name=ann", "-c", "user.email=ann@example.com"]

    def run(*arguments: str) -> str:
        return subprocess.check_output([*git, *arguments], text=True).strip()

    run("init", "--quiet")
    shop.mkdir()
    (shop / "artisan").write_text("<?php")
    (shop / ".gitignore").write_text("vendor/")
    assert anyio.run(git_revision, shop) is None
    run("add", ".")
    run("commit", "--quiet", "--message", "first")
    commit = run("rev-parse", "HEAD")
    for harmless in (shop / "vendor/x.php", shop / ".hover/out.new/a.css", root / "elsewhere"):
        harmless.parent.mkdir(parents=True, exist_ok=True)
        harmless.write_text("")
    assert anyio.run(git_revision, shop) == commit
    (shop / "new.php").write_text("<?php")
    assert anyio.run(git_revision, shop) == f"{commit}-dirty"
    (shop / "new.php").unlink()
    (shop / "artisan").write_text("changed")
    assert anyio.run(git_revision, shop) == f"{commit}-dirty"


def test_a_build_goes_on_where_git_does_not_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not installed, or hangs, is no revision."""
    (project / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (project / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}:/usr/bin:/bin")
    assert anyio.run(partial(git_revision, project, deadline_s=0.2)) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert anyio.run(git_revision, project) is None


def test_secrets_in_plain_text_are_refused(project: Path) -> None:
    """While the stage's plain secrets lie there nothing is built; another stage's do not matter."""
    (project / ".hover/prod-secrets.plain.env").write_text("KEY=x")
    assert require_buildable(project, "dev", "Dockerfile")
    with pytest.raises(ProjectError, match="plain text") as failure:
        require_buildable(project, "prod", "Dockerfile")
    assert "KEY" not in str(failure.value)
    assert "secrets encrypt prod" in (failure.value.hint or "")


def test_another_stages_sealed_secrets_are_refused(project: Path) -> None:
    """A copy of another stage's encrypted file, or a broken one, is found before anything else."""
    sealed = Envelope("dev", "alias/x", b"w", bytes(12), bytes(17)).to_json()
    (project / ".hover/dev-secrets.json").write_bytes(sealed)
    assert require_buildable(project, "dev", "Dockerfile")
    (project / ".hover/prod-secrets.json").write_bytes(sealed)
    with pytest.raises(SecretsDamaged, match="of stage 'dev', not of 'prod'"):
        require_buildable(project, "prod", "Dockerfile")
    (project / ".hover/prod-secrets.json").write_bytes(sealed[:-9])
    with pytest.raises(SecretsDamaged):
        require_buildable(project, "prod", "Dockerfile")


def test_only_what_may_be_served_stays(tmp_path: Path) -> None:
    """Code and hidden files go, .well-known and compiled manifests stay, stylesheets are moved."""
    kept = ["app.css", "build/manifest.json", "mix-manifest.json", ".well-known/a", "build/.vite/m"]
    removed = ["index.php", ".htaccess", "a/INFO.PHP", ".env", ".git/config", "a/.x/y", "hot"]
    for name in kept + removed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"a{b:url(/i.png)}\xff")
    assert prepare_public_files(tmp_path, "/b1") == len(kept)
    found = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert found == set(kept)
    assert (tmp_path / "app.css").read_bytes() == b"a{b:url(/b1/i.png)}\xff"
    assert (tmp_path / "mix-manifest.json").read_bytes() == b"a{b:url(/i.png)}\xff"
