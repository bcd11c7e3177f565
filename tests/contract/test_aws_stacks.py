"""What `Stacks` promises, whoever keeps the promise."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import replace

import anyio
import pytest

from hover_async.errors import AwsError, Conflict, NotFound
from hover_async.ports import Cloud, ObjectHeaders, StackDescription, StackRequest, Stacks
from hover_async.values import Digest
from tests.contract.conftest import Backend

pytestmark = pytest.mark.anyio

FOREVER_S = 10**8
"""A visibility timeout that no queue takes."""


def queue(*, timeout_s: int = 30) -> str:
    properties = {"VisibilityTimeout": timeout_s}
    return json.dumps(
        {
            "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": properties}},
            "Outputs": {"Greeting": {"Value": "hello"}},
        }
    )


def request(template: str | None = None) -> StackRequest:
    return StackRequest(
        name=f"s-{secrets.token_hex(4)}",
        template=template or queue(),
        template_is_url=False,
        role_arn=None,
        tags={"stage": "dev"},
        token=token(),
    )


def token() -> str:
    return f"t-{secrets.token_hex(8)}"


async def settled(stacks: Stacks, name: str) -> StackDescription | None:
    """The stack once no operation is under way."""
    with anyio.fail_after(60):
        while True:
            found = await stacks.describe(name)
            if found is None or not found.status.endswith("_IN_PROGRESS"):
                return found
            await anyio.sleep(0.05)


async def test_no_stack(cloud: Cloud) -> None:
    """A stack that is not there is None, and has no events and nothing to update."""
    wanted = request()
    assert await cloud.stacks.describe(wanted.name) is None
    with pytest.raises(NotFound):
        await cloud.stacks.events(wanted.name, token=wanted.token)
    with pytest.raises(NotFound):
        await cloud.stacks.update(wanted)


async def test_create(cloud: Cloud) -> None:
    """A created stack is described with its status and outputs, by name and by id."""
    wanted = request()
    await cloud.stacks.create(wanted)
    found = await settled(cloud.stacks, wanted.name)
    assert found is not None
    assert (found.name, found.status) == (wanted.name, "CREATE_COMPLETE")
    assert found.outputs == {"Greeting": "hello"}
    assert await cloud.stacks.describe(found.id) == found


async def test_create_with_the_same_token(cloud: Cloud) -> None:
    """Creating again with the same token is the same operation: no failure, no second one."""
    wanted = request()
    await cloud.stacks.create(wanted)
    await cloud.stacks.create(wanted)
    await settled(cloud.stacks, wanted.name)
    await cloud.stacks.create(wanted)
    events = await cloud.stacks.events(wanted.name, token=wanted.token)
    told = [(event.logical_id, event.status) for event in events]
    assert told.count((wanted.name, "CREATE_IN_PROGRESS")) == 1


async def test_create_of_another(cloud: Cloud) -> None:
    """Creating over a stack that another operation made raises Conflict."""
    wanted = request()
    await cloud.stacks.create(wanted)
    with pytest.raises(Conflict):
        await cloud.stacks.create(replace(wanted, token=token()))


async def test_nothing_to_update(cloud: Cloud) -> None:
    """Updating a stack to what it is says that there is nothing to do."""
    wanted = request()
    await cloud.stacks.create(wanted)
    await settled(cloud.stacks, wanted.name)
    assert await cloud.stacks.update(replace(wanted, token=token())) is False


async def test_update(cloud: Cloud) -> None:
    """An update is accepted and carried out; sent again with its token it is the same one."""
    wanted = request()
    await cloud.stacks.create(wanted)
    await settled(cloud.stacks, wanted.name)
    changed = replace(wanted, token=token(), template=queue(timeout_s=40))
    assert await cloud.stacks.update(changed) is True
    assert await cloud.stacks.update(changed) is True
    found = await settled(cloud.stacks, wanted.name)
    assert found is not None
    assert found.status == "UPDATE_COMPLETE"
    assert await cloud.stacks.update(changed) is True


async def test_events_are_of_one_operation(cloud: Cloud) -> None:
    """Events are those of the operation asked for, oldest first, each with its own id."""
    wanted = request()
    await cloud.stacks.create(wanted)
    await settled(cloud.stacks, wanted.name)
    changed = replace(wanted, token=token(), template=queue(timeout_s=40))
    await cloud.stacks.update(changed)
    await settled(cloud.stacks, wanted.name)
    for asked, verb in ((wanted.token, "CREATE"), (changed.token, "UPDATE")):
        events = await cloud.stacks.events(wanted.name, token=asked)
        told = [(event.logical_id, event.status) for event in events]
        assert told[0] == (wanted.name, f"{verb}_IN_PROGRESS")
        assert told[-1] == (wanted.name, f"{verb}_COMPLETE")
        assert ("Q", f"{verb}_COMPLETE") in told
        assert {event.token for event in events} == {asked}
        assert len({event.id for event in events}) == len(events)


async def test_events_of_nothing(cloud: Cloud) -> None:
    """An operation that never began has no events."""
    wanted = request()
    await cloud.stacks.create(wanted)
    assert await cloud.stacks.events(wanted.name, token=token()) == []


async def test_a_failed_creation(cloud: Cloud) -> None:
    """A creation that fails says which resource failed and why."""
    wanted = request(queue(timeout_s=FOREVER_S))
    await cloud.stacks.create(wanted)
    found = await settled(cloud.stacks, wanted.name)
    assert found is not None
    assert found.status == "ROLLBACK_COMPLETE"
    events = await cloud.stacks.events(wanted.name, token=wanted.token)
    failed = [event for event in events if event.status == "CREATE_FAILED"]
    assert [event.logical_id for event in failed] == ["Q"]
    assert failed[0].reason


async def test_a_wrong_template(cloud: Cloud) -> None:
    """A template that is none is refused at once."""
    wanted = request("no template at all")
    with pytest.raises(AwsError):
        await cloud.stacks.create(wanted)
    assert await cloud.stacks.describe(wanted.name) is None


async def test_delete(cloud: Cloud) -> None:
    """A deleted stack is None, by its name and by its id."""
    wanted = request()
    await cloud.stacks.create(wanted)
    found = await settled(cloud.stacks, wanted.name)
    assert found is not None
    await cloud.stacks.delete(wanted.name, token=token())
    assert await settled(cloud.stacks, found.id) is None
    assert await cloud.stacks.describe(wanted.name) is None


async def test_delete_again(cloud: Cloud) -> None:
    """Deleting what is gone counts as done."""
    wanted = request()
    await cloud.stacks.delete(wanted.name, token=token())


async def test_a_template_by_url(cloud: Cloud) -> None:
    """A template too large to send is taken from the stage's bucket."""
    large = {**json.loads(queue()), "Metadata": {"filler": "x" * 60_000}}
    body = json.dumps(large).encode()
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    await cloud.assets.ensure_bucket()
    key = "templates/large.json"
    await cloud.assets.put(key, body, ObjectHeaders("application/json", "no-store"), sha256=sha256)
    wanted = replace(request(cloud.assets.url(key)), template_is_url=True)
    await cloud.stacks.create(wanted)
    found = await settled(cloud.stacks, wanted.name)
    assert found is not None
    assert found.status == "CREATE_COMPLETE"


