"""Warm containers: as many as the manifest asks for, and no more than it allows.

The life of one stage, test by test: ten containers, a reserve of four, and what keeps them warm.
The local AWS does not enforce a reserve that a template sets: that no more than `http.concurrency`
are started is the deploy's own doing, before Lambda could refuse.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import pytest

from hover_async.local import LocalAws
from tests.e2e.stage import Stage, new_stage

WARM = 10
RESERVE = 4
TOO_FEW = "4 of 10 containers are warm: http.concurrency is 4, and no more can run at once"


@pytest.fixture(scope="module")
def stage(base_image: str, local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage whose website shall have ten warm containers; the first build of it is made."""
    del base_image
    name = f"warming-{secrets.token_hex(2)}"
    stage = new_stage(name, tmp_path_factory.mktemp("warming"), local_aws)
    stage.manifest("warm: 3", f"warm: {WARM}")
    stage.build("--skip-tests")
    return stage


def instances(stage: Stage, version: str) -> set[str]:
    """The containers of a version of the website that Docker runs, by the name they tell."""
    return {found.instance for found in stage.running("http") if found.version == version}


def warmer(stage: Stage, containers: int) -> tuple[str, Mapping[str, Any]]:
    """What EventBridge sends to `live` every five minutes: the version that answered, and what."""
    answer = stage.client("lambda").invoke(
        FunctionName=f"{stage.name}-http",
        Qualifier="live",
        Payload=json.dumps({"warmer": True, "containers": containers}),
    )
    return answer["ExecutedVersion"], json.loads(answer["Payload"].read())


def test_ten_containers_are_warm_before_the_flip(stage: Stage) -> None:
    """Ten distinct ones boot, the deploy names each, and Docker runs these and no other."""
    run = stage.deploy()
    assert run.exit_code == 0, run.stderr
    warmed = run.of("ContainerWarmed")
    assert [event["cold"] for event in warmed] == [True] * WARM
    assert {event["instance"] for event in warmed} == instances(stage, "1")
    assert len(instances(stage, "1")) == WARM
    (warm,) = [event for event in run.of("StepFinished") if event["step"] == "warm"]
    assert warm["summary"].startswith("10 of 10 containers, slowest boot ")
    assert run.of("Warned") == []


def test_ten_warm_containers_are_met_again(stage: Stage) -> None:
    """The same build once more: no container boots, and the terminal says ten of ten."""
    before = instances(stage, "1")
    done = stage.program.run("deploy", "--local")
    assert done.returncode == 0, done.stderr
    assert "10 of 10 containers" in done.stdout
    assert done.stderr.count(" was warm\n") == WARM
    assert instances(stage, "1") == before


def test_the_warmer_keeps_its_own_version_warm(stage: Stage) -> None:
    """The live version's containers answer, each once: those that there are, or new ones."""
    before = instances(stage, "1")
    version, told = warmer(stage, WARM)
    assert (version, told["warm"], told["errors"]) == ("1", WARM, [])
    assert set(told["instances"]) == before
    _, told = warmer(stage, WARM + 2)
    assert (told["warm"], told["errors"]) == (WARM + 2, [])
    assert before < set(told["instances"]) == instances(stage, "1")


def test_no_more_are_warm_than_the_manifest_lets_run(stage: Stage) -> None:
    """With a reserve of four it is four of ten; the reason has the manifest's own number."""
    stage.manifest(f"warm: {WARM}", f"warm: {WARM}\n  concurrency: {RESERVE}")
    stage.build("--skip-tests")
    run = stage.deploy()
    assert run.exit_code == 0, run.stderr
    (warning,) = run.of("Warned")
    assert warning["message"] == TOO_FEW
    assert warning["hint"] == "raise http.concurrency, or lower http.warm to 4"
    assert len(run.of("ContainerWarmed")) == RESERVE
    assert {event["instance"] for event in run.of("ContainerWarmed")} == instances(stage, "2")
    assert len(instances(stage, "2")) == RESERVE


def test_the_warmer_keeps_the_new_version_warm_after_a_flip(stage: Stage) -> None:
    """The rule's own event, right after the flip, meets the new version's containers alone."""
    (rule,) = [
        rule["Name"]
        for rule in stage.client("events").list_rules()["Rules"]
        if rule["Name"].startswith(f"{stage.name}-Warmer")
    ]
    (target,) = stage.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    assert json.loads(target["Input"]) == {"warmer": True, "containers": RESERVE}
    version, told = warmer(stage, RESERVE)
    assert (version, told["warm"], told["errors"]) == ("2", RESERVE, [])
    assert set(told["instances"]) == instances(stage, "2")


def test_the_terminal_says_four_of_ten_and_why(stage: Stage) -> None:
    """In lines and in the table, for a user who reads no JSON."""
    done = stage.program.run("deploy", "--local")
    assert done.returncode == 0, done.stderr
    assert f"warning: {TOO_FEW}" in done.stderr
    assert "hint: raise http.concurrency, or lower http.warm to 4" in done.stderr
    assert "4 of 10 containers" in done.stdout
