"""What the steps' times say about a run."""

from __future__ import annotations

import pytest

from hover_async.deploy.deployment import DEPENDS
from hover_async.events import Step, StepFinished, StepStarted
from hover_async.steps import Timeline, step
from hover_async.testing import RecordingReporter

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_step_tells_its_beginning_and_end() -> None:
    """A step reports when it starts and what came of it."""
    report = RecordingReporter()
    with step(report, Step.PUSH) as done:
        assert done("pushed") == "pushed"
    assert report.started() == report.finished() == [Step.PUSH]
    assert report.of(StepFinished)[0].summary == "pushed"


async def test_a_failing_step_is_told_as_failed() -> None:
    """A step that raises is reported as failed, and raises on."""
    report = RecordingReporter()
    with pytest.raises(ValueError, match="no"), step(report, Step.PUSH):
        raise ValueError("no")
    assert report.failed() == [Step.PUSH]
    assert report.finished() == []


def timeline(*steps: tuple[Step, float, float]) -> Timeline:
    told = Timeline(RecordingReporter())
    for name, start_s, end_s in sorted(steps, key=lambda entry: entry[1]):
        told._began = 0.0
        told(StepStarted(name))
        told._started[name] = start_s
        told(StepFinished(name, end_s - start_s))
    return told


async def test_critical_path_is_what_the_end_waited_for() -> None:
    """Of two branches that join, the one that ended later is critical."""
    told = timeline(
        (Step.PREPARE, 0, 1),
        (Step.UPLOAD, 1, 9),
        (Step.PUSH, 1, 3),
        (Step.LOCK, 3, 3.1),
        (Step.STACK, 3.1, 7),
        (Step.PUBLISH, 7, 8),
        (Step.WARM, 6, 9.5),
        (Step.BOOT, 9, 9.2),
        (Step.COMMANDS, 9.2, 11),
        (Step.ACTIVATE, 11, 12),
    )
    critical = [timed.step for timed in told.steps(DEPENDS) if timed.critical]
    assert critical == [Step.UPLOAD, Step.BOOT, Step.COMMANDS, Step.ACTIVATE]


async def test_every_step_of_a_deploy_has_its_place_in_the_picture() -> None:
    """No step is left out of the dependencies that the critical path is walked along."""
    build_steps = {Step.RUNTIME, Step.IMAGE, Step.TESTS, Step.ASSETS_BUILD, Step.SCAN}
    plan_steps = {Step.READ, Step.CHANGE_SET}
    rollback_steps = {Step.RECOVER, Step.CHECK}
    assert set(DEPENDS) | {Step.PREPARE} | build_steps | plan_steps | rollback_steps == set(Step)
