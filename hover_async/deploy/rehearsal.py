"""The new versions, tried before anybody meets them: warmed, given commands, asked for health."""

from __future__ import annotations

from anyio import Event

from hover_async.concurrency import Feed
from hover_async.deploy.commands import CommandResults, run_commands
from hover_async.deploy.deployment import Order
from hover_async.deploy.health import Health, check_health
from hover_async.deploy.lock import StageLock
from hover_async.deploy.publish import Published, Versions
from hover_async.deploy.warm import Warmth, warm_http
from hover_async.events import Reporter, Step
from hover_async.ports import Cloud
from hover_async.steps import step
from hover_async.values import Role


async def warm(
    order: Order, published: Feed[Published], boots: Event, cloud: Cloud, report: Reporter
) -> Warmth:
    """Warm containers of the new HTTP version, once it is published."""
    http = order.function(Role.HTTP)
    version = (await published.first(lambda one: one.function == http)).version
    with step(report, Step.WARM) as done:
        return done(
            await warm_http(
                http,
                version,
                order.manifest.http.warm,
                cloud.functions,
                report,
                reserved=order.manifest.http.concurrency,
                boots=boots,
            )
        )


async def command(
    order: Order, versions: Versions, lock: StageLock, cloud: Cloud, report: Reporter
) -> CommandResults:
    """Run the deploy commands, the first thing in a deploy that cannot be taken back."""
    cli = order.function(Role.CLI)
    with step(report, Step.COMMANDS) as done:
        return done(
            await run_commands(
                order.manifest.deploy_commands,
                cli,
                versions[cli],
                cloud.functions,
                report,
                timeout_s=order.manifest.cli.timeout,
                prove=lock.prove,
            )
        )


async def ask_for_health(
    order: Order, versions: Versions, cloud: Cloud, report: Reporter
) -> Health | None:
    """Ask the new HTTP version for its health, where the manifest says how."""
    if not order.manifest.http.health:
        return None
    http = order.function(Role.HTTP)
    with step(report, Step.HEALTH) as done:
        return done(
            await check_health(
                order.manifest.http.health,
                http,
                versions[http],
                cloud.functions,
                timeout_s=order.manifest.http.timeout,
            )
        )
