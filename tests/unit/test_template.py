"""The stack that a manifest asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given

from hover_async.manifest import Manifest
from hover_async.template import render
from tests.unit.manifests import manifest, manifests
from tests.unit.stacks import (
    CONSUMER,
    IMAGE,
    INTEGRATION,
    LOCAL,
    RULE,
    of_type,
    properties,
    resources,
)

# What a deploy relies on


@given(manifests())
def test_another_image_changes_nothing_but_the_image(stage: Manifest) -> None:
    """With an unchanged manifest, two templates differ in every function's ImageUri alone."""
    before = render(stage, image_uri=IMAGE, started=[])
    after = render(stage, image_uri="other", started=[])
    assert after.body.replace('"ImageUri":"other"', f'"ImageUri":"{IMAGE}"') == before.body
    assert after.body.count('"ImageUri":"other"') == len(stage.functions)


@given(manifests())
def test_the_same_input_gives_the_same_template(stage: Manifest) -> None:
    """A template is deterministic, compact, and says how large it is."""
    template = render(stage, image_uri=IMAGE, started=[])
    again = render(stage, image_uri=IMAGE, started=[])
    assert template == again
    assert template.functions == stage.functions
    assert template.size_bytes == len(template.body.encode())
    assert template.resource_count == len(json.loads(template.body)["Resources"])
    compact = json.dumps(json.loads(template.body), separators=(",", ":"), ensure_ascii=False)
    assert template.body == compact


@given(manifests())
def test_live_is_the_same_for_ever(stage: Manifest) -> None:
    """A `live` alias names its function and `$LATEST`, whatever else the stage has or lacks."""
    aliases = of_type(resources(stage), "AWS::Lambda::Alias")
    assert aliases == {
        f"{spec.logical_id}Live": {
            "FunctionName": {"Ref": f"{spec.logical_id}Function"},
            "FunctionVersion": "$LATEST",
            "Name": "live",
        }
        for spec in stage.functions
    }
    assert all(
        set(resource) == {"Type", "Properties"}
        for resource in resources(stage).values()
        if resource["Type"] == "AWS::Lambda::Alias"
    )


@given(manifests())
def test_whoever_invokes_invokes_live(stage: Manifest) -> None:
    """Every integration, consumer, rule and permission points to an alias, never to a function."""
    found = resources(stage)
    aliases = set(of_type(found, "AWS::Lambda::Alias"))
    invoked = [
        *(given["IntegrationUri"] for given in of_type(found, INTEGRATION).values()),
        *(given["FunctionName"] for given in of_type(found, CONSUMER).values()),
        *(given["FunctionName"] for given in of_type(found, "AWS::Lambda::Permission").values()),
        *(given["Targets"][0]["Arn"] for given in of_type(found, RULE).values()),
    ]
    assert {next(iter(target.values())) for target in invoked} <= aliases
    assert all(set(target) == {"Ref"} for target in invoked)


@given(manifests())
def test_a_function_that_was_never_live_gets_no_work(stage: Manifest) -> None:
    """Consumers and rules are on for the functions that were live before, and for no others."""
    for started in (False, True):
        found = resources(stage, started=started)
        consumers = of_type(found, CONSUMER).values()
        assert all(given["Enabled"] is started for given in consumers)
        state = "ENABLED" if started else "DISABLED"
        assert all(given["State"] == state for given in of_type(found, RULE).values())


def test_only_the_function_that_is_new_waits() -> None:
    """Beside a new function, the ones that were live go on working."""
    stage = manifest(queue={"old": {}, "new": {}})
    old = next(spec.name for spec in stage.functions if "old" in spec.name)
    found = json.loads(render(stage, image_uri=IMAGE, started=[old]).body)["Resources"]
    assert properties(found, "ConsumerOld")["Enabled"] is True
    assert properties(found, "ConsumerNew")["Enabled"] is False
    assert properties(found, "WarmerRule")["State"] == "DISABLED"


# Nothing in a manifest can be more than a value (I17)

INTRINSICS = {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split"}


@given(manifests())
def test_no_text_of_a_manifest_is_more_than_text(stage: Manifest) -> None:
    """The resources are those that the sections ask for, every intrinsic refers to one of them,
    and no string holds what CloudFormation would substitute or resolve."""
    found = resources(stage, edge=LOCAL)
    queues = [queue for spec in stage.queues.values() for queue in spec.queues]
    dead = [queue for spec in stage.queues.values() if spec.dead_letter for queue in spec.queues]
    rules = [bool(stage.http.warm), stage.cli.schedule].count(True)
    alarms = 1 + len(stage.functions) + len(dead) if stage.alarms else 0
    assert len(found) == 9 + 2 * len(stage.functions) + len(queues) + alarms + 3 * rules
    for name, value in intrinsics(found):
        assert name in INTRINSICS
        if name in {"Ref", "Fn::GetAtt"}:
            target = value if name == "Ref" else value[0]
            assert target in found or target.startswith("AWS::")
    for text in strings(found):
        assert "${" not in text
        assert "{{" not in text


@given(manifests())
def test_a_stacks_parts_do_not_wait_for_each_other_in_a_circle(stage: Manifest) -> None:
    """There is an order in which CloudFormation can make the resources."""
    found = resources(stage, edge=LOCAL)
    waiting = {key: set(needs(resource, found)) for key, resource in found.items()}
    while waiting:
        ready = {key for key, others in waiting.items() if not others & set(waiting)}
        assert ready, f"in a circle: {sorted(waiting)}"
        waiting = {key: others for key, others in waiting.items() if key not in ready}


def intrinsics(value: Any) -> Iterator[tuple[str, Any]]:
    """What CloudFormation would take for a function: in values only, not in names of resources."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref" or key.startswith("Fn::"):
                yield key, inner
            yield from intrinsics(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from intrinsics(inner)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def needs(resource: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield from resource.get("DependsOn", [])
    for name, value in intrinsics(resource):
        if name in {"Ref", "Fn::GetAtt"}:
            target = value if name == "Ref" else value[0]
            if target in found:
                yield target
