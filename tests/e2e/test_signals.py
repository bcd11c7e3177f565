"""Signals to the real program, sent while a certain call of its deploy is under way."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals

import pytest

from hover_async.local import LocalAws
from tests.e2e.kills import scene
from tests.e2e.proxy import Fault, Spoil
from tests.e2e.scene import ROLES, Ended, Scene

pytestmark = pytest.mark.anyio
ENDS_WITHIN_S = 5


@pytest.fixture(scope="module")
async def stage(
    local_aws: LocalAws, busybox: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """Six functions live at version 1; no test before the last takes another live."""
    name = f"signals-{secrets.token_hex(2)}"
    async with scene(local_aws, busybox, tmp_path_factory.mktemp("signals"), name) as stage:
        yield stage


async def signalled(
    stage: Scene, at: str, signals: Sequence[Signals], spoil: Spoil = Spoil.SIGNAL
) -> tuple[Ended, float]:
    """How a deploy of a new build ended, and how long after the signal at a call like `at`."""
    stage.build()
    fault = Fault(lambda call: call.kind == at, spoil, signals)
    ended = await stage.deploy(fault)
    assert fault.met, f"no call like '{at}': {[call.kind for call in ended.calls]}"
    return ended, ended.ended_at - fault.met_at


@pytest.mark.parametrize(
    ("at", "signal", "spoil"),
    [
        ("registry SendBlob", SIGINT, Spoil.SIGNAL),
        ("s3 UploadPart asset", SIGINT, Spoil.SIGNAL_HANG),
        ("cloudformation UpdateStack", SIGTERM, Spoil.SIGNAL),
        ("lambda PublishVersion", SIGHUP, Spoil.SIGNAL_HANG),
        ("lambda Invoke cli", SIGTERM, Spoil.SIGNAL_HANG),
        ("s3 PutObject lock", SIGHUP, Spoil.SIGNAL),
    ],
)
async def test_before_the_flip_it_ends_in_five_seconds(
    stage: Scene, at: str, signal: Signals, spoil: Spoil
) -> None:
    """Every signal that stops it does so at any call, also at one that is never answered: exit
    code 130, nothing live changed, no lock and no upload left."""
    before = await stage.state()
    ended, after_s = await signalled(stage, at, [signal], spoil)
    assert ended.exit_code == 130, ended.stderr
    assert f"error[interrupted]: stopped by {signal.name}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert after_s < ENDS_WITHIN_S, ended.stderr
    after = await stage.state()
    assert after.live == before.live
    assert not {"lock.json", "activation.json"} & set(after.records)
    assert after.uploads == 0


async def test_a_second_signal_is_explained_and_the_flip_is_whole(stage: Scene) -> None:
    """Two interrupts while the first alias moves: the second is answered with why it goes on, and
    all functions serve one build, which the exit code tells."""
    before = (await stage.state()).live
    ended, _ = await signalled(stage, "lambda UpdateAlias", [SIGINT, SIGINT])
    assert "stopping: cleaning up" in ended.stderr
    assert "still cleaning up: a flip in progress is finished or undone" in ended.stderr
    after = await stage.state()
    moved = {after.live[role] != before[role] for role in ROLES}
    assert (ended.exit_code, moved) in [(0, {True}), (130, {False})]
    assert not {"lock.json", "activation.json"} & set(after.records)
