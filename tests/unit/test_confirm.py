"""Our difference of two templates, held against CloudFormation's word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hover_async.deploy.confirm import confirm, from_change_set
from hover_async.ports import ForeseenChange
from hover_async.template.difference import Action, Change, PropertyChange

QUEUE = "AWS::SQS::Queue"
MODIFY = Change(Action.MODIFY, "Q", QUEUE, "jobs", [PropertyChange("A", "1", "2")])
DELETE = Change(Action.DELETE, "Q", QUEUE, "jobs", fate="it stays", loses=False)
CREATE = Change(Action.CREATE, "Q", QUEUE, "jobs")
REPLACE = Change(Action.REPLACE, "Q", QUEUE, "jobs", fate="it is lost", loses=True)
MODIFIES = ForeseenChange("", "Q", QUEUE, "Modify", "False", properties=("A",))
REPLACES = ForeseenChange("", "Q", QUEUE, "Modify", "True", "ReplaceAndDelete", ("A",))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (MODIFY, MODIFIES),
        (CREATE, ForeseenChange("", "Q", QUEUE, "Add")),
        (DELETE, ForeseenChange("", "Q", QUEUE, "Remove")),
        (REPLACE, replace(REPLACES, policy="")),
        (REPLACE, replace(REPLACES, policy="", replacement="Conditional")),
    ],
)
def test_the_same_word_changes_nothing(ours: Change, theirs: ForeseenChange) -> None:
    """Where both say the same there is nothing to remark."""
    found = confirm([ours], [theirs])
    assert (list(found.changes), list(found.remarks)) == ([ours], [])


def test_a_replacement_is_taken_from_cloudformation() -> None:
    """With what its policy means for the data, our own values, and a remark."""
    found = confirm([MODIFY], [REPLACES])
    (change,) = found.changes
    assert (change.action, change.loses) == (Action.REPLACE, True)
    assert change.properties == MODIFY.properties
    assert found.remarks == ("Q: CloudFormation says replace, the templates modify",)


def test_no_replacement_is_taken_as_well() -> None:
    """What we took for the end of a resource is none, then nothing is lost."""
    (change,) = confirm([REPLACE], [MODIFIES]).changes
    assert (change.action, change.fate, change.loses) == (Action.MODIFY, "", False)


@pytest.mark.parametrize(("policy", "loses"), [("Delete", True), ("Retain", False)])
def test_the_policy_is_cloudformations_to_tell(policy: str, loses: bool) -> None:  # noqa: FBT001
    """Whether a deleted queue keeps its messages."""
    (change,) = confirm([DELETE], [ForeseenChange("", "Q", QUEUE, "Remove", policy=policy)]).changes
    assert change.loses is loses
    assert "messages" in change.fate


def test_an_open_question_is_remarked() -> None:
    """Whether it is replaced CloudFormation may only know on the way."""
    found = confirm([MODIFY], [replace(MODIFIES, replacement="Conditional")])
    assert found.changes == (MODIFY,)
    assert found.remarks == ("CloudFormation decides on the way whether Q is replaced",)


def test_what_only_cloudformation_foresees_is_added() -> None:
    """By its word alone: properties have names, and no values."""
    found = confirm([], [MODIFIES])
    (change,) = found.changes
    assert (change.action, change.properties) == (Action.MODIFY, (PropertyChange("A"),))


def test_what_may_follow_is_a_remark_and_no_change() -> None:
    """A resource whose change depends on others' values may stay as it is."""
    follower = ForeseenChange("", "F", QUEUE, "Modify", "Conditional", is_certain=False)
    nested = ForeseenChange("", "N", "AWS::CloudFormation::Stack", "Modify", is_certain=False)
    found = confirm([MODIFY], [MODIFIES, follower, nested])
    assert found.changes == (MODIFY,)
    assert found.remarks == ("may follow, as values of the above decide: F",)


def test_what_cloudformation_does_not_foresee_is_remarked() -> None:
    """Ours stays, for the reader to judge; outputs are not among its changes."""
    outputs = Change(Action.MODIFY, "Outputs", "", properties=[PropertyChange("A", "1", "2")])
    found = confirm([MODIFY, outputs], [])
    assert list(found.changes) == [outputs, MODIFY]
    assert found.remarks == ("CloudFormation foresees nothing for Q",)


def test_a_resource_of_another_type_stays_ours() -> None:
    """It is deleted and created under one id, which is one change for CloudFormation."""
    both = [DELETE, replace(CREATE, kind="AWS::DynamoDB::Table")]
    found = confirm(both, [REPLACES])
    assert sorted(change.action for change in found.changes) == ["create", "delete"]


def test_the_same_id_in_two_stacks_is_two_resources() -> None:
    """A nested stack's resource is found by its path."""
    inner = replace(MODIFY, stack="Queues")
    found = confirm([MODIFY, inner], [MODIFIES, replace(REPLACES, stack="Queues")])
    assert [(change.stack, change.action) for change in found.changes] == [
        ("", Action.MODIFY),
        ("Queues", Action.REPLACE),
    ]


def test_a_change_set_alone_tells_what_it_can() -> None:
    """Created, deleted, replaced, modified; what is not certain is left out."""
    foreseen = [
        ForeseenChange("", "A", QUEUE, "Add"),
        ForeseenChange("", "B", QUEUE, "Remove", policy="Retain", properties=("X",)),
        ForeseenChange("", "C", QUEUE, "Modify", is_certain=False),
        REPLACES,
    ]
    found = from_change_set(foreseen)
    assert [(change.logical_id, change.action, change.loses) for change in found] == [
        ("A", Action.CREATE, False),
        ("B", Action.DELETE, False),
        ("Q", Action.REPLACE, True),
    ]
    assert not found[1].properties


def test_nested_stacks_that_were_not_looked_into_are_told() -> None:
    """An answer about the outer stack alone is no word on what is in the others."""
    nested = Change(Action.MODIFY, "Workers1", "AWS::CloudFormation::Stack")
    theirs = replace(MODIFIES, logical_id="Workers1", kind=nested.kind, replacement="Conditional")
    inner = replace(MODIFY, stack="Workers1")
    found = confirm([nested, inner], [theirs])
    assert list(found.changes) == [nested, inner]
    assert found.remarks == ("CloudFormation did not look into Workers1",)
    other = replace(MODIFIES, stack="Workers1", logical_id="R")
    remarks = confirm([nested, inner], [theirs, other]).remarks
    assert remarks == ("CloudFormation foresees nothing for Q",)
