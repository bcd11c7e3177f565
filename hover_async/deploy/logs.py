"""The log groups of a stage: made beside the stack, each before its function.

A log group that exists makes a stack that wants to create it fail, and it exists often: Lambda
itself makes one for a function's last words, right after a stack has deleted it. So they are
adopted here, kept for as long as the manifest says, and never deleted by a deploy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hover_async.concurrency import bounded_map
from hover_async.manifest import Manifest
from hover_async.manifest.names import access_log_group, log_group
from hover_async.ports import LogGroups

AT_ONCE = 8
"""CreateLogGroup allows 10 requests a second."""


def wanted_groups(manifest: Manifest) -> Iterator[str]:
    """One for each function, and the API's access log."""
    for spec in manifest.functions:
        yield log_group(spec.name)
    if manifest.http.access_log:
        yield access_log_group(manifest.name)


async def ensure_log_groups(manifest: Manifest, logs: LogGroups) -> None:
    """Make the groups that are missing, and correct how long the others keep what is in them."""
    found = await standing_groups(manifest, logs)
    days = manifest.log_retention

    async def ensure(group: str) -> None:
        if group not in found:
            await logs.create(group, manifest.tags)
        await logs.keep(group, days=days)

    wrong = [group for group in wanted_groups(manifest) if found.get(group) != days]
    await bounded_map(ensure, wrong, limit=AT_ONCE)


async def standing_groups(
    manifest: Manifest, logs: LogGroups, *, has_access_log: bool | None = None
) -> Mapping[str, int | None]:
    """The stage's groups with the days that they keep logs (None: for ever).

    Its access log is looked for if the manifest has one, unless `has_access_log` says otherwise.
    """
    prefixes = [log_group(manifest.functions[0].name).removesuffix("http")]
    if manifest.http.access_log if has_access_log is None else has_access_log:
        prefixes.append(access_log_group(manifest.name))
    found: dict[str, int | None] = {}
    for prefix in prefixes:
        found |= await logs.find(prefix)
    return found
