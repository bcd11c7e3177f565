"""What AWS has to say: who we are, what we may, and what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hover_async.concurrency import bounded_map
from hover_async.deploy.lock import running_deploy
from hover_async.deploy.provision import INLINE_TEMPLATE_BYTES
from hover_async.deploy.releases import live_manifest
from hover_async.deploy.stack_states import CLEANING_UP, EMPTY, obstacle
from hover_async.doctor.beside import beside_checks
from hover_async.doctor.diagnosis import Check, Finding, failed, ok, warning
from hover_async.doctor.direct import direct_check
from hover_async.doctor.machine import Patient, template_of
from hover_async.errors import Rejected
from hover_async.ports import BucketState, Cloud
from hover_async.values import FunctionName

SOON = timedelta(minutes=30)
"""A first deploy waits for a distribution: credentials should outlive that."""
CLOCK_OFF_S, CLOCK_REFUSED_S = 30.0, 300.0
"""AWS refuses a signature that is 5 minutes off (15 for S3)."""
AT_ONCE = 8
KEPT_UNRESERVED = 100
"""What Lambda keeps outside every reserve."""
SERVICES = {"stack-role": "cloudformation.amazonaws.com", "lambda-role": "lambda.amazonaws.com"}


def account_checks(patient: Patient, cloud: Cloud) -> Sequence[Check]:
    async def credentials() -> Finding:
        return await _credentials(patient, cloud)

    async def clock() -> Finding:
        return await _clock(cloud)

    async def concurrency() -> Finding:
        return await _concurrency(patient, cloud)

    async def bucket() -> Finding:
        return await _bucket(patient, cloud)

    async def repository() -> Finding:
        return await _repository(patient, cloud)

    async def stack() -> Finding:
        return await _stack(patient, cloud)

    async def lock() -> Finding:
        return await _lock(cloud)

    async def certificate() -> Finding:
        return await _certificate(patient, cloud)

    async def validation() -> Finding:
        return await _validation(patient, cloud)

    return [
        Check("credentials", credentials),
        Check("clock", clock),
        *(_role(name, patient, cloud) for name in SERVICES),
        Check("concurrency", concurrency),
        Check("bucket", bucket),
        Check("repository", repository),
        Check("stack", stack),
        direct_check(patient, cloud),
        Check("lock", lock),
        Check("certificate", certificate),
        Check("validation", validation),
        *beside_checks(patient, cloud),
    ]


NAMES = (
    *("credentials", "clock", "stack-role", "lambda-role", "concurrency"),
    *("bucket", "repository", "stack", "direct lane", "lock", "certificate", "validation"),
    *("queues", "log groups", "secrets key"),
)
"""Of the checks above, for when nothing of AWS can be reached."""


async def _credentials(patient: Patient, cloud: Cloud) -> Finding:
    identity = await cloud.facts.identity()
    owner = patient.manifest.auth.stack_role.split(":")[4]
    if identity.account != owner:
        return failed(
            f"{identity.arn} is of account {identity.account}, the stage's roles of {owner}",
            "use a profile of the roles' account, or correct 'auth' in the manifest",
        )
    if identity.expires_at is None:
        return ok(identity.arn)
    left = identity.expires_at - datetime.now(UTC)
    minutes = left.total_seconds() / 60
    if minutes <= 0:
        return failed(f"{identity.arn}: expired", "log in again, then repeat")
    told = f"{identity.arn}, for {minutes:,.0f} more minutes"
    if left < SOON:
        return warning(told, "log in again before a deploy: a first one may take longer")
    return ok(told)


async def _clock(cloud: Cloud) -> Finding:
    ahead_s = (await cloud.facts.identity()).clock_ahead_s
    off_s = abs(ahead_s)
    if off_s < CLOCK_OFF_S:
        return ok("agrees with AWS's")
    told = f"{off_s:.0f} s {'ahead of' if ahead_s > 0 else 'behind'} AWS's"
    advice = "set this machine's clock: AWS refuses one that is 5 minutes off"
    return failed(told, advice) if off_s >= CLOCK_REFUSED_S else warning(told, advice)


def _role(name: str, patient: Patient, cloud: Cloud) -> Check:
    auth = patient.manifest.auth
    arn = auth.stack_role if name == "stack-role" else auth.lambda_role

    async def role() -> Finding:
        trusted = await cloud.facts.trusted_services(arn)
        if trusted is None and patient.is_local:
            return ok(f"there is no role '{arn}', and the local AWS needs none")
        if trusted is None:
            return failed(
                f"there is no role '{arn}'",
                f"create it: 'hover-async iam {name}' and '... --trust' print its policies",
            )
        if SERVICES[name] not in trusted:
            return failed(
                f"'{arn}' does not trust {SERVICES[name]}",
                f"its trust policy must be that of 'hover-async iam {name} --trust'",
            )
        return ok(f"{arn.rpartition('/')[2]} trusts {SERVICES[name]}")

    return Check(name, role)


async def _concurrency(patient: Patient, cloud: Cloud) -> Finding:
    """Reserves must leave Lambda its 100; warming takes from the http function's reserve, or from
    half of what is left."""
    manifest = patient.manifest
    wanted = (manifest.http.concurrency or 0) + (manifest.cli.concurrency or 0)
    wanted += sum(spec.concurrency or 0 for spec in manifest.queues.values())
    limits = await cloud.facts.concurrency()

    async def reserved(name: FunctionName) -> int:
        return await cloud.facts.reserved(name)

    names = [function.name for function in manifest.functions]
    ours = sum(await bounded_map(reserved, names, limit=AT_ONCE)) if wanted else 0
    left = limits.unreserved + ours - wanted
    told = f"{limits.limit:,} at once, {limits.unreserved:,} of them unreserved"
    if wanted and left < KEPT_UNRESERVED:
        before = await live_manifest(cloud.documents)
        live = [spec.name for spec in before.functions] if before else []
        leaving = [name for name in live if name not in names]
        kept = sum(await bounded_map(reserved, leaving, limit=AT_ONCE))
        beside = f" beside {kept:,} of functions that leave when the new are live" if kept else ""
        return failed(
            f"{told}; the stage reserves {wanted:,}{beside}, and Lambda keeps {KEPT_UNRESERVED} "
            "unreserved",
            "reserve less (the 'concurrency' keys), or ask AWS for more (Service Quotas)",
        )
    free = manifest.http.concurrency or left // 2
    if manifest.http.warm > free:
        return warning(
            f"{told}; {free:,} may be warmed, http.warm asks for {manifest.http.warm:,}",
            "fewer will be warm: lower http.warm, or ask AWS for more (Service Quotas)",
        )
    return ok(told)


async def _bucket(patient: Patient, cloud: Cloud) -> Finding:
    name = patient.manifest.bucket
    state = await cloud.facts.bucket()
    if state is BucketState.FOREIGN:
        return failed(
            f"'{name}' belongs to another account, or may not be looked at",
            "bucket names are shared by all of AWS: choose another stage 'name', or let this "
            "identity call s3:ListBucket",
        )
    if state is BucketState.ABSENT:
        return ok(f"'{name}' is free: the first deploy makes it")
    return ok(f"'{name}' is ours")


async def _repository(patient: Patient, cloud: Cloud) -> Finding:
    name = patient.manifest.repository
    exists = await cloud.facts.has_repository()
    return ok(f"'{name}' is there" if exists else f"'{name}': the first deploy makes it")


async def _stack(patient: Patient, cloud: Cloud) -> Finding:
    name = patient.manifest.stack_name
    standing = await cloud.stacks.describe(name)
    if standing is None:
        return ok(f"'{name}' is not there: the first deploy makes it")
    told = f"'{name}' is {standing.status}"
    if problem := obstacle(standing):
        return failed(problem.message, problem.hint)
    if standing.status in EMPTY:
        return warning(f"{told}: a creation that failed", "a deploy deletes it and makes it anew")
    if standing.status in CLEANING_UP:
        return warning(f"{told}: an earlier update is decided", "a deploy waits until it is done")
    return ok(told)


async def _lock(cloud: Cloud) -> Finding:
    holder = await running_deploy(cloud.documents)
    if holder:
        return warning(f"it is held: {holder}", "wait until that run ends: 'deploy --wait' does")
    return ok("nobody holds it")


async def _certificate(patient: Patient, cloud: Cloud) -> Finding:
    http = patient.manifest.http
    if http.certificate is None:
        return ok("none is needed: the stage has no domains of its own")
    found = await cloud.facts.certificate(http.certificate)
    if found is None:
        return failed(
            f"there is no certificate '{http.certificate}'",
            "correct http.certificate; it must be of us-east-1 and of this account",
        )
    if found.status != "ISSUED":
        return failed(
            f"it is {found.status}, for {', '.join(found.domains)}",
            "CloudFront takes only an issued one: validate its domains, or request another",
        )
    bare = [domain for domain in http.domains if not _covers(found.domains, domain)]
    if bare:
        return failed(
            f"it does not cover {', '.join(bare)}, but {', '.join(found.domains)}",
            "request one for every domain of http.domains",
        )
    return ok(f"issued, covers {', '.join(http.domains)}")


def _covers(certified: Sequence[str], domain: str) -> bool:
    """A wildcard stands for one label."""
    return domain in certified or f"*.{domain.partition('.')[2]}" in certified


async def _validation(patient: Patient, cloud: Cloud) -> Finding:
    template = template_of(patient)
    if template.size_bytes > INLINE_TEMPLATE_BYTES:
        return ok("the template is too large to be sent for it; it goes through the bucket")
    try:
        await cloud.facts.validate(template.body)
    except Rejected as error:
        return failed(error.message, "this is hover-async's mistake: please report it")
    return ok("CloudFormation takes the template")
