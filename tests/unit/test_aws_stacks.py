"""What the CloudFormation adapter makes of refusals and of a stack's history."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from hover_async.aws.stacks import OTHERS_SINCE, CloudFormationStacks, says
from hover_async.errors import AwsError, Conflict, NotFound, Rejected
from hover_async.ports import StackRequest
from tests.unit.scripted_aws import Answer, Scripted, lost, refused

pytestmark = pytest.mark.anyio

OURS = "ours"
ID = "arn:aws:cloudformation:eu-central-1:42:stack/shop/1"
REQUEST = StackRequest(
    "shop", "{}", template_is_url=False, role_arn="arn:role", tags={"a": "b"}, token=OURS
)
NO_SUCH = refused("ValidationError", message="Stack with id shop does not exist")
NO_UPDATES = refused("ValidationError", message="No updates are to be performed.")
IN_PROGRESS = refused(
    "ValidationError",
    message=f"Stack:{ID} is in UPDATE_IN_PROGRESS state and can not be updated.",
)
EXISTS = refused("AlreadyExistsException", message="Stack [shop] already exists")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def adapter(**script: list[Answer]) -> tuple[CloudFormationStacks, Scripted]:
    client = Scripted(script)
    return CloudFormationStacks(client.service()), client


def event(token: str | None, logical_id: str, status: str, reason: str = "") -> dict[str, Any]:
    stack = logical_id == "shop"
    stamp = {"ClientRequestToken": token} if token else {}
    return {
        "EventId": f"{token}-{logical_id}-{status}",
        "StackId": ID,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": ID if stack else f"{ID}-nested",
        "ResourceType": "AWS::CloudFormation::Stack" if stack else "AWS::SQS::Queue",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        **stamp,
    }


def began(token: str | None) -> dict[str, Any]:
    return event(token, "shop", "UPDATE_IN_PROGRESS", "User Initiated")


def page(*events: dict[str, Any], more: str | None = None) -> dict[str, Any]:
    return {"StackEvents": list(events), **({"NextToken": more} if more else {})}


@pytest.mark.parametrize(
    "message", ["No updates are to be performed.", "no updates are to be performed"]
)
def test_nothing_to_update_is_told_by_its_words(message: str) -> None:
    """CloudFormation has no code for 'nothing to update': only a ValidationError may say it."""
    assert says(Rejected(message, aws_code="ValidationError"), "nothing to update")
    assert not says(Rejected(message, aws_code="AccessDenied"), "nothing to update")
    assert not says(Rejected("is wrong", aws_code="ValidationError"), "nothing to update")


@pytest.mark.parametrize(
    "message", ["Stack with id shop does not exist", "Stack [shop] does not exist"]
)
def test_no_such_stack_is_told_by_its_words(message: str) -> None:
    """CloudFormation has no code for 'no such stack': only a ValidationError may say it."""
    assert says(Rejected(message, aws_code="ValidationError"), "no such stack")
    assert not says(Rejected(message, aws_code="Throttling"), "no such stack")
    assert not says(Rejected("is wrong", aws_code="ValidationError"), "no such stack")


async def test_what_a_request_sends() -> None:
    """A request carries template or URL, token, role and tags; without a role none."""
    stacks, client = adapter(CreateStack=[{}, {}])
    await stacks.create(REQUEST)
    by_url = StackRequest(
        "shop", "https://t", template_is_url=True, role_arn=None, tags={}, token=OURS
    )
    await stacks.create(by_url)
    assert client.asked[0][1] == {
        "StackName": "shop",
        "TemplateBody": "{}",
        "ClientRequestToken": "ours",
        "Tags": [{"Key": "a", "Value": "b"}],
        "RoleARN": "arn:role",
    }
    assert client.asked[1][1]["TemplateURL"] == "https://t"
    assert "RoleARN" not in client.asked[1][1]


async def test_created_but_the_answer_was_lost() -> None:
    """A stack that is there after a lost answer is ours if its operation has our token."""
    stacks, _ = adapter(CreateStack=[lost(), EXISTS], DescribeStackEvents=[page(began(OURS))])
    await stacks.create(REQUEST)


async def test_created_by_a_rival() -> None:
    """A stack that another operation created is a conflict."""
    stacks, _ = adapter(CreateStack=[EXISTS], DescribeStackEvents=[page(began("theirs"))])
    with pytest.raises(Conflict):
        await stacks.create(REQUEST)


@pytest.mark.parametrize("refusal", [NO_UPDATES, IN_PROGRESS])
async def test_updated_but_the_answer_was_lost(refusal: Exception) -> None:
    """A repeat that meets our own update, under way or done, has succeeded."""
    stacks, _ = adapter(UpdateStack=[lost(), refusal], DescribeStackEvents=[page(began(OURS))])
    assert await stacks.update(REQUEST) is True


async def test_a_token_that_is_known() -> None:
    """'Token already exists' says that the operation has been accepted."""
    known = refused("TokenAlreadyExistsException")
    stacks, client = adapter(UpdateStack=[known], CreateStack=[known], DeleteStack=[known])
    assert await stacks.update(REQUEST) is True
    await stacks.create(REQUEST)
    await stacks.delete("shop", token=OURS)
    assert client.left() == {}


async def test_a_stack_in_use() -> None:
    """An update while another one runs is refused, in CloudFormation's words."""
    stacks, _ = adapter(UpdateStack=[IN_PROGRESS], DescribeStackEvents=[page(began("theirs"))])
    with pytest.raises(Rejected, match="UPDATE_IN_PROGRESS"):
        await stacks.update(REQUEST)


