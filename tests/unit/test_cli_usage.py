"""What is asked for wrongly, or in the wrong place: told before anything is done."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hover_async.cli.main import cli
from hover_async.errors import BuildMissing, HoverError, ProjectError, UsageError

ROOT = Path(__file__).resolve().parents[2]
IN_A_PROJECT = [
    *(["deploy"], ["doctor"], ["releases"], ["rollback"], ["recover"], ["unlock"]),
    *(["deploy", "dev"], ["doctor", "dev"], ["build", "dev"], ["iam", "deployer"]),
    *(["secrets", "list", "dev"], ["releases", "dev"]),
]


def refused(*arguments: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        cli([*arguments], standalone_mode=False)
    return caught.value


@pytest.mark.parametrize("command", IN_A_PROJECT, ids=" ".join)
def test_every_command_says_the_same_where_there_is_no_project(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which directory it is, what is missing there and what makes it; and one that is none."""
    monkeypatch.chdir(tmp_path)
    error = refused(*command)
    assert isinstance(error, ProjectError)
    assert str(error).startswith(f"'{tmp_path}' has no .hover directory")
    assert "hover-async stage new PROJECT STAGE" in str(error.hint)
    error = refused(*command, "-C", "/nope")
    assert isinstance(error, ProjectError)
    assert str(error) == "'/nope' is not a directory"
    assert "-C" in str(error.hint)


def test_a_directory_may_be_named_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git and make have it; one that cannot be gone to is told."""
    (tmp_path / "shop/.hover").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert isinstance(refused("-C", "shop", "deploy"), BuildMissing)
    monkeypatch.chdir(tmp_path)
    assert "'nope' cannot be entered: No such file" in str(refused("-C", "nope", "deploy"))


def test_both_lanes_at_once_are_refused() -> None:
    """No option silently wins over the other."""
    assert "--direct and --stack exclude each other" in str(
        refused("deploy", "--direct", "--stack")
    )


@pytest.mark.parametrize(("typed", "meant"), [("relases", "releases"), ("deplyo", "deploy")])
def test_a_mistyped_command_is_recognised(typed: str, meant: str) -> None:
    """The nearest one is offered, and none where none is near."""
    with pytest.raises(click.UsageError, match=f"'{typed}'. Did you mean '{meant}'?"):
        cli([typed], standalone_mode=False)
    with pytest.raises(click.UsageError) as caught:
        cli(["xyzzy"], standalone_mode=False)
    assert "Did you mean" not in caught.value.format_message()


def test_every_exit_code_of_a_deploy_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """In `deploy --help` and in docs/deploy.md: those of all failures, success, and no other."""
    kinds = [HoverError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    codes = {0, *(kind.exit_code for kind in kinds)}
    with pytest.raises(SystemExit):
        cli(["deploy", "--help"])
    told = re.findall(r"^ {4}(\d+) {2,}\S", capsys.readouterr().out, re.MULTILINE)
    table = (ROOT / "docs/deploy.md").read_text().partition("| exit code | |")[2]
    rows = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert {int(code) for code in told} == {int(code) for code in rows} == codes
