"""What `Registry` promises, whoever keeps the promise."""

from __future__ import annotations

import pytest

from hover_async.ports import Cloud
from hover_async.values import Digest
from tests.contract.conftest import Backend

pytestmark = pytest.mark.anyio


async def test_a_repository_may_be_ensured_again(cloud: Cloud) -> None:
    """Ensuring gives the repository to push to, the same every time."""
    first = await cloud.registry.ensure_repository()
    assert "/" in first
    assert await cloud.registry.ensure_repository() == first


async def test_login_hides_its_password(cloud: Cloud) -> None:
    """A login has a user and a password that does not print."""
    login = await cloud.registry.login()
    assert login.username
    assert login.password.reveal() not in repr(login)


async def test_nothing_pushed(cloud: Cloud) -> None:
    """A tag that nobody pushed is None, in a new repository and in one that is not there."""
    assert await cloud.registry.find("b1") is None
    await cloud.registry.ensure_repository()
    assert await cloud.registry.find("b1") is None


async def test_a_pushed_image_is_found(backend: Backend) -> None:
    """A pushed image is found by its tag, with its digest and nothing that Lambda minds."""
    digest = await backend.push("b1", build="b1")
    found = await backend.cloud.registry.find("b1")
    assert found is not None
    assert (found.digest, found.problem) == (digest, None)


async def test_a_tag_that_moves(backend: Backend) -> None:
    """A tag is what was pushed under it last."""
    await backend.push("b1", build="b1")
    second = await backend.push("b1", build="b2")
    found = await backend.cloud.registry.find("b1")
    assert found is not None
    assert found.digest == second


async def test_a_tag_taken_away(backend: Backend) -> None:
    """It is gone, those of other images stay; what is gone already is no failure."""
    await backend.push("b1", build="b1")
    digest = await backend.push("b2", build="b2")
    registry = backend.cloud.registry
    await registry.untag(["b1", "never-there"])
    assert await registry.find("b1") is None
    kept = await registry.find("b2")
    assert kept is not None
    assert kept.digest == digest
    await registry.untag(["b2"])
    await registry.untag(["b2"])
    assert await registry.find("b2") is None


async def test_an_index_is_a_problem(backend: Backend) -> None:
    """An index, which buildx pushes by default, is found with the reason Lambda refuses it."""
    digest = await backend.push_index("b1")
    found = await backend.cloud.registry.find("b1")
    assert found is not None
    assert found.digest == digest
    assert "index of linux/amd64" in (found.problem or "")


async def test_deployable_names_the_digest(cloud: Cloud) -> None:
    """Lambda gets the image by digest, in the repository that was pushed to."""
    digest = Digest("sha256:" + "0" * 64)
    repository = await cloud.registry.ensure_repository()
    assert cloud.registry.deployable(digest).endswith(f"/{repository.partition('/')[2]}@{digest}")
