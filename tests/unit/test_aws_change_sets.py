"""What the adapter of change sets makes of CloudFormation's answers."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from hover_async.aws.change_sets import CloudFormationChangeSets
from hover_async.errors import AwsError, Conflict
from hover_async.ports import ChangeSetState, ForeseenChange, StackRequest
from tests.unit.scripted_aws import Answer, Scripted, lost, refused

pytestmark = pytest.mark.anyio

REQUEST = StackRequest("shop", "{}", template_is_url=False, role_arn="arn:role", tags={}, token="t")  # noqa: S106
NO_SUCH_STACK = refused("ValidationError", message="Stack with id shop does not exist")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def adapter(**script: list[Answer]) -> tuple[CloudFormationChangeSets, Scripted]:
    client = Scripted(script)
    return CloudFormationChangeSets(client.service()), client


def change(logical_id: str, **more: Any) -> dict[str, Any]:
    about = {"Action": "Modify", "LogicalResourceId": logical_id, "ResourceType": "T", **more}
    return {"Type": "Resource", "ResourceChange": about}


def detail(name: str, evaluation: str = "Static") -> dict[str, Any]:
    return {"Target": {"Attribute": "Properties", "Name": name}, "Evaluation": evaluation}


def page(status: str, *changes: dict[str, Any], id_: str = "arn:1", **more: Any) -> dict[str, Any]:
    return {"Status": status, "ChangeSetId": id_, "Changes": list(changes), **more}


async def test_nested_stacks_are_asked_for() -> None:
    """The change set covers the whole tree, with the role and a token that is safe to repeat."""
    sets, client = adapter(CreateChangeSet=[lost(), {}])
    await sets.create(REQUEST, "plan", creates=True)
    (_, asked), (_, again) = client.asked
    assert asked == again
    assert asked["IncludeNestedStacks"] is True
    assert asked["ChangeSetType"] == "CREATE"
    assert asked["ClientToken"] == "t"
    assert asked["RoleARN"] == "arn:role"
    assert "ClientRequestToken" not in asked


async def test_a_repeat_that_finds_its_own_change_set_is_done() -> None:
    """After a lost answer the name exists already: it is ours."""
    sets, _ = adapter(
        CreateChangeSet=[lost(), refused("AlreadyExistsException")],
        ListChangeSets=[{"Summaries": [{"ChangeSetName": "plan"}]}],
    )
    await sets.create(REQUEST, "plan", creates=False)


async def test_a_stack_that_exists_is_no_change_set_of_ours() -> None:
    """The same code for a stack that stands already stays a conflict."""
    sets, _ = adapter(
        CreateChangeSet=[refused("AlreadyExistsException")], ListChangeSets=[{"Summaries": []}]
    )
    with pytest.raises(Conflict):
        await sets.create(REQUEST, "plan", creates=True)


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
async def test_failed_for_lack_of_changes_is_an_answer(reason: str) -> None:
    """CloudFormation's way to say that nothing would change."""
    sets, _ = adapter(DescribeChangeSet=[page("FAILED", StatusReason=reason)])
    found = await sets.describe("shop", "plan")
    assert (found.state, list(found.changes)) == (ChangeSetState.READY, [])


async def test_failed_for_another_reason_is_a_failure() -> None:
    """The reason is kept."""
    sets, _ = adapter(DescribeChangeSet=[page("FAILED", StatusReason="Template error")])
    found = await sets.describe("shop", "plan")
    assert (found.state, found.reason) == (ChangeSetState.FAILED, "Template error")


async def test_every_page_and_every_nested_change_set_is_read() -> None:
    """Changes of nested stacks carry the path to their stack."""
    sets, client = adapter(
        DescribeChangeSet=[
            page("CREATE_COMPLETE", change("A", Details=[detail("X")]), NextToken="2"),
            page("CREATE_COMPLETE", change("Queues", ChangeSetId="arn:nested")),
            page(
                "CREATE_COMPLETE",
                change("B", Replacement="True", PolicyAction="ReplaceAndDelete"),
                id_="arn:nested",
            ),
        ]
    )
    found = (await sets.describe("shop", "plan")).changes
    assert (
        found
        == [
            ForeseenChange("", "A", "T", "Modify", properties=("X",)),
            ForeseenChange("", "Queues", "T", "Modify"),
            ForeseenChange("Queues", "B", "T", "Modify", "True", "ReplaceAndDelete"),
        ]
        or list(found) == []
    )
    assert not client.left()


async def test_what_depends_on_others_is_not_certain() -> None:
    """A change whose every detail is dynamic may turn out to be none."""
    sets, _ = adapter(
        DescribeChangeSet=[page("CREATE_COMPLETE", change("A", Details=[detail("X", "Dynamic")]))]
    )
    (found,) = (await sets.describe("shop", "plan")).changes
    assert not found.is_certain


@pytest.mark.parametrize("code", ["ChangeSetNotFound", "no such stack"])
async def test_deleting_what_is_gone_is_done(code: str) -> None:
    """Neither a change set nor a stack that is gone is a failure."""
    answer = NO_SUCH_STACK if code == "no such stack" else refused(code, 404)
    sets, _ = adapter(DeleteChangeSet=[answer])
    await sets.delete("shop", "plan")


async def test_deleting_what_is_being_made_is_a_conflict() -> None:
    """CloudFormation refuses while it works on the change set; the caller may try again."""
    sets, _ = adapter(DeleteChangeSet=[refused("InvalidChangeSetStatus")])
    with pytest.raises(Conflict):
        await sets.delete("shop", "plan")


async def test_any_other_refusal_to_delete_is_raised() -> None:
    """Without the right to delete it, the caller is told."""
    sets, _ = adapter(DeleteChangeSet=[refused("AccessDenied", 403)])
    with pytest.raises(AwsError):
        await sets.delete("shop", "plan")


async def test_no_stack_has_no_change_sets() -> None:
    """CloudFormation's refusal to list those of a missing stack is an answer."""
    sets, _ = adapter(ListChangeSets=[NO_SUCH_STACK])
    assert await sets.names("shop") == ()
