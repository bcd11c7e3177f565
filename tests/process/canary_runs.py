"""Deploys in memory, through the real adapters, that end in every way; builds; secrets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from hover_async import iam
from hover_async.build.process import build_stage
from hover_async.cli.doctor import print_diagnosis
from hover_async.cli.plan_text import print_plan
from hover_async.cli.releases import print_history
from hover_async.deploy.deployment import Deployment
from hover_async.deploy.history import read_history
from hover_async.deploy.plan import plan_build
from hover_async.deploy.process import deploy_build
from hover_async.doctor.examine import examine
from hover_async.doctor.machine import Engine, Patient
from hover_async.errors import HoverError, PushFailed
from hover_async.manifest import load_manifest
from hover_async.ports import Cloud, ImageInfo, RegistryLogin
from hover_async.secrets.files import Places
from hover_async.secrets.process import decrypt_stage, encrypt_stage, read_stage
from hover_async.testing import RecordingReporter
from hover_async.testing.clients import ports_over, refused, throttled
from hover_async.testing.keys import FakeKeys
from hover_async.timeline import Recording, draw_html, draw_svg
from hover_async.values import AWS_EDGE, ImageRef
from hover_async.values import Secret as Hidden
from tests.process.canary_looks import drawn, files_of, look_at_aws, look_at_error, look_at_events
from tests.process.canary_search import CONTROL, Search, Secret, Surface
from tests.process.echoes import environment
from tests.process.stage import MANIFEST, Stage
from tests.unit.test_build_process import DOCKERFILE, PlayedEngine

CONTROLLED = (
    MANIFEST.replace("role/lambda", f"role/{CONTROL}")
    .replace("artisan migrate", f"artisan {CONTROL}")
    .replace("[default]", f"[{CONTROL}]")
    + f"tags: {{team: {CONTROL}}}\nbuild-args: {{TEAM: {CONTROL}}}\n"
    + f"environment: {{API_TOKEN: '{Secret.ENVIRONMENT}'}}\n"
)
QUOTED = (
    f"{CONTROL}: the Canonical String should have been 'GET\n/\n\nhost:aws\n"
    f"x-amz-security-token:{Secret.SESSION_TOKEN}\n\nhost'"
)
Arrange = Callable[[Stage], None]


def refusing(operation: str, code: str, status: int, **how: Any) -> Arrange:
    """AWS refuses it, and quotes the request with the session token in it."""

    def arrange(stage: Stage) -> None:
        stage.cloud.world.fail(operation, lambda: refused(code, status, QUOTED), **how)

    return arrange


def throttling(operation: str) -> Arrange:
    return lambda stage: stage.cloud.world.fail(operation, lambda: throttled(operation), times=9999)


def refused_push(stage: Stage) -> None:
    stage.cloud.world.fail("images.push", lambda: PushFailed("denied: your token has expired"))


def failing_command(stage: Stage) -> None:
    stage.cloud.lambdas.commands = lambda _: (3, f"{CONTROL} failed\n")


def unchanged(_: Stage) -> None:
    """Nothing is in the way."""


def dead_image(stage: Stage) -> None:
    stage.cloud.lambdas.boot_error = "PHP Parse error: unexpected token in index.php"


def lost_push(stage: Stage) -> None:
    stage.cloud.images.drops_push = True


LOST = {"times": 9999, "after_effect": True}
WAYS: Mapping[str, Arrange] = {
    "success": unchanged,
    "denied": refusing("lambda.PublishVersion", "AccessDeniedException", 403),
    "denied at the stack": refusing("cloudformation.UpdateStack", "AccessDenied", 403),
    "expired": refusing("cloudformation.UpdateStack", "ExpiredToken", 403),
    "expired at the assets": refusing("s3.PutObject", "ExpiredToken", 400),
    "a signature refused": refusing("ecr.GetAuthorizationToken", "SignatureDoesNotMatch", 403),
    "an invalid request quoted": refusing("s3.PutObject", "InvalidRequest", 400),
    "push refused": refused_push,
    "push lost": lost_push,
    "command failed": failing_command,
    "command's answer lost": refusing("lambda.Invoke", "ServiceException", 500, **LOST),
    "image cannot boot": dead_image,
    "throttled": throttling("lambda.PublishVersion"),
    "AWS fails": refusing("s3.PutObject", "InternalError", 500, times=9999),
    "flip refused": refusing("lambda.UpdateAlias", "AccessDeniedException", 403, times=9999),
    "flip's answer lost": refusing("lambda.UpdateAlias", "ServiceException", 500, **LOST),
}
INTERRUPTED_AT = ("s3.PutObject", "images.push", "lambda.PublishVersion", "lambda.UpdateAlias")


class LoginSeen:
    """The engine of the fake cloud, which notes that it was given the registry's password."""

    def __init__(self, stage: Stage, search: Search) -> None:
        self._images = stage.cloud.images
        self._search = search

    async def inspect(self, image: str) -> ImageInfo | None:
        return await self._images.inspect(image)

    async def push(
        self,
        image: str,
        target: ImageRef,
        login: RegistryLogin,
        on_progress: Callable[[int, int], None],
    ) -> None:
        if login.password.reveal() == Secret.REGISTRY_PASSWORD:
            self._search.handled.add(Secret.REGISTRY_PASSWORD)
        await self._images.push(image, target, login, on_progress)


