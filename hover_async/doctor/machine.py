"""What this machine and this project have to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hover_async.build_record import HOVER, RECORD, BuildRecord, read_record
from hover_async.doctor.diagnosis import Check, Finding, failed, ok, warning
from hover_async.errors import BuildMissing, DockerError, SecretsMissing
from hover_async.manifest import Manifest
from hover_async.ports import ImageInfo
from hover_async.secrets.files import Places
from hover_async.secrets.process import sealed_secrets
from hover_async.template import Template, render
from hover_async.values import Architecture, Edge

IMAGE = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/none@sha256:{'0' * 64}"
"""Stands for the image of a build where only the template's form is looked at."""


class Engine(Protocol):
    """What the doctor asks of the Docker Engine."""

    async def architecture(self) -> Architecture: ...

    async def inspect(self, image: str) -> ImageInfo | None: ...


OpenEngine = Callable[[], AbstractAsyncContextManager[Engine]]


@dataclass(frozen=True)
class Patient:
    """The stage that is looked at: its manifest as it is in the project now.

    `is_local`: on a local AWS, which asks for no roles.
    """

    root: Path
    stage: str
    manifest: Manifest
    edge: Edge
    is_local: bool = False


def template_of(patient: Patient) -> Template:
    """Raises `UsageError` when the stage is too large for CloudFormation."""
    names = [function.name for function in patient.manifest.functions]
    return render(patient.manifest, image_uri=IMAGE, started=names, edge=patient.edge)


def machine_checks(patient: Patient, engine: OpenEngine) -> Sequence[Check]:
    async def build() -> Finding:
        return await _build(patient, engine)

    async def secrets() -> Finding:
        return _secrets(patient)

    async def sealed() -> Finding:
        return _sealed(patient)

    async def docker() -> Finding:
        return await _docker(patient, engine)

    async def template() -> Finding:
        found = template_of(patient)
        nested = f", {len(found.nested)} nested stacks beside it" if found.nested else ""
        return ok(f"{found.size_bytes:,} bytes{nested}, within CloudFormation's limits")

    return [
        Check("build", build),
        Check("plain secrets", secrets),
        Check("encrypted secrets", sealed),
        Check("docker", docker),
        Check("template", template),
    ]


async def _build(patient: Patient, engine: OpenEngine) -> Finding:
    stage = patient.stage
    build_it = f"run 'hover-async build {stage}' before the deploy"
    try:
        record = read_record(patient.root)
    except BuildMissing as error:
        if (patient.root / RECORD).exists():
            return failed(error.message, build_it)
        return warning("there is no build yet", build_it)
    if record.stage != stage:
        return warning(f"the build {record.build_id} is of stage '{record.stage}'", build_it)
    return await _image_of(record, engine, build_it)


async def _image_of(record: BuildRecord, engine: OpenEngine, build_it: str) -> Finding:
    try:
        async with engine() as docker:
            image = await docker.inspect(record.image)
    except DockerError as error:
        return warning(f"{record.build_id} is whole; its image could not be looked at", error.hint)
    if image is None or image.id != record.image_id:
        return warning(
            f"{record.build_id} is whole, but its image is not on this machine", build_it
        )
    return ok(f"{record.build_id}, {image.size_bytes / 1e6:,.0f} MB of image")


def _secrets(patient: Patient) -> Finding:
    plain = patient.root / HOVER / f"{patient.stage}-secrets.plain.env"
    if plain.exists():
        return failed(
            f"'{plain.name}' holds secrets in plain text",
            "a build refuses to begin beside it: move it out of .hover/",
        )
    return ok("none lie around")


def _sealed(patient: Patient) -> Finding:
    """Raises `SecretsDamaged` when no container could open them."""
    try:
        envelope = sealed_secrets(Places(patient.root, patient.stage))
    except SecretsMissing:
        return ok("the stage has none")
    return ok(f"sealed with {envelope.key_id}")


async def _docker(patient: Patient, engine: OpenEngine) -> Finding:
    async with engine() as docker:
        found = await docker.architecture()
    wanted = patient.manifest.architecture
    if found is not wanted:
        return warning(
            f"the engine is {found.docker_name}, the stage {wanted.docker_name}",
            f"builds and tests need emulation, or set 'architecture: {found}' in the manifest",
        )
    return ok(f"an engine for {found.docker_name} answers")
