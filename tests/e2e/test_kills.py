"""Kill -9 and faults on the wire at some calls of a deploy; `make prove-kills` has all of them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hover_async.local import LocalAws
from tests.e2e.calls import Call
from tests.e2e.kills import kill_and_run_again, scene, spoil_and_run_again, undisturbed
from tests.e2e.proxy import Spoil
from tests.e2e.scene import Scene

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def stage(
    local_aws: LocalAws, busybox: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    name = f"kills-{secrets.token_hex(2)}"
    async with scene(local_aws, busybox, tmp_path_factory.mktemp("kills"), name) as stage:
        yield stage


@pytest.fixture(scope="module")
async def calls(stage: Scene) -> Sequence[Call]:
    """Those of a deploy that nothing disturbs."""
    return await undisturbed(stage)


@pytest.mark.parametrize(
    ("kind", "spoil", "recover"),
    [
        ("registry PutManifest", Spoil.KILL_AFTER, False),
        ("s3 CompleteMultipartUpload asset", Spoil.KILL_ANSWERED, False),
        ("cloudformation UpdateStack", Spoil.KILL_AFTER, True),
        ("lambda Invoke cli", Spoil.KILL_AFTER, False),
        ("s3 PutObject activation", Spoil.KILL_AFTER, True),
        ("lambda UpdateAlias", Spoil.KILL_AFTER, False),
        ("lambda UpdateAlias", Spoil.KILL_ANSWERED, True),
    ],
)
async def test_killed_then_run_again(
    stage: Scene, calls: Sequence[Call], kind: str, spoil: Spoil, *, recover: bool
) -> None:
    """A deploy that was killed and is run again ends as if it had never been disturbed."""
    call = next(call for call in calls if call.kind == kind)
    trial = await kill_and_run_again(stage, call, spoil, recover=recover)
    assert trial.met
    assert trial.wrong == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("s3 PutObject asset", Spoil.PORTAL),
        ("cloudformation UpdateStack", Spoil.ERROR_AFTER),
        ("lambda UpdateAlias", Spoil.CUT),
    ],
)
async def test_a_fault_on_the_wire(stage: Scene, kind: str, spoil: Spoil) -> None:
    """A deploy that meets it is live as if undisturbed, or fails cleanly and does well again."""
    trial = await spoil_and_run_again(stage, kind, spoil)
    assert trial.met
    assert trial.wrong == []
