"""What `Functions` promises, whoever keeps the promise. The image's functions really run."""

from __future__ import annotations

import json

import anyio
import pytest

from hover_async.errors import Conflict, NotFound, OutcomeUnknown
from hover_async.ports import Alias, Functions, FunctionState, Invocation, Repeatable
from hover_async.values import LATEST, Digest, FunctionName, Version
from tests.contract.conftest import Backend

pytestmark = pytest.mark.anyio

NOBODY = FunctionName("nobody")


async def made(backend: Backend, build: str = "b1") -> tuple[FunctionName, Digest]:
    digest = await backend.push(build, build=build)
    return await backend.make_function(digest), digest


async def settled(lambdas: Functions, function: FunctionName, version: Version) -> FunctionState:
    """The function or version once Lambda is done with it."""
    with anyio.fail_after(60):
        while True:
            found = await lambdas.state(function, version)
            if found.state != "Pending" and found.last_update != "InProgress":
                return found
            await anyio.sleep(0.05)


async def published(lambdas: Functions, function: FunctionName, description: str) -> Version:
    latest = await settled(lambdas, function, LATEST)
    version = await lambdas.publish(
        function, code_sha256=latest.code_sha256, description=description
    )
    await settled(lambdas, function, version)
    return version


async def live(lambdas: Functions, function: FunctionName) -> Alias:
    alias = await lambdas.alias(function, "live")
    assert alias is not None
    return alias


async def invoked(
    lambdas: Functions, function: FunctionName, version: Version, event: object
) -> Invocation:
    return await lambdas.invoke(
        function, version, json.dumps(event).encode(), timeout_s=60, repeatable=Repeatable.NEVER
    )


async def test_no_function(backend: Backend) -> None:
    """A function that is not there has no state to read, no alias, and cannot be published."""
    lambdas = backend.cloud.functions
    with pytest.raises(NotFound):
        await lambdas.state(NOBODY, LATEST)
    with pytest.raises(NotFound):
        await lambdas.publish(NOBODY, code_sha256="0" * 64, description="b1")
    assert await lambdas.alias(NOBODY, "live") is None


async def test_state(backend: Backend) -> None:
    """The state of an image function carries the image's digest as its code."""
    function, digest = await made(backend)
    state = await backend.cloud.functions.state(function, LATEST)
    assert state.version == LATEST
    assert state.code_sha256 == digest.removeprefix("sha256:")
    assert state.image_uri == backend.cloud.registry.deployable(digest)


async def test_publish(backend: Backend) -> None:
    """Publishing gives a numbered version that holds the code; unchanged, the same one again."""
    lambdas = backend.cloud.functions
    function, digest = await made(backend)
    version = await published(lambdas, function, "b1")
    assert version.isdecimal()
    state = await lambdas.state(function, version)
    assert (state.version, state.state) == (version, "Active")
    assert state.code_sha256 == digest.removeprefix("sha256:")
    assert await published(lambdas, function, "b1") == version


async def test_publish_after_an_update(backend: Backend) -> None:
    """New code makes a new version, and the old one keeps its own."""
    lambdas = backend.cloud.functions
    function, old_digest = await made(backend)
    old = await published(lambdas, function, "b1")
    new_digest = await backend.push("b2", build="b2")
    await backend.update_function(function, new_digest)
    new = await published(lambdas, function, "b2")
    assert int(new) > int(old)
    for version, digest in ((old, old_digest), (new, new_digest)):
        assert (await lambdas.state(function, version)).code_sha256 == digest[7:]


async def test_update_code(backend: Backend) -> None:
    """A function that is given another image by itself holds it, and its versions keep theirs."""
    lambdas = backend.cloud.functions
    function, old_digest = await made(backend)
    old = await published(lambdas, function, "b1")
    before = await settled(lambdas, function, LATEST)
    digest = await backend.push("b2", build="b2")
    uri = backend.cloud.registry.deployable(digest)
    await lambdas.update_code(function, uri, revision=before.revision)
    after = await settled(lambdas, function, LATEST)
    assert (after.image_uri, after.code_sha256) == (uri, digest[7:])
    assert after.revision != before.revision
    assert (await lambdas.state(function, old)).code_sha256 == old_digest[7:]
    new = await published(lambdas, function, "b2")
    assert int(new) > int(old)
    assert (await lambdas.state(function, new)).code_sha256 == digest[7:]


async def test_update_of_a_changed_function(backend: Backend) -> None:
    """A function that somebody changed since it was read raises Conflict and keeps its image."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    stale = await settled(lambdas, function, LATEST)
    uris = [
        backend.cloud.registry.deployable(await backend.push(build, build=build))
        for build in ("b2", "b3")
    ]
    await lambdas.update_code(function, uris[0], revision=stale.revision)
    await settled(lambdas, function, LATEST)
    with pytest.raises(Conflict):
        await lambdas.update_code(function, uris[1], revision=stale.revision)
    assert (await settled(lambdas, function, LATEST)).image_uri == uris[0]


async def test_updated_already(backend: Backend) -> None:
    """A stale revision is no failure when the function has the image: our answer was lost."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    stale = await settled(lambdas, function, LATEST)
    uri = backend.cloud.registry.deployable(await backend.push("b2", build="b2"))
    await lambdas.update_code(function, uri, revision=stale.revision)
    await lambdas.update_code(function, uri, revision=stale.revision)
    assert (await settled(lambdas, function, LATEST)).image_uri == uri


