"""After the flip: stack and queues are cut to the manifest, which until then only grew."""

from __future__ import annotations

from anyio import get_cancelled_exc_class

from hover_async.deploy.deployment import Artifacts, Order
from hover_async.deploy.lock import StageLock
from hover_async.deploy.queues import settle_queues
from hover_async.deploy.update_stack import update_stack
from hover_async.errors import AwsError, DeployError, WorkersNotStarted
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud
from hover_async.steps import step


async def settle(
    order: Order, artifacts: Artifacts, lock: StageLock, cloud: Cloud, report: Reporter
) -> bool:
    """Cut stack and queues to the manifest: start new workers, let go of what has left.

    The stack first: until a queue has changed hands, it hides messages for as long as the function
    that has it may take; else jobs would be received twice, and Lambda would refuse to roll back.
    Nothing to do (False) where functions and queues are the same as before.
    """
    queues, template = artifacts.queues, artifacts.templates.settled
    is_cut = template == artifacts.templates.growing
    if is_cut and not queues.due:
        return False
    try:
        with step(report, Step.WORKERS):
            if not is_cut:
                stood = artifacts.stack.functions
                await update_stack(
                    order, template, cloud, report, lock, purpose="workers", standing=stood
                )
            await settle_queues(queues, cloud.queues)
    except (AwsError, DeployError, get_cancelled_exc_class()) as error:
        raise WorkersNotStarted(
            f"{order.build.build_id} is live, but its workers, schedules and queues are not yet "
            f"all as the manifest says: {error}",
            hint="deploy the same build again: it finishes this",
        ) from error
    return True
