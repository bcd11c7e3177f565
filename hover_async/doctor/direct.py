"""Whether the direct lane, where the manifest asks for it, would take the next deploy."""

from __future__ import annotations

from hover_async.deploy.direct import require_direct
from hover_async.deploy.prepare import live_versions
from hover_async.deploy.templates import plan_templates
from hover_async.doctor.diagnosis import Check, Finding, ok, warning
from hover_async.doctor.machine import Patient
from hover_async.errors import DirectRefused
from hover_async.ports import Cloud
from hover_async.values import UNPUSHED, Lane


def direct_check(patient: Patient, cloud: Cloud) -> Check:
    manifest = patient.manifest

    async def direct() -> Finding:
        if manifest.deploy.code is not Lane.DIRECT:
            return ok("not asked for: functions get their image by the stack")
        live = await live_versions([spec.name for spec in manifest.functions], cloud.functions)
        uri = cloud.registry.deployable(UNPUSHED)
        templates = await plan_templates(manifest, uri, live, patient.edge, cloud)
        try:
            await require_direct(manifest, templates, live, cloud)
        except DirectRefused as error:
            return warning(error.message, error.hint)
        return ok("nothing but the image would change")

    return Check("direct lane", direct)
