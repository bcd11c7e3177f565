"""Which signals stop the program."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from hover_async.cli.run import run, stopping_signals
from hover_async.errors import Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_work(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them ends the work in order, as an interrupt with its name."""

    async def work() -> None:
        os.kill(os.getpid(), number)
        await anyio.sleep(60)

    with pytest.raises(Interrupted, match=number.name):
        run(work)
    assert "stopping" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_is_explained(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot pierce what must be finished first, and says so; what is finished is the result."""

    async def work() -> str:
        os.kill(os.getpid(), number)
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
            os.kill(os.getpid(), number)
            await anyio.sleep(0.05)
        return "flipped"

    assert run(work) == "flipped"
    assert "still cleaning up: a flip in progress is finished" in capsys.readouterr().err


def test_nohup_is_respected() -> None:
    """A hang-up that is ignored when the program starts stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stopping_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in stopping_signals()
