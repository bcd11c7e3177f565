"""`hover-async plan`, by the real program, on the local AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.e2e.stage import Stage


def plan(stage: Stage, exit_code: int) -> Mapping[str, Any]:
    """The plan as JSON; it must end with `exit_code` and leave no change set."""
    ended = stage.program.run("plan", "--local", "--json")
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    found: Mapping[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    assert found["event"] == "Planned"
    stack = stage.client("cloudformation")
    names = [entry["StackName"] for entry in stack.describe_stacks()["Stacks"]]
    assert not [
        set_ for name in names for set_ in stack.list_change_sets(StackName=name)["Summaries"]
    ]
    assert "REVIEW_IN_PROGRESS" not in str(stack.describe_stacks()["Stacks"])
    return found


def by_action(found: Mapping[str, Any]) -> dict[str, list[str]]:
    actions: dict[str, list[str]] = {}
    for change in found["stack"]["changes"]:
        actions.setdefault(change["action"], []).append(change["logical_id"])
    return actions


def queues(found: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """What becomes of each queue, and how many messages are in it."""
    return {
        queue["name"]: (queue["does"], queue["messages"]) for queue in found["beside"]["queues"]
    }


def test_the_plans_of_a_stage_from_nothing_to_another_name(stage: Stage) -> None:
    """Not there, live, another memory, a queue renamed, a queue less, another name: all is told."""
    stage.build()
    found = plan(stage, 2)
    assert found["stack"]["does"] == "create"
    assert found["stack"]["confirmed"]
    assert stage.client("ecr").describe_repositories()["repositories"] is not None
    buckets = [bucket["Name"] for bucket in stage.client("s3").list_buckets()["Buckets"]]
    assert f"{stage.name}-assets" not in buckets

    assert stage.deploy().exit_code == 0
    found = plan(stage, 0)
    assert found["stack"]["changes"] == []
    assert {function["does"] for function in found["functions"]} == {"nothing"}
    assert queues(found) == {f"default-{stage.name}": ("stays", 0)}
    assert {group["does"] for group in found["beside"]["logs"]} == {"stays"}

    stage.manifest(r"^(http:\n  memory:) 1024", r"\1 2048")
    stage.build("--skip-tests")
    found = plan(stage, 2)
    assert by_action(found) == {"modify": ["CliFunction", "HttpFunction", "QueueJobsFunction"]}
    assert found["stack"]["confirmed"]
    assert found["stack"]["remarks"] == []
    http = found["stack"]["changes"][1]["properties"]
    assert ("MemorySize", "1024", "2048") in [(p["path"], p["before"], p["after"]) for p in http]
    assert found["assets"]["copy"]["files"] > 0

    sqs = stage.client("sqs")
    url = sqs.get_queue_url(QueueName=f"default-{stage.name}")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=900)
    sqs.create_queue(QueueName=f"found-{stage.name}")
    stage.manifest(r"- default", "- emails")
    stage.build("--skip-tests")
    found = plan(stage, 2)
    actions = by_action(found)
    assert actions["create"] == ["ConsumerEmails"]
    assert actions["delete"] == ["ConsumerDefault"]
    assert found["stack"]["remarks"] == []
    assert queues(found) == {
        f"default-{stage.name}": ("left", 1),
        f"emails-{stage.name}": ("made", 0),
    }

    stage.manifest(r"^queue:\n(  .*\n)+", "")
    stage.build("--skip-tests")
    found = plan(stage, 2)
    removed = [function for function in found["functions"] if function["does"] == "removed"]
    assert [function["name"] for function in removed] == [f"{stage.name}-jobs-queue"]
    assert queues(found) == {f"default-{stage.name}": ("left", 1)}
    left = [group["name"] for group in found["beside"]["logs"] if group["does"] == "left"]
    assert left == [f"/aws/lambda/{stage.name}-jobs-queue"]
    told = " ".join(stage.program.run("plan", "--local").stdout.split())
    assert "stays on AWS with what is in it; nobody works on it any more (1 messages)" in told
    assert sqs.get_queue_url(QueueName=f"default-{stage.name}")["QueueUrl"] == url

    stage.edit(".hover/dev.yml", lambda text: text + "\nqueue: {jobs: {queues: [found]}}\n")
    stage.build("--skip-tests")
    assert queues(plan(stage, 2))[f"found-{stage.name}"] == ("taken over", 0)

    another_name(stage)


def another_name(stage: Stage) -> None:
    """It is another stage: a new stack, and the old one is left alone."""
    stage.manifest(r"^name: .*", f"name: new-{stage.name}")
    stage.build("--skip-tests")
    found = plan(stage, 2)
    assert (found["stack"]["name"], found["stack"]["does"]) == (f"new-{stage.name}", "create")
    assert {function["does"] for function in found["functions"]} == {"new"}
    stacks = stage.client("cloudformation").describe_stacks()["Stacks"]
    names = [standing["StackName"] for standing in stacks]
    assert stage.name in names
    assert found["stack"]["name"] not in names