async def test_delete_version(backend: Backend) -> None:
    """One version goes, the function and the other stay; gone already is done."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    first = await published(lambdas, function, "b1")
    await backend.update_function(function, await backend.push("b2", build="b2"))
    second = await published(lambdas, function, "b2")
    await lambdas.delete_version(function, first)
    with pytest.raises(NotFound):
        await lambdas.state(function, first)
    assert (await lambdas.state(function, second)).version == second
    assert (await lambdas.state(function, LATEST)).version == LATEST
    await lambdas.delete_version(function, first)
    await lambdas.delete_version(NOBODY, first)


async def test_a_version_that_an_alias_reaches_is_not_deleted(backend: Backend) -> None:
    """Refused, and it stays."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    version = await published(lambdas, function, "b1")
    await lambdas.move_alias(await live(lambdas, function), "live", to=version)
    with pytest.raises(Conflict):
        await lambdas.delete_version(function, version)
    assert (await lambdas.state(function, version)).version == version


@pytest.mark.parametrize("version", [LATEST, "", "live"])
async def test_only_versions_are_deleted(backend: Backend, version: str) -> None:
    """What is no number would be another thing to Lambda, or the whole function."""
    with pytest.raises(ValueError, match="no published version"):
        await backend.cloud.functions.delete_version(NOBODY, Version(version))


async def test_alias(backend: Backend) -> None:
    """An alias says where it points; one that is not there is None."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    alias = await live(lambdas, function)
    assert (alias.function, alias.version, alias.has_routing) == (function, LATEST, False)
    assert await lambdas.alias(function, "dead") is None


async def test_move_alias(backend: Backend) -> None:
    """A moved alias points to the version and has a new revision."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    version = await published(lambdas, function, "b1")
    before = await live(lambdas, function)
    after = await lambdas.move_alias(before, "live", to=version)
    assert after.version == version
    assert after.revision != before.revision
    assert await live(lambdas, function) == after


async def test_move_of_a_changed_alias(backend: Backend) -> None:
    """An alias that somebody moved since it was read raises Conflict and stays where it is."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    version = await published(lambdas, function, "b1")
    stale = await live(lambdas, function)
    await lambdas.move_alias(stale, "live", to=version)
    with pytest.raises(Conflict):
        await lambdas.move_alias(stale, "live", to=LATEST)
    assert (await live(lambdas, function)).version == version


async def test_moved_already(backend: Backend) -> None:
    """A stale revision is no failure when the alias points to the target: our answer was lost."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    version = await published(lambdas, function, "b1")
    stale = await live(lambdas, function)
    moved = await lambdas.move_alias(stale, "live", to=version)
    assert await lambdas.move_alias(stale, "live", to=version) == moved


async def test_invoke(backend: Backend) -> None:
    """The version asked for answers, says which it was, and its log comes along."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    old = await published(lambdas, function, "b1")
    await backend.update_function(function, await backend.push("b2", build="b2"))
    new = await published(lambdas, function, "b2")
    for version, build in ((new, "b2"), (old, "b1")):
        answer = await invoked(lambdas, function, version, {"say": "hällo"})
        assert json.loads(answer.payload) == {"build": build, "event": {"say": "hällo"}}
        assert (answer.error, answer.executed_version) == (None, version)


async def test_a_failing_function(backend: Backend) -> None:
    """A function that fails is an answer, with the function's own words, not an exception."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    answer = await invoked(lambdas, function, LATEST, {"do": "fail"})
    assert answer.error
    assert json.loads(answer.payload)["errorMessage"] == "asked to fail"


async def test_no_answer_in_time(backend: Backend) -> None:
    """An invocation without an answer in time is an unknown outcome."""
    lambdas = backend.cloud.functions
    function, _ = await made(backend)
    await invoked(lambdas, function, LATEST, {})
    with pytest.raises(OutcomeUnknown):
        await lambdas.invoke(
            function, LATEST, b'"sleep"', timeout_s=0.5, repeatable=Repeatable.NEVER
        )


async def test_invoke_of_nobody(backend: Backend) -> None:
    """Invoking what is not there raises NotFound."""
    with pytest.raises(NotFound):
        await invoked(backend.cloud.functions, NOBODY, LATEST, {})


async def test_unreserved_concurrency(backend: Backend) -> None:
    """The account says how many environments it may run."""
    assert await backend.cloud.functions.unreserved_concurrency() > 0