class KeysSeen(FakeKeys):
    """KMS, whose data key is the canary."""

    async def generate(self, key: str, context: Mapping[str, str]) -> Any:
        made = await super().generate(key, context)
        arn, _, bound_to = self._wrapped[made.wrapped]
        self._wrapped[made.wrapped] = (arn, Secret.DATA_KEY.encode(), bound_to)
        return type(made)(made.key_id, Secret.DATA_KEY.encode(), made.wrapped)


def stage_with_secrets(root: Path) -> Stage:
    """A stage of which nothing is live yet."""
    (root / ".hover").mkdir(parents=True)
    stage = Stage(root, manifest_text=CONTROLLED)
    stage.write(f"js/{CONTROL}.js", b"x")
    stage.cloud.registry.password = Secret.REGISTRY_PASSWORD
    stage.cloud.lambdas.commands = lambda _: (0, f"{CONTROL} ran\n")
    return stage


def deploys(search: Search, root: Path, ways: Mapping[str, Arrange] = WAYS) -> None:
    """In every way; and interrupted."""
    with environment(LOGNAME=CONTROL):
        for number, (way, arrange) in enumerate(ways.items()):
            deploy_once(search, way, stage_with_secrets(root / f"run-{number}"), arrange)
        for number, call in enumerate(INTERRUPTED_AT if ways is WAYS else ()):
            stage = stage_with_secrets(root / f"interrupted-{number}")
            deploy_once(search, f"interrupted at {call}", stage, unchanged, interrupted_at=call)


def deploy_once(
    search: Search, run: str, stage: Stage, arrange: Arrange, *, interrupted_at: str = ""
) -> None:
    """Deploy a build, then another one in the way of this run, and search what is left."""
    ports, engine = ports_over(stage.cloud), LoginSeen(stage, search)
    stage.run(lambda: deploy_build(stage.build(), ports, engine, RecordingReporter()))
    stage.write("js/app.js", b"console.log(2)")
    arrange(stage)
    told = RecordingReporter()
    recording = Recording(told)

    async def work() -> Deployment | None:
        order = stage.build()
        async with anyio.create_task_group() as group:
            if interrupted_at:
                group.start_soon(interrupt, stage, interrupted_at, group.cancel_scope)
            deployment = await deploy_build(order, ports, engine, recording)
            group.cancel_scope.cancel()
            return deployment
        return None

    failure: BaseException | None = None
    deployment = None
    try:
        deployment = stage.run(work)
    except BaseExceptionGroup as group:
        failure = group.exceptions[0]
    look_at_events(search, run, told.events, failure, deployment)
    chart = recording.chart()
    search.look(run, Surface.TIMELINE, draw_svg(chart), draw_html(chart))
    if failure:
        look_at_error(search, run, failure)
    look_at_aws(search, run, stage)
    search.look(run, Surface.PROJECT, *files_of(stage.root))
    history = stage.run(lambda: read_history("dev", ports.documents))
    told_as_json = json.dumps(history.as_json(), default=str)
    text = drawn(lambda found, console: print_history(found, console, 20, timings=False), history)
    search.look(run, Surface.RELEASES, told_as_json, text)


async def interrupt(stage: Stage, call: str, scope: anyio.CancelScope) -> None:
    await stage.cloud.world.reached(call).wait()
    scope.cancel()


