"""What lies between two templates, and CloudFormation's update behaviours behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from hypothesis import given, settings

from hover_async.manifest import Manifest
from hover_async.template import render
from hover_async.template.behaviours import BEHAVIOURS
from hover_async.template.difference import (
    HIDDEN,
    Action,
    Change,
    Unreadable,
    difference,
    fate_of,
)
from tests.unit.manifests import manifest, manifests
from tests.unit.stacks import IMAGE

QUEUE = "AWS::SQS::Queue"
FULL = {
    "http": {"warm": 3},
    "queue": {"jobs": {"queues": ["default", "orders.fifo"], "dead-letter": True}},
}


def body(**resources: dict[str, Any]) -> str:
    return json.dumps({"Resources": resources})


def queue(name: str = "jobs", **more: Any) -> dict[str, Any]:
    return {"Type": QUEUE, "Properties": {"QueueName": name}, **more}


def between(before: str, after: str) -> list[Change]:
    return list(difference({"": before}, {"": after}))


def rendered(stage: Manifest, image: str = IMAGE) -> str:
    return render(stage, image_uri=image, started=[f.name for f in stage.functions]).body


@given(manifests(max_functions=3))
@settings(max_examples=25, deadline=None)
def test_a_template_does_not_differ_from_itself(stage: Manifest) -> None:
    """Of no stage does anything change when nothing did."""
    assert between(rendered(stage), rendered(stage)) == []


@given(manifests(max_functions=3))
@settings(max_examples=25, deadline=None)
def test_from_nothing_everything_is_created_and_back_deleted(stage: Manifest) -> None:
    """Every resource of a stage is in the difference with none, in either direction."""
    names = set(json.loads(rendered(stage))["Resources"])
    made = difference({}, {"": rendered(stage)})
    gone = difference({"": rendered(stage)}, {})
    assert {change.logical_id for change in made} == names
    assert {change.action for change in made} == {Action.CREATE}
    assert {change.logical_id for change in gone} == names
    assert {change.action for change in gone} == {Action.DELETE}


def test_every_type_of_a_stage_has_its_behaviour() -> None:
    """The table knows each type that a template can hold."""
    types = {
        entry["Type"] for entry in json.loads(rendered(manifest(**FULL)))["Resources"].values()
    }
    assert types <= set(BEHAVIOURS)


@pytest.mark.parametrize("kind", sorted(BEHAVIOURS))
def test_what_replaces_is_what_the_resource_schema_says(kind: str) -> None:
    """The properties that make another resource are CloudFormation's create-only properties."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = schema.get("createOnlyProperties", [])
    assert BEHAVIOURS[kind].replacing == {path.rpartition("/")[2] for path in paths}


def test_a_property_of_its_own_replaces() -> None:
    """Another name is another queue; what is in the old one stays if the policy says so."""
    before, after = queue(), queue("other", UpdateReplacePolicy="Retain")
    (change,) = between(body(Q=before), body(Q=after))
    assert (change.action, change.loses) == (Action.REPLACE, False)
    assert "the old one stays on AWS with its messages" in change.fate
    assert [(prop.path, prop.replaces) for prop in change.properties] == [
        ("QueueName", True),
        ("UpdateReplacePolicy", False),
    ]


def test_a_queue_without_a_policy_loses_its_messages() -> None:
    """No policy is CloudFormation's default: deleted."""
    (change,) = between(body(Q=queue()), body())
    assert (change.action, change.loses) == (Action.DELETE, True)
    assert "deleted with its messages" in change.fate


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_a_retained_queue_keeps_its_messages(policy: str) -> None:
    """Of a resource that leaves the template the deployed policy decides."""
    (change,) = between(body(Q=queue(DeletionPolicy=policy)), body())
    assert not change.loses


def test_what_takes_its_value_from_a_replaced_resource_follows() -> None:
    """A consumer of a queue that becomes another one is replaced, and so is who refers to that."""
    consumer = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}, "BatchSize": 1},
    }
    reader = {"Type": "AWS::Lambda::Function", "Properties": {"Description": {"Ref": "C"}}}
    before = body(Q=queue(), C=consumer, F=reader)
    after = body(Q=queue("other"), C=consumer, F=reader)
    actions = {change.logical_id: change.action for change in between(before, after)}
    assert actions == {"Q": Action.REPLACE, "C": Action.REPLACE, "F": Action.MODIFY}