async def test_nothing_to_update() -> None:
    """Nothing to update is no failure."""
    stacks, _ = adapter(UpdateStack=[NO_UPDATES], DescribeStackEvents=[page(began("theirs"))])
    assert await stacks.update(REQUEST) is False


async def test_an_update_of_nothing() -> None:
    """Updating a stack that is not there raises NotFound."""
    stacks, _ = adapter(UpdateStack=[NO_SUCH], DescribeStackEvents=[NO_SUCH])
    with pytest.raises(NotFound):
        await stacks.update(REQUEST)


async def test_events_over_pages() -> None:
    """Events are gathered over pages up to where the operation began, oldest first."""
    last = event(OURS, "shop", "UPDATE_COMPLETE")
    first = began(OURS)
    pages: list[Answer] = [
        page(last, event(OURS, "Q", "UPDATE_COMPLETE"), more="2"),
        page(event(OURS, "Q", "UPDATE_IN_PROGRESS"), first, began("theirs"), more="3"),
    ]
    stacks, client = adapter(DescribeStackEvents=pages)
    told = [item.status for item in await stacks.events("shop", token=OURS)]
    assert told == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE",
    ]
    assert client.count("DescribeStackEvents") == 2


async def test_events_behind_another_operation() -> None:
    """Events of our operation are found behind those of a newer one, and without them."""
    pages: list[Answer] = [
        page(event("theirs", "Q", "UPDATE_COMPLETE"), began("theirs"), more="2"),
        page(event(OURS, "Q", "UPDATE_COMPLETE"), began(OURS)),
    ]
    stacks, _ = adapter(DescribeStackEvents=pages)
    found = await stacks.events("shop", token=OURS)
    assert [item.token for item in found] == ["ours", "ours"]


async def test_a_long_history_is_not_read() -> None:
    """An operation that is not among the newest few has no events; the history is not read."""
    pages: list[Answer] = [page(began(f"theirs-{n}"), more="next") for n in range(100)]
    stacks, client = adapter(DescribeStackEvents=pages)
    assert await stacks.events("shop", token=OURS) == []
    assert client.count("DescribeStackEvents") == OTHERS_SINCE


async def test_a_nested_stack_does_not_end_the_events() -> None:
    """A nested stack's own beginning is not taken for the operation's."""
    nested = {
        **event(OURS, "Nested", "UPDATE_IN_PROGRESS", "User Initiated"),
        "ResourceType": "AWS::CloudFormation::Stack",
    }
    stacks, _ = adapter(DescribeStackEvents=[page(nested, began(OURS))])
    assert len(await stacks.events("shop", token=OURS)) == 2


async def test_why_a_nested_stack_failed_is_behind_its_deletion() -> None:
    """A nested stack that could not be created is deleted by its parent's rollback: the events
    before that say why, and those of an earlier operation are not read."""
    history = page(
        event(None, "shop", "DELETE_COMPLETE"),
        event(None, "shop", "DELETE_IN_PROGRESS"),
        event(None, "Q", "CREATE_FAILED", "the image is not there"),
        event(None, "shop", "CREATE_IN_PROGRESS"),
        event(None, "Q", "CREATE_FAILED", "long ago"),
    )
    stacks, _ = adapter(DescribeStackEvents=[history])
    found = await stacks.events("shop", token=None)
    assert [item.reason for item in found if item.logical_id == "Q"] == ["the image is not there"]


async def test_functions_of_nested_stacks_and_pages() -> None:
    """Functions come from every page and every nested stack; what is deleted does not count."""

    def resource(kind: str, physical_id: str, status: str = "CREATE_COMPLETE") -> dict[str, str]:
        return {"ResourceType": kind, "PhysicalResourceId": physical_id, "ResourceStatus": status}

    function, nested = "AWS::Lambda::Function", "AWS::CloudFormation::Stack"
    pages: list[Answer] = [
        {"StackResourceSummaries": [resource(function, "a")], "NextToken": "2"},
        {
            "StackResourceSummaries": [
                {**resource(nested, "arn:nested"), "LogicalResourceId": "Nested"},
                resource(function, "gone", "DELETE_COMPLETE"),
                {"ResourceType": function, "ResourceStatus": "CREATE_IN_PROGRESS"},
                resource("AWS::SQS::Queue", "q"),
            ]
        },
        {"StackResourceSummaries": [resource(function, "b")]},
    ]
    stacks, client = adapter(ListStackResources=pages)
    assert await stacks.functions("shop") == {"a": "", "b": "Nested"}
    assert client.asked[2][1]["StackName"] == "arn:nested"


async def test_a_deleted_stack_is_none() -> None:
    """A stack asked for by its id after its deletion is none."""
    gone = {"StackId": ID, "StackName": "shop", "StackStatus": "DELETE_COMPLETE"}
    stacks, _ = adapter(DescribeStacks=[{"Stacks": [gone]}])
    assert await stacks.describe(ID) is None


async def test_a_refused_description() -> None:
    """Any other refusal of a description stays what it is."""
    stacks, _ = adapter(DescribeStacks=[refused("ValidationError", message="bad name")])
    with pytest.raises(AwsError, match="bad name"):
        await stacks.describe("!")
