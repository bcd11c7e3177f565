"""The manifest that `stage new` writes."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given

from hover_async.manifest import new_manifest
from tests.unit.manifests import TEXT, loaded


@given(profile=TEXT)
def test_a_new_manifest_holds_exactly_what_it_was_given(profile: str) -> None:
    """Whatever is in a value, it is read back as it was, and nothing else comes with it."""
    arn = "arn:aws:iam::123456789012:role/"
    values = {"name": "shop-dev", "region": "eu-central-1", "profile": profile}
    text = new_manifest(**values, stack_role=f"{arn}a/{{{{NAME}}}}", lambda_role=f"{arn}l")
    data = yaml.safe_load(text)
    assert data.get("aws-profile", "") == profile
    assert data["auth"] == {"stack-role": f"{arn}a/{{{{NAME}}}}", "lambda-role": f"{arn}l"}
    assert set(data) - {"aws-profile"} == {
        *("name", "region", "dockerfile", "auth", "environment", "deploy-commands"),
        *("http", "cli", "queue"),
    }


def test_a_new_manifest_is_right() -> None:
    """What `stage new` writes loads as it is, with a profile whose name needs quotes."""
    stage = loaded(
        new_manifest(
            name="shop-dev",
            region="eu-central-1",
            profile='it\'s "mine" # 😀: {a}',
            stack_role="arn:aws:iam::123456789012:role/a,b=c@d",
            lambda_role="arn:aws:iam::123456789012:role/l",
        )
    )
    assert stage.aws_profile == 'it\'s "mine" # 😀: {a}'
    assert stage.auth.stack_role == "arn:aws:iam::123456789012:role/a,b=c@d"
    assert stage.queues["default"].queues == ("default",)


@pytest.mark.parametrize("name", ["on", "null", "1e3", "0x1f", "a: b", "- x", "", "é", "a" * 200])
def test_a_new_manifest_quotes_what_yaml_would_misread(name: str) -> None:
    """A name that YAML takes for a switch, a number or a structure stays a name."""
    text = new_manifest(name=name, region="r", profile=None, stack_role="s", lambda_role="l")
    assert yaml.safe_load(text)["name"] == name


def test_every_line_of_the_stub_that_is_commented_out_is_right() -> None:
    """A newcomer can take the comment sign away from any key of the stub."""
    text = new_manifest(
        name="shop-dev",
        region="eu-central-1",
        profile=None,
        stack_role="arn:aws:iam::123456789012:role/s",
        lambda_role="arn:aws:iam::123456789012:role/l",
    ).replace("certificate/...", "certificate/0-1")
    text = text.removeprefix(text.splitlines()[0])  # for editors
    keys = re.compile(r"^( *)# (?=( *)([a-z-]+: |[a-z-]+:$|- ))", re.MULTILINE)
    stage = loaded(keys.sub(r"\1", text))
    assert stage.http.domains == ("www.example.com",)
    assert stage.deploy_commands
    assert (stage.cli.schedule, stage.queues["default"].dead_letter) == (False, True)
    assert stage.vpc
    assert stage.tags == {"team": "shop"}