def test_another_type_is_another_resource() -> None:
    """A logical id that changes its type is deleted and created."""
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {}}
    changes = between(body(X=queue()), body(X=table))
    assert [change.action for change in changes] == [Action.DELETE, Action.CREATE]


def test_the_old_alias_and_api_show_in_words() -> None:
    """What is taken from other resources reads as `${...}`, also inside a join."""
    joined = {
        "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":x:", {"Fn::GetAtt": ["Q", "Arn"]}]]
    }
    before = {"Type": QUEUE, "Properties": {"KmsMasterKeyId": "a"}}
    after = {"Type": QUEUE, "Properties": {"KmsMasterKeyId": joined}}
    (change,) = between(body(Q=before), body(Q=after))
    assert change.properties[0].after == "arn:${AWS::Partition}:x:${Q.Arn}"


def test_values_of_variables_are_never_shown() -> None:
    """Of a function's environment only names are told, whatever happens to them."""

    def function(**variables: str) -> str:
        properties = {"Environment": {"Variables": variables}}
        return body(F={"Type": "AWS::Lambda::Function", "Properties": properties})

    before = function(KEPT="s3cret-1", GONE="s3cret-2", SAME="s3cret-3")
    (change,) = between(before, function(KEPT="s3cret-4", NEW="s3cret-5", SAME="s3cret-3"))
    assert "s3cret" not in repr(change)
    told = {prop.path.rpartition(".")[2]: (prop.before, prop.after) for prop in change.properties}
    assert told == {"KEPT": (HIDDEN, HIDDEN), "GONE": (HIDDEN, None), "NEW": (None, HIDDEN)}


def test_lists_with_keys_are_told_entry_by_entry() -> None:
    """One tag that changes is one line, not the whole list."""

    def tagged(**tags: str) -> dict[str, Any]:
        entries = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"Type": QUEUE, "Properties": {"Tags": entries}}

    (change,) = between(body(Q=tagged(a="1", b="2")), body(Q=tagged(a="1", b="3")))
    assert [(prop.path, prop.before, prop.after) for prop in change.properties] == [
        ("Tags[b].Value", "2", "3")
    ]


def test_an_output_that_changes_is_a_change() -> None:
    """CloudFormation updates a stack for its outputs alone."""
    before = json.dumps({"Resources": {}, "Outputs": {"A": {"Value": "1"}}})
    after = json.dumps({"Resources": {}, "Outputs": {"A": {"Value": "2"}}})
    (change,) = between(before, after)
    assert (change.label, change.properties[0].path) == ("outputs", "A.Value")


def test_nested_stacks_are_told_by_their_path() -> None:
    """A change inside a nested stack says in which."""
    root = body()
    changes = difference(
        {"": root, "Queues": body(Q=queue())}, {"": root, "Queues": body(Q=queue(), R=queue("r"))}
    )
    assert [(change.stack, change.logical_id) for change in changes] == [("Queues", "R")]


def test_what_comes_through_a_parameter_is_seen_inside() -> None:
    """A nested stack's functions get the image that their stack is given, however deep it is."""

    def stack(**parameters: Any) -> dict[str, Any]:
        return {"Type": "AWS::CloudFormation::Stack", "Properties": {"Parameters": parameters}}

    code = {"ImageUri": {"Ref": "Image"}, "Other": {"Ref": "Elsewhere"}}
    inner = body(F={"Type": "AWS::Lambda::Function", "Properties": {"Code": code}})
    middle = body(Deep=stack(Image={"Ref": "Given"}))

    def whole(image: str) -> dict[str, str]:
        return {"": body(More=stack(Given=image)), "More": middle, "More/Deep": inner}

    changes = difference(whole("old"), whole("new"))
    (function,) = [change for change in changes if change.logical_id == "F"]
    assert function.stack == "More/Deep"
    assert [(prop.path, prop.before, prop.after) for prop in function.properties] == [
        ("Code.ImageUri", "old", "new")
    ]


@pytest.mark.parametrize(
    "text", ["Resources: {}", "[]", '{"Resources": []}', '{"Resources": {"A": 1}}', "{}"]
)
def test_a_template_that_is_none_of_ours_is_unreadable(text: str) -> None:
    """YAML, or JSON of another form, is refused, not misread."""
    with pytest.raises(Unreadable):
        between(text, body())


def test_a_resource_without_data_has_no_fate() -> None:
    """Deleting a permission is nothing to warn of."""
    assert fate_of("AWS::Lambda::Permission", Action.DELETE, retained=False) == ("", False)
