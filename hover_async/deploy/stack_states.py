"""What the statuses of a stack mean for a deploy, as tables over CloudFormation's own names."""

from __future__ import annotations

from hover_async.errors import StackUnusable
from hover_async.ports import StackDescription

DONE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
}
WORKING = {
    "CREATE_IN_PROGRESS",
    "DELETE_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
}
"""Every other status, one that AWS may yet invent included, is the end of a failure."""

UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
_AWS = "run 'aws cloudformation {command} --stack-name {{name}}', then deploy again"
WAY_OUT = {
    "UPDATE_ROLLBACK_FAILED": "CloudFormation could not undo an earlier update: "
    + _AWS.format(command="continue-update-rollback"),
    "UPDATE_FAILED": "an earlier update stopped half way: " + _AWS.format(command="rollback-stack"),
    "CREATE_FAILED": "its creation failed: " + _AWS.format(command="delete-stack"),
    "ROLLBACK_FAILED": "its creation failed: " + _AWS.format(command="delete-stack"),
    "DELETE_FAILED": "its deletion stopped half way: " + _AWS.format(command="delete-stack"),
}
"""What to do about a stack that no update can start from. A stack that serves is never deleted."""
CLEANING_UP = {
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}
"""Decided, but not yet ready for another update; it takes minutes where a VPC is involved."""
EMPTY = {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}
"""Nothing of a deploy lives in these: a first creation that failed. Deleted, then created anew."""

OURS = "DistributionDomain"
"""An output that every stage's stack has had since its creation."""


def obstacle(standing: StackDescription | None) -> StackUnusable | None:
    """Why no deploy can start from where the stack stands, with the way out; None if one can."""
    if standing is None or standing.status in EMPTY | CLEANING_UP:
        return None
    if standing.status not in UPDATABLE:
        return unusable(standing)
    if OURS not in standing.outputs:
        return StackUnusable(
            f"there is a stack '{standing.name}' already that hover-async has not made",
            hint="an update would delete what is in it: give the stage another 'name'",
        )
    return None


def unusable(standing: StackDescription) -> StackUnusable:
    hint = WAY_OUT.get(standing.status, "look at the stack's events in the AWS console")
    if standing.status.endswith("_IN_PROGRESS"):
        hint = "another operation is under way on it; wait until it ends, then deploy again"
    reason = f": {standing.reason}" if standing.reason else ""
    return StackUnusable(
        f"stack '{standing.name}' is {standing.status} and cannot be updated{reason}",
        hint=hint.format(name=standing.name),
    )