def foretells(search: Search, root: Path) -> None:
    """Plan, doctor and policies of a stage that is live."""
    run, stage = "plan, doctor, iam", stage_with_secrets(root / "plan")
    ports, engine = ports_over(stage.cloud), LoginSeen(stage, search)
    stage.run(lambda: deploy_build(stage.build(), ports, engine, RecordingReporter()))
    stage.manifest_text = stage.manifest_text.replace("warm: 3", "warm: 3, memory: 2048")
    told = RecordingReporter()
    plan = stage.run(lambda: plan_build(stage.build(), ports, told))
    search.look(run, Surface.PLAN, json.dumps(plan.as_json(), default=str), drawn(print_plan, plan))
    kept = stage.cloud.change_sets.kept.values()
    search.look(run, Surface.CHANGE_SETS, *(repr(one) for one in kept))
    search.look(run, Surface.CHANGE_SETS, *(repr(call) for call in stage.cloud.world.calls))
    manifest = load_manifest(stage.root / "dev.yml")

    @asynccontextmanager
    async def open_engine() -> AsyncIterator[Engine]:
        yield stage.cloud.images

    @asynccontextmanager
    async def open_cloud() -> AsyncIterator[Cloud]:
        yield ports

    patient = Patient(stage.root, "dev", manifest, AWS_EDGE, is_local=False)
    diagnosis = stage.run(lambda: examine(patient, open_engine, open_cloud))
    examined = json.dumps(diagnosis.as_json(), default=str)
    search.look(run, Surface.DOCTOR, examined, drawn(print_diagnosis, diagnosis))
    for name in iam.PolicyName:
        policy = iam.policy(name, manifest, stage="dev", account=None, sealed_with=None)
        search.look(run, Surface.POLICIES, json.dumps(policy.as_json()))


def builds(search: Search, root: Path) -> None:
    """A build with encrypted secrets: what the engine is asked for, and what is left behind."""
    run, stage = "build", stage_with_secrets(root / CONTROL)
    hover = stage.root / ".hover"
    (hover / "Dockerfile").write_text(DOCKERFILE)
    (hover / "dev.yml").write_text(CONTROLLED)
    places, manifest, engine = (
        Places(stage.root, "dev"),
        load_manifest(hover / "dev.yml"),
        PlayedEngine(),
    )
    keys, told = KeysSeen(stage.cloud.world), RecordingReporter()

    async def work() -> None:
        places.plain.write_text(f'{CONTROL}="{Secret.STAGE_SECRET}"\n')
        await encrypt_stage(places, manifest, keys, create_key=True)
        await build_stage(
            stage.root, "dev", manifest, engine, told, skip_tests=False, build_args={}
        )

    stage.run(work)
    search.look(run, Surface.IMAGE, *(repr(request) for request in engine.requests))
    search.look(run, Surface.PROJECT, *files_of(stage.root))
    search.look(run, Surface.IMAGE, *files_of(hover / "out"))
    look_at_events(search, run, told.events, None, None)
    if Secret.ENVIRONMENT in json.dumps(engine.manifest_in_image):
        search.handled.add(Secret.ENVIRONMENT)


def keeps_secrets(search: Search, root: Path) -> None:
    """A file of secrets: refused where it is wrong, encrypted, read back, refused again."""
    run, stage = "secrets encrypt, list, decrypt", stage_with_secrets(root / "secrets")
    secret, world = Secret.STAGE_SECRET, stage.cloud.world
    stage.build()
    manifest = load_manifest(stage.root / "dev.yml")
    places, keys = Places(stage.root, "dev"), KeysSeen(world)

    async def encrypt(text: str) -> object:
        places.plain.write_text(text)
        return await encrypt_stage(places, manifest, keys, create_key=True)

    def refuses(work: Callable[[], Any]) -> None:
        try:
            stage.run(work)
        except HoverError as error:
            look_at_error(search, run, error)
            search.look(run, Surface.SECRETS, str(error), json.dumps(error.details(), default=str))
            return
        raise AssertionError("it was not refused")

    for wrong in ("TOKEN = {}\n{}\n", "{}=1\n", "A=1\nA={}\n", "TOKEN='{}\n", "AWS_REGION={}\n"):
        text = wrong.format(*[secret] * wrong.count("{}"))
        refuses(lambda text=text: encrypt(text))  # type: ignore[misc]
    right = f'{CONTROL}="{secret}"\n'
    world.fail("keys.generate", lambda: HoverError(f"denied: {CONTROL}"))
    refuses(lambda: encrypt(right))
    search.look(run, Surface.SECRETS, repr(stage.run(lambda: encrypt(right))))
    read = stage.run(lambda: read_stage(places, keys))
    search.look(run, Surface.SECRETS, repr(read))
    if read == {CONTROL: Hidden(secret)}:
        search.handled |= {Secret.STAGE_SECRET, Secret.DATA_KEY}
    search.look(run, Surface.PROJECT, *files_of(stage.root))
    world.fail("keys.unwrap", lambda: HoverError("denied"))
    refuses(lambda: decrypt_stage(places, keys, overwrite=False))
    search.look(
        run, Surface.SECRETS, repr(stage.run(lambda: decrypt_stage(places, keys, overwrite=True)))
    )
    sealed = places.sealed.read_text()
    places.sealed.write_text(sealed.replace('"dev"', '"qa"'))
    refuses(lambda: read_stage(places, keys))
