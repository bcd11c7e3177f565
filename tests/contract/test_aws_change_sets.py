"""What `ChangeSets` and `Stacks.templates` promise, asked of the local AWS."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hover_async.errors import NotFound
from hover_async.ports import ChangeSetState, Cloud
from tests.contract.test_aws_stacks import queue, request, settled, token

pytestmark = pytest.mark.anyio


async def test_a_change_set_of_no_stack_adds_everything(cloud: Cloud) -> None:
    """It makes an empty stack, which is gone once that is deleted."""
    asked = request()
    await cloud.change_sets.create(asked, "plan", creates=True)
    found = await cloud.change_sets.describe(asked.name, "plan")
    assert found.state is ChangeSetState.READY
    assert [(change.logical_id, change.action) for change in found.changes] == [("Q", "Add")]
    assert list(await cloud.change_sets.names(asked.name)) == ["plan"]
    standing = await cloud.stacks.describe(asked.name)
    assert standing is not None
    assert standing.status == "REVIEW_IN_PROGRESS"
    await cloud.change_sets.delete(asked.name, "plan")
    assert list(await cloud.change_sets.names(asked.name)) == []
    await cloud.stacks.delete(standing.id, token=token())
    assert await cloud.stacks.describe(asked.name) is None


async def test_a_change_set_tells_what_an_update_would_do(cloud: Cloud) -> None:
    """A changed property is named, and the stack stays as it was."""
    asked = request()
    await cloud.stacks.create(asked)
    await settled(cloud.stacks, asked.name)
    update = replace(asked, template=queue(timeout_s=60), token=token())
    await cloud.change_sets.create(update, "plan", creates=False)
    (change,) = (await cloud.change_sets.describe(asked.name, "plan")).changes
    assert (change.logical_id, change.action, change.replacement) == ("Q", "Modify", "False")
    assert list(change.properties) == ["VisibilityTimeout"]
    assert change.is_certain
    await cloud.change_sets.delete(asked.name, "plan")
    assert (await cloud.stacks.templates(asked.name)).keys() == {""}
    assert json.loads((await cloud.stacks.templates(asked.name))[""]) == json.loads(queue())


async def test_a_change_set_of_the_same_template_is_empty(cloud: Cloud) -> None:
    """Nothing to change is an answer, no failure."""
    asked = request()
    await cloud.stacks.create(asked)
    await settled(cloud.stacks, asked.name)
    await cloud.change_sets.create(replace(asked, token=token()), "plan", creates=False)
    found = await cloud.change_sets.describe(asked.name, "plan")
    assert (found.state, list(found.changes)) == (ChangeSetState.READY, [])


async def test_what_is_not_there(cloud: Cloud) -> None:
    """No stack has no template and no change sets; deleting one of none is done."""
    name = request().name
    assert await cloud.stacks.templates(name) == {}
    assert list(await cloud.change_sets.names(name)) == []
    await cloud.change_sets.delete(name, "plan")
    with pytest.raises(NotFound):
        await cloud.change_sets.describe(name, "plan")
