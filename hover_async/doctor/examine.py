"""The whole examination: this machine and AWS at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from anyio import current_time, move_on_after

from hover_async.concurrency import task_group
from hover_async.doctor.account import NAMES, account_checks
from hover_async.doctor.diagnosis import (
    DEADLINE_S,
    Diagnosis,
    Finding,
    Health,
    Result,
    failed,
    ok,
    run_checks,
)
from hover_async.doctor.machine import OpenEngine, Patient, machine_checks
from hover_async.errors import CredentialsError, EndpointUnreachable, HoverError
from hover_async.ports import Cloud

OpenCloud = Callable[[], AbstractAsyncContextManager[Cloud]]
CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired"}
"""AWS's codes for a signature of another time."""


async def examine(
    patient: Patient, engine: OpenEngine, cloud: OpenCloud, *, deadline_s: float = DEADLINE_S
) -> Diagnosis:
    """Every check, whatever the others find; nothing is changed anywhere."""
    async with task_group() as examination:
        here = examination.start_soon(_machine, patient, engine, deadline_s)
        there = examination.start_soon(_account, patient, cloud, deadline_s)
    return Diagnosis(patient.stage, [*here.return_value, *there.return_value])


async def _machine(patient: Patient, engine: OpenEngine, deadline_s: float) -> Sequence[Result]:
    return await run_checks(machine_checks(patient, engine), deadline_s=deadline_s)


async def _account(patient: Patient, open_cloud: OpenCloud, deadline_s: float) -> Sequence[Result]:
    """The checks of AWS; where it cannot even be asked who we are, that is what all of them say."""
    began, region = current_time(), patient.manifest.region
    cloud: Cloud | None = None
    async with AsyncExitStack() as open_things:
        try:
            with move_on_after(deadline_s):
                cloud = await open_things.enter_async_context(open_cloud())
        except HoverError as error:
            return _unreachable(region, error)
        if cloud is None:
            return _unreachable(region, _silence(deadline_s))
        reached = ok(f"{region} answered after {current_time() - began:.1f} s")
        results = await run_checks(account_checks(patient, cloud), deadline_s=deadline_s)
        return [_result("region", reached), *results]


def _silence(deadline_s: float) -> HoverError:
    return EndpointUnreachable(
        f"no answer within {deadline_s:.0f} s", hint="check the network, then try again"
    )


def _unreachable(region: str, problem: HoverError) -> Sequence[Result]:
    by_name: dict[str, Finding] = {}
    at_fault = "region"
    if isinstance(problem, CredentialsError):
        at_fault = "clock" if problem.aws_code in CLOCK_CODES else "credentials"
        if problem.aws_code:
            by_name["region"] = ok(f"{region} answered")
    by_name[at_fault] = failed(problem.message, problem.hint)
    unknown = Finding(Health.WARNING, f"could not check: see '{at_fault}'")
    return [_result(name, by_name.get(name, unknown)) for name in ("region", *NAMES)]


def _result(name: str, finding: Finding) -> Result:
    return Result(name, finding.health, finding.found, finding.advice)
