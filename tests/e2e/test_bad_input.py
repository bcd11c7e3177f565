"""Bad input and a world that is not ready: an error with a hint, never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hover_async.build_record import ASSETS, MANIFEST, BuildRecord, write_record
from hover_async.values import Architecture, BuildId
from tests.e2e.conftest import EXAMPLE, HoverAsync


@dataclass(frozen=True)
class Case:
    """A command in a broken world, and how it must end."""

    arguments: str
    exit_code: int
    expected: tuple[str, ...]
    edit: tuple[str, str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    built: bool = False


ROLE = "arn:aws:iam::123456789012:role/any"
NOBODY = "http://127.0.0.1:9"
NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
NO_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_CONFIG_FILE": "/dev/null",
}

CASES = {
    "no build yet": Case("deploy", 2, ("error[build-missing]", "hover-async build")),
    "a build of another stage": Case(
        "deploy production",
        2,
        (
            "error[stage-mismatch]",
            "of stage 'dev', not 'production'",
            "hover-async build production",
        ),
        built=True,
    ),
    "no such stage": Case(
        "build production", 2, ("production.yml", "stage new", "stages here: dev")
    ),
    "a stage that is a path": Case("build ../../etc/passwd", 2, ("error[", "hint:")),
    "unknown key": Case(
        "build dev", 2, ("dev.yml:", "http.memry", "did you mean 'memory'"), ("memory:", "memry:")
    ),
    "wrong type": Case(
        "build dev", 2, ("dev.yml:", "http.warm", "'three'"), ("warm: 3", "warm: three")
    ),
    "missing role": Case(
        "build dev", 2, ("auth.lambda-role", "missing"), ("lambda-role:", "# lambda-role:")
    ),
    "not YAML": Case("build dev", 2, ("dev.yml:", "YAML"), ("auth:", "auth: [")),
    "no Docker to build": Case(
        "build dev", 1, ("error[docker-unavailable]", "hint:"), environment=NO_DOCKER
    ),
    "no Docker to deploy": Case(
        "deploy", 1, ("error[docker-unavailable]", "hint:"), environment=NO_DOCKER, built=True
    ),
    "no credentials": Case(
        "deploy", 1, ("error[credentials]", "hint:"), environment=NO_CREDENTIALS, built=True
    ),
    "unknown profile": Case(
        "deploy --profile nobody",
        1,
        ("error[credentials]", "nobody", "hint:"),
        environment=NO_CREDENTIALS,
        built=True,
    ),
    "endpoint that nobody answers at": Case(
        "deploy",
        1,
        ("error[endpoint-unreachable]", NOBODY, "hint:"),
        environment={**NO_CREDENTIALS, "AWS_ENDPOINT_URL": NOBODY},
        built=True,
    ),
    "build argument without a value": Case("build dev --build-arg PHP", 2, ("NAME=VALUE",)),
    "no secrets to encrypt": Case(
        "secrets encrypt dev", 2, ("error[secrets-missing]", "dev-secrets.plain.env", "decrypt dev")
    ),
    "no secrets to list": Case(
        "secrets list dev --json", 2, ("error[secrets-missing]", "secrets encrypt dev")
    ),
    "secrets of no stage": Case("secrets decrypt qa", 2, ("qa.yml", "stages here: dev")),
    "secrets with a key that is none": Case(
        "secrets list dev",
        2,
        ("auth.secrets-key", "'shop'", "alias/NAME"),
        ("  lambda-role:", "  secrets-key: shop\n  lambda-role:"),
    ),
    "unknown command": Case("deplyo", 2, ("No such command 'deplyo'",)),
    "no build to plan": Case("plan", 1, ("error[build-missing]", "hover-async build")),
    "plan of another stage": Case(
        "plan production", 1, ("error[stage-mismatch]", "hint:"), built=True
    ),
    "plan without credentials": Case(
        "plan", 1, ("error[credentials]", "hint:"), environment=NO_CREDENTIALS, built=True
    ),
    "plan at an endpoint that nobody answers at": Case(
        "plan",
        1,
        ("error[endpoint-unreachable]", NOBODY, "hint:"),
        environment={**NO_CREDENTIALS, "AWS_ENDPOINT_URL": NOBODY},
        built=True,
    ),
    "no such policy": Case("iam admin", 2, ("'deployer'", "'stack-role'", "'lambda-role'")),
    "policy of no such stage": Case(
        "iam deployer production", 2, ("production.yml", "stages here: dev")
    ),
    "policy of a wrong manifest": Case(
        "iam stack-role", 2, ("dev.yml:", "auth.stack-role"), ("role/hover-stack", "role/")
    ),
    "doctor of no such stage": Case("doctor production", 2, ("production.yml", "hint:")),
    "doctor of a wrong manifest": Case(
        "doctor", 2, ("dev.yml:", "http.memry"), ("memory:", "memry:")
    ),
    "stage that exists": Case(
        "stage new shop dev --region eu-central-1 --profile= "
        f"--stack-role {ROLE} --lambda-role {ROLE}",
        2,
        ("exists already",),
    ),
    "stage with a role that is none": Case(
        "stage new shop qa --region eu-central-1 --profile= --stack-role admin "
        f"--lambda-role {ROLE}",
        2,
        ("auth.stack-role", "'admin'"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_an_error_with_a_hint(
    name: str, tmp_path: Path, hover_async: HoverAsync
) -> None:
    """Every broken world is told in a message that says what to do; no traceback."""
    case = CASES[name]
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE / ".hover", project / ".hover", ignore=shutil.ignore_patterns("out"))
    if case.edit:
        manifest = project / ".hover" / "dev.yml"
        text = manifest.read_text()
        assert case.edit[0] in text
        manifest.write_text(text.replace(*case.edit, 1))
    if case.built:
        pretend_build(project)
    program = HoverAsync(project, {**hover_async.environment, **case.environment})
    ended = program.run(*case.arguments.split())
    assert ended.returncode == case.exit_code, ended.stderr
    assert "Traceback" not in ended.stderr
    for words in case.expected:
        assert words in ended.stderr


def pretend_build(project: Path) -> None:
    """What a build leaves, as far as a deploy looks at it before it needs Docker or AWS."""
    (project / ASSETS).mkdir(parents=True)
    shutil.copy(project / ".hover" / "dev.yml", project / MANIFEST)
    record = BuildRecord(
        stage="dev",
        build_id=BuildId("b20261123T063100Z-7f3a9c1d"),
        image="dev:b20261123T063100Z-7f3a9c1d",
        image_id="sha256:0",
        architecture=Architecture.X86_64,
        manifest_hash="0",
        created_at=datetime.now(UTC),
        git_revision=None,
    )
    write_record(project, record)
