"""The JSON Schema that editors use, held to what the loader says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings

from hover_async.build.scaffold import new_stage
from hover_async.cli.main import cli
from hover_async.manifest import Manifest, json_schema, new_manifest
from tests.unit.manifests import REQUIRED, large_manifests, loaded, manifests
from tests.unit.test_manifest import PREDECESSOR
from tests.unit.test_manifest_errors import KEYS, RIGHT, WHOLE

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/laravel/.hover/dev.yml"
SCHEMA = dict(json_schema())
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0-1"
EDITOR = jsonschema.Draft202012Validator(SCHEMA)

ONLY_THE_LOADER = [
    # what several keys mean together
    r"cannot be warm with",
    r"cannot run with",
    r"need http.certificate|needs http.domains",
    r"is given twice",
    r"is worked on by",
    r"its function's name would be|the queue's name on SQS would be",
    r"the roles are of two accounts",
    r"alarms reach topics of their own region|the key is of region",
    r"a function has 900",
    # what a command is made of
    r"artisan command|cannot be split into words|no shell reads it|has a NUL",
    # what YAML has lost by the time an editor checks
    r"given twice \(first in line",
    r"means nothing here",
    r"is no finite number",
    r"a key must be a word|keys cannot be merged",
    r"half a character",
    r"there is a NUL in it",
    r"nested (more than|too)|do anchors repeat",
]


def test_it_is_a_schema() -> None:
    """By its own dialect's rules."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_examples_are_right() -> None:
    """An editor takes the example's manifest, and the one that the predecessor documents."""
    assert complaints(EXAMPLE.read_text()) == []
    assert complaints(PREDECESSOR) == []


def test_the_stub_is_right() -> None:
    """What `stage new` writes is right, also with every key that is commented out."""
    text = new_manifest(
        name="shop-dev",
        region="eu-central-1",
        profile=None,
        stack_role="arn:aws:iam::123456789012:role/s",
        lambda_role="arn:aws:iam::123456789012:role/l",
    ).replace("certificate/...", "certificate/0-1")
    assert complaints(text) == []
    keys = re.compile(r"^( *)# (?=( *)([a-z-]+: |[a-z-]+:$|- ))", re.MULTILINE)
    assert complaints(keys.sub(r"\1", text.removeprefix(text.splitlines()[0]))) == []


@given(manifests())
def test_whatever_the_loader_takes_an_editor_takes(stage: Manifest) -> None:
    """No manifest that is right is underlined."""
    assert list(EDITOR.iter_errors(as_json(stage.as_written))) == []


@settings(max_examples=5, deadline=None)
@given(large_manifests())
def test_a_large_manifest_is_right_too(stage: Manifest) -> None:
    """Hundreds of functions, and none is underlined."""
    assert list(EDITOR.iter_errors(as_json(stage.as_written))) == []


@pytest.mark.parametrize(
    "text",
    [
        "http:\ncli:\nqueue:\n  jobs:\nenvironment:\ntags:\ndeploy-commands:\n",
        "environment: {A: 1.10, B: true, C: , D: [}\n".replace("[", "''"),
        "cli: {schedule: off}\n",
        "cli: {schedule: 'off'}\n",
        "queue: {a: {backoff: 5}, b: {backoff: [5, 6]}, c: {backoff: '5,  6'}}\n",
        "tags: {Straße: Köln}\n",
        f"http: {{domains: 'a.example.com, *.a.example.com', certificate: {CERTIFICATE}}}\n",
    ],
)
def test_what_may_be_written_in_several_ways(text: str) -> None:
    """Empty sections, values as they are written, switches in the words of either YAML."""
    assert loaded(RIGHT + text).name == "shop-dev"
    assert complaints(RIGHT + text) == []


@pytest.mark.parametrize(("text", "says"), [(RIGHT + text, says) for text, says in KEYS] + WHOLE)
def test_what_the_loader_refuses_an_editor_underlines(text: str, says: str) -> None:
    """But for what several keys mean together, and what YAML makes wrong before."""
    try:
        found = complaints(text)
    except (yaml.YAMLError, RecursionError, TypeError, ValueError):
        return
    if not found:
        problems = says.splitlines()
        assert all(any(re.search(kind, each) for kind in ONLY_THE_LOADER) for each in problems)


def test_every_key_says_what_it_is_for() -> None:
    """An editor shows a description of every key, and the default where there is one."""
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    for model in models:
        for key, given_schema in model.get("properties", {}).items():
            about = given_schema.get("description") or described(given_schema)
            assert about, key
    assert SCHEMA["$defs"]["Http"]["properties"]["timeout"]["maximum"] == 30
    assert SCHEMA["$defs"]["Http"]["properties"]["warm"]["default"] == 3


def described(schema: Any) -> str:
    """The description of what the schema refers to."""
    names = re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema))
    return "".join(SCHEMA["$defs"][name].get("description", "") for name in names)


def test_the_command_prints_it() -> None:
    """`hover-async schema` prints the schema as JSON."""
    printed = CliRunner().invoke(cli, ["schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == SCHEMA


def test_a_new_stage_has_it_beside_its_manifest(tmp_path: Path) -> None:
    """The first line of a new manifest names a file that is there, and is the schema."""
    written = new_stage(
        tmp_path,
        project="shop",
        stage="dev",
        region="eu-central-1",
        profile=None,
        stack_role=REQUIRED["auth"]["stack-role"],
        lambda_role=REQUIRED["auth"]["lambda-role"],
    )
    first = written[0].read_text().splitlines()[0]
    named = written[0].parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named in written
    assert json.loads(named.read_text()) == SCHEMA


def complaints(text: str) -> list[str]:
    """What an editor would underline."""
    data = as_json(yaml.safe_load(text))
    return [error.message for error in EDITOR.iter_errors(data)]


def as_json(data: Any) -> Any:
    """As an editor has it: JSON's own types, and keys that are text."""
    return json.loads(json.dumps(data, allow_nan=False))
