"""What CloudFormation's statuses mean for a deploy."""

from __future__ import annotations

import botocore.session

from hover_async.deploy.stack_states import CLEANING_UP, DONE, EMPTY, UPDATABLE, WAY_OUT, WORKING

STATUSES = set(
    botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum
)


def test_only_statuses_of_the_api_are_named() -> None:
    """No table has a status that CloudFormation does not know."""
    assert DONE | WORKING | UPDATABLE | EMPTY | CLEANING_UP | set(WAY_OUT) <= STATUSES


def test_everything_in_progress_is_waited_for() -> None:
    """An operation that goes on is waited for, but for the one whose outcome is decided."""
    in_progress = {status for status in STATUSES if status.endswith("IN_PROGRESS")}
    assert in_progress - WORKING == {"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}


def test_a_rollback_is_never_success() -> None:
    """No status that speaks of a failure or a rollback counts as done."""
    assert not [status for status in DONE if "FAILED" in status or "ROLLBACK" in status]


def test_every_failed_state_has_a_way_out() -> None:
    """A state that no update can start from has a hint of its own."""
    stuck = {status for status in STATUSES if status.endswith("_FAILED")}
    assert stuck - set(WAY_OUT) == {"IMPORT_ROLLBACK_FAILED"}
