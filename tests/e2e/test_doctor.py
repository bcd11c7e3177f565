"""`hover-async doctor`, by the real program, on the local AWS."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from hover_async.iam import PolicyName, trust
from hover_async.local import LocalAws
from hover_async.manifest import load_manifest
from tests.e2e.conftest import EXAMPLE, HoverAsync
from tests.e2e.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, hover_async: HoverAsync, local_aws: LocalAws) -> Stage:
    """The example's manifest under a name and with roles of its own, not built."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE / ".hover", project / ".hover", ignore=shutil.ignore_patterns("out"))
    name = f"examined-{secrets.token_hex(3)}"
    stage = Stage(name, project, HoverAsync(project, hover_async.environment), local_aws)
    stage.manifest(r"hover-example(?!-base)", name)
    stage.manifest(r"role/hover-", f"role/{name}-")
    return stage


def examine(stage: Stage, *options: str, exit_code: int) -> dict[str, dict[str, Any]]:
    ended = stage.program.run("doctor", "--local", "--json", *options)
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["exit_code"] == exit_code
    return {check["check"]: check for check in told["checks"]}


def test_a_stage_that_can_be_deployed(stage: Stage) -> None:
    """Nothing fails; that there is no build yet is a warning. No bucket, no stack is made."""
    checks = examine(stage, exit_code=0)
    assert {name for name, check in checks.items() if check["health"] != "ok"} == {"build"}
    assert "arn:aws:iam" in checks["credentials"]["found"]
    assert "is free" in checks["bucket"]["found"]
    buckets = stage.client("s3").list_buckets()["Buckets"]
    assert f"{stage.name}-assets" not in [bucket["Name"] for bucket in buckets]
    told = stage.program.ok("doctor", "dev", "--local")
    assert "✓ ok" in told
    assert "1 to look at" in told
    assert not [line for line in told.splitlines() if line != line.rstrip()]


def test_a_stage_that_cannot(stage: Stage) -> None:
    """A role that trusts another service, secrets lying around, a reserve too large: all told."""
    manifest = load_manifest(stage.project / ".hover" / "dev.yml")
    stage.client("iam").create_role(
        RoleName=manifest.auth.stack_role.rpartition("/")[2],
        AssumeRolePolicyDocument=json.dumps(trust(PolicyName.LAMBDA_ROLE, manifest)),
    )
    (stage.project / ".hover" / "dev-secrets.plain.env").write_text("KEY=value")
    stage.manifest(r"^cli:\n", "cli:\n  concurrency: 5000\n")
    checks = examine(stage, exit_code=1)
    failed = {name for name, check in checks.items() if check["health"] == "failed"}
    assert failed == {"stack-role", "plain secrets", "concurrency"}
    assert "does not trust cloudformation.amazonaws.com" in checks["stack-role"]["found"]
    assert all(checks[name]["advice"] for name in failed)


def test_nothing_but_this_machine_can_be_reached(stage: Stage) -> None:
    """Without AWS and without Docker, the project is looked at all the same; no traceback."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "DOCKER_HOST": "unix:///nowhere"}
    program = HoverAsync(stage.project, {**stage.program.environment, **nowhere})
    ended = program.run("doctor", "dev")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert re.search(r"✗ failed\s+docker", ended.stdout)
    assert re.search(r"✗ failed\s+region", ended.stdout)
    assert re.search(r"✓ ok\s+plain secrets", ended.stdout)


def test_a_manifest_that_is_wrong_is_a_usage_error(stage: Stage) -> None:
    """There is nothing to examine; every problem of the manifest is told."""
    stage.manifest(r"^name:", "nmae:")
    ended = stage.program.run("doctor", "dev", "--local")
    assert ended.returncode == 2
    assert "error[manifest]" in ended.stderr