def image_function(name: str, uri: str) -> dict[str, object]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": name,
            "PackageType": "Image",
            "Code": {"ImageUri": uri},
            "Role": "arn:aws:iam::000000000000:role/lambda",
        },
    }


async def test_functions_of_every_page(backend: Backend) -> None:
    """Every function is listed, beyond a page of a hundred resources, and nothing else."""
    uri = backend.cloud.registry.deployable(Digest("sha256:" + "0" * 64))
    prefix = secrets.token_hex(4)
    names = [f"{prefix}-{number}" for number in range(120)]
    resources = {f"F{number}": image_function(name, uri) for number, name in enumerate(names)}
    resources["Q"] = {"Type": "AWS::SQS::Queue"}
    wanted = request(json.dumps({"Resources": resources}))
    await backend.cloud.stacks.create(wanted)
    await settled(backend.cloud.stacks, wanted.name)
    assert sorted(await backend.cloud.stacks.functions(wanted.name)) == sorted(names)


async def test_functions_of_nested_stacks(backend: Backend) -> None:
    """Functions of nested stacks are listed with those of the stack itself."""
    cloud = backend.cloud
    uri = cloud.registry.deployable(Digest("sha256:" + "0" * 64))
    outer, inner = (f"{secrets.token_hex(4)}-{which}" for which in ("outer", "inner"))
    body = json.dumps({"Resources": {"F": image_function(inner, uri)}}).encode()
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    await cloud.assets.ensure_bucket()
    headers = ObjectHeaders("application/json", "no-store")
    await cloud.assets.put("inner.json", body, headers, sha256=sha256)
    nested = {"TemplateURL": cloud.assets.url("inner.json")}
    resources = {
        "F": image_function(outer, uri),
        "N": {"Type": "AWS::CloudFormation::Stack", "Properties": nested},
    }
    wanted = request(json.dumps({"Resources": resources}))
    await cloud.stacks.create(wanted)
    await settled(cloud.stacks, wanted.name)
    assert sorted(await cloud.stacks.functions(wanted.name)) == sorted([outer, inner])
