"""What stands beside the stack: queues, log groups, and the key that seals the secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hover_async.deploy.plan_beside import plan_log_groups, plan_queues
from hover_async.deploy.planned import LogsFate, PlannedLogs, PlannedQueue, QueueFate
from hover_async.deploy.releases import live_manifest
from hover_async.doctor.diagnosis import Check, Finding, failed, ok, warning
from hover_async.doctor.machine import Patient
from hover_async.errors import SecretsDamaged, SecretsMissing
from hover_async.ports import Cloud
from hover_async.secrets.files import Places
from hover_async.secrets.process import sealed_secrets

ENABLED = "Enabled"
WAY_BACK: Mapping[str, str] = {
    "Disabled": "enable it: 'aws kms enable-key --key-id {key}'",
    "PendingDeletion": "keep it: 'aws kms cancel-key-deletion --key-id {key}', then enable-key",
}
"""What to do about a key that is not enabled, by KMS's word for it."""

TOLD = {
    "stays": "stay as they are",
    "made": "to be made",
    "changed": "to be changed",
    "taken over": "to be taken over",
    "adopted": "to be adopted",
    "left": "left on AWS",
}


def beside_checks(patient: Patient, cloud: Cloud) -> Sequence[Check]:
    async def queues() -> Finding:
        return await _queues(patient, cloud)

    async def log_groups() -> Finding:
        return await _log_groups(patient, cloud)

    async def secrets_key() -> Finding:
        return await _secrets_key(patient, cloud)

    return [
        Check("queues", queues),
        Check("log groups", log_groups),
        Check("secrets key", secrets_key),
    ]


async def _queues(patient: Patient, cloud: Cloud) -> Finding:
    before = await live_manifest(cloud.documents)
    planned = await plan_queues(patient.manifest, before, cloud.queues)
    if refused := [queue for queue in planned if queue.does is QueueFate.REFUSED]:
        return failed(
            ", ".join(queue.problem for queue in refused),
            "two stages cannot work on one queue: give this queue, or the stage, another name",
        )
    if found := [each for each in planned if each.does is QueueFate.TAKEN_OVER and each.messages]:
        return warning(
            f"{_full(found)}: no function of the stage works on that yet, and the deploy begins to",
            "see that it is meant for this application",
        )
    if found := [each for each in planned if each.does is QueueFate.LEFT and each.messages]:
        return warning(
            f"{_full(found)}: it leaves the manifest, and nobody will work on that",
            "keep it in the manifest until it is empty; it stays on AWS with what is in it",
        )
    return ok(_counted([queue.does for queue in planned]) or "none")


def _full(queues: Sequence[PlannedQueue]) -> str:
    return ", ".join(f"'{queue.name}' has {queue.messages:,} messages" for queue in queues)


async def _log_groups(patient: Patient, cloud: Cloud) -> Finding:
    before = await live_manifest(cloud.documents)
    planned = await plan_log_groups(patient.manifest, before, cloud.logs)
    if losing := [group for group in planned if group.loses]:
        return warning(
            f"{', '.join(map(_kept, losing))}; then {patient.manifest.log_retention}: "
            "what is older is deleted",
            "set 'log-retention' in the manifest to keep it for longer",
        )
    return ok(_counted([group.does for group in planned]))


def _kept(group: PlannedLogs) -> str:
    kept = "for ever" if group.days_before is None else f"for {group.days_before} days"
    return f"'{group.name}' keeps logs {kept}"


def _counted(fates: Sequence[QueueFate | LogsFate]) -> str:
    """`2 stay as they are, 1 to be made`."""
    counts = Counter(map(str, fates))
    told = {**TOLD, "stays": "stays as it is"} if counts["stays"] == 1 else TOLD
    return ", ".join(f"{counts[fate]:,} {words}" for fate, words in told.items() if counts[fate])


async def _secrets_key(patient: Patient, cloud: Cloud) -> Finding:
    try:
        key = sealed_secrets(Places(patient.root, patient.stage)).key_id
    except SecretsMissing:
        return ok("none is needed: the stage has no encrypted secrets")
    except SecretsDamaged:
        return warning("could not check: see 'encrypted secrets'", None)
    state = await cloud.facts.key_state(key)
    if state is None:
        return failed(
            f"there is no key '{key}': no container could open the secrets",
            "encrypt them again for this account and region; a local AWS that was stopped has "
            "forgotten its keys",
        )
    if state != ENABLED:
        return failed(
            f"'{key}' is {state}: no container can open the secrets",
            WAY_BACK.get(state, "look at the key in the AWS console").format(key=key),
        )
    return ok(f"{key} is enabled")
