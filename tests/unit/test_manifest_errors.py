"""Every way to write a manifest wrong that we could think of, and the exact words it gets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.errors import HoverError, ManifestError, ProjectError
from hover_async.manifest import load_manifest
from hover_async.manifest.document import MAX_BYTES

RIGHT = """\
name: shop-dev
region: eu-central-1
auth:
  stack-role: arn:aws:iam::123456789012:role/stack
  lambda-role: arn:aws:iam::123456789012:role/lambda
"""


def table(name: str) -> list[tuple[str, str]]:
    """The cases of a file beside this one: a manifest, and what is said about it."""
    text = (Path(__file__).parent / name).read_text()
    cases = [case.split("-----\n") for case in text.split("=====\n")[1:]]
    return [(given, says.rstrip("\n")) for given, says in cases]


WHOLE = table("bad_manifests.txt")
KEYS = table("bad_keys.txt")
UNPRINTABLE = [
    ("", "1:1: the manifest is empty"),
    ('name: "a\0b"\n', "1:9: not YAML: the character U+0000 may not be in it"),
    (
        RIGHT.replace("shop-dev", "a" * 57),
        (
            "1:1: name: expected at most 56 characters, found 57: "
            "with '-assets' behind it, it names a bucket"
        ),
    ),
    (
        f"{RIGHT}retain: {'9' * 5000}\n",
        f"6:1: retain: '{'9' * 60}'... is no number that can be read",
    ),
    (
        f"{RIGHT}environment:\n  A: {'x' * 100_001}\n",
        "7:3: environment.A: expected at most 100000 characters, found 100001",
    ),
    (
        f"{RIGHT}tags:\n{''.join(f'  t{number}: x{chr(10)}' for number in range(51))}",
        "6:1: tags: expected at most 50 entries, found 51",
    ),
    (f"{RIGHT}tags: {'[' * 3000}", "1:1: nested too deeply"),
]


@pytest.mark.parametrize(("text", "says"), WHOLE + UNPRINTABLE)
def test_a_wrong_file_is_told_in_these_words(tmp_path: Path, text: str, says: str) -> None:
    """Each problem of the file is told, with its line, column and path, in the file's order."""
    assert said_about(tmp_path, text) == says


@pytest.mark.parametrize(("text", "says"), KEYS)
def test_a_wrong_key_is_told_in_these_words(tmp_path: Path, text: str, says: str) -> None:
    """What is wrong behind a right beginning is all that is told."""
    assert said_about(tmp_path, RIGHT + text) == says


def test_the_tables_are_worth_their_name() -> None:
    """They hold more than a hundred cases, and none twice."""
    cases = [text for text, _ in WHOLE + UNPRINTABLE] + [RIGHT + text for text, _ in KEYS]
    assert len(set(cases)) == len(cases) > 100


def test_dead_letters_never_meet_another_queue(tmp_path: Path) -> None:
    """A dead letter queue that would have another queue's name on SQS is refused."""
    text = RIGHT.replace("shop-dev", "dead") + (
        "queue:\n  jobs: {queues: [a], dead-letter: on}\n  mails: {queues: [a-dead]}\n"
    )
    assert said_about(tmp_path, text) == (
        "7:19: queue.jobs.queues[0]: its dead letters would go to 'a-dead-dead', "
        "which 'queue.mails' has"
    )


def test_a_file_that_is_no_text_says_where(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are told with their place, and what to do."""
    failure = refusal(tmp_path, RIGHT.encode() + b"tags:\n  town: K\xf6ln\n")
    assert str(failure) == "dev.yml:7:10: not UTF-8 text"
    assert failure.hint == f"save {tmp_path / 'dev.yml'} as UTF-8"


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    """No manifest is larger than a quarter of a megabyte."""
    failure = refusal(tmp_path, b"#" * (MAX_BYTES + 1))
    assert str(failure) == "dev.yml:1:1: larger than 262,144 bytes"


def test_a_missing_manifest_names_the_stages_there_are(tmp_path: Path) -> None:
    """A stage that does not exist gets the names of those that do, and how to make it."""
    hover = tmp_path / ".hover"
    hover.mkdir()
    with pytest.raises(ProjectError, match=r"^there is no manifest .hover/dev.yml \(there is no"):
        load_manifest(hover / "dev.yml")
    (hover / "production.yml").write_text(RIGHT)
    (hover / "staging.yml").write_text(RIGHT)
    with pytest.raises(ProjectError) as caught:
        load_manifest(hover / "dev.yml")
    assert str(caught.value) == (
        "there is no manifest .hover/dev.yml (stages here: production, staging)"
    )
    assert caught.value.hint == (
        "in the project's root, 'hover-async stage new PROJECT dev' makes one"
    )


@pytest.mark.parametrize("name", ["directory.yml", "fifo.yml"])
def test_what_is_not_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """A directory, or a FIFO that would block for ever, is no manifest."""
    (tmp_path / "directory.yml").mkdir()
    os.mkfifo(tmp_path / "fifo.yml")
    with pytest.raises(ProjectError, match="is not a file") as caught:
        load_manifest(tmp_path / name)
    assert caught.value.hint


def test_the_error_is_as_useful_to_programs(tmp_path: Path) -> None:
    """The typed problems carry what the text says, and the exit code is that of wrong usage."""
    failure = refusal(tmp_path, (RIGHT + "architecture: arm\n").encode())
    assert isinstance(failure, ManifestError)
    assert failure.exit_code == 2
    assert failure.hint == f"correct {tmp_path / 'dev.yml'}, then try again"
    (problem,) = failure.problems
    assert (problem.file, problem.line, problem.column) == ("dev.yml", 6, 1)
    assert (problem.path, problem.suggestion) == ("architecture", "arm64")
    assert failure.details()["problems"] == [vars(problem)]


@given(st.binary(max_size=200))
def test_no_bytes_are_a_crash(content: bytes) -> None:
    """Whatever is in the file, the answer is a manifest or one of our errors."""
    with TemporaryDirectory() as directory, suppress(ManifestError):
        path = Path(directory) / "dev.yml"
        path.write_bytes(RIGHT.encode() + content)
        load_manifest(path)


@given(st.text(alphabet="{}[]:,&*!?|>-'\"#%@ \n\tab1.~<=", max_size=60))
def test_no_yaml_is_a_crash(text: str) -> None:
    """YAML's own signs, in any order, end in problems that have a place."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "dev.yml"
        path.write_text(text)
        with pytest.raises(ManifestError) as caught:
            load_manifest(path)
        assert all(problem.line >= 1 and problem.column >= 1 for problem in caught.value.problems)


def said_about(tmp_path: Path, text: str) -> str:
    failure = refusal(tmp_path, text.encode())
    assert isinstance(failure, ManifestError)
    assert failure.hint
    assert all(str(problem).startswith("dev.yml:") for problem in failure.problems)
    return str(failure).removeprefix("dev.yml:").replace("\ndev.yml:", "\n")


def refusal(tmp_path: Path, content: bytes) -> HoverError:
    path = tmp_path / "dev.yml"
    path.write_bytes(content)
    with pytest.raises(HoverError) as caught:
        load_manifest(path)
    return caught.value
