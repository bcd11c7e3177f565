"""After a good deploy builds beyond `retain` are taken away, and nothing else ever is."""

from __future__ import annotations

import json
from dataclasses import replace

import anyio
import pytest

from hover_async.deploy.deployment import Order
from hover_async.deploy.history import read_history
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.process import deploy_build
from hover_async.deploy.records import ACTIVATION_KEY, LIVE_KEY, release_key
from hover_async.deploy.rollback import roll_back
from hover_async.errors import AccessDenied, CommandFailed, Conflict
from hover_async.events import Warned
from hover_async.manifest import load_manifest
from hover_async.ports import Document
from hover_async.testing import RecordingReporter
from hover_async.values import BuildId, FunctionName, Lane, Version
from tests.process.stage import MANIFEST, Stage, build_id

HTTP, CLI, JOBS = (
    FunctionName(name) for name in ("shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue")
)


@pytest.fixture
def keeping(stage: Stage) -> Stage:
    """Two builds are kept; two are there."""
    stage.manifest_text = MANIFEST + "retain: 2\n"
    stage.run(stage.deploy)
    stage.run(stage.deploy)
    return stage


def directories(stage: Stage) -> set[str]:
    return {key.partition("/")[0] for key in stage.cloud.assets.objects}


def ledgers(stage: Stage) -> set[str]:
    return {
        key.removeprefix("hover/ledgers/").removesuffix(".json")
        for key in stage.cloud.documents.documents
        if key.startswith("hover/ledgers/")
    }


def whole(stage: Stage) -> set[int]:
    """The builds (by number) of which everything stands: their directories, images, versions."""
    builds = range(1, stage.builds + 1)
    parts = [
        {number for number in builds if build_id(number) in directories(stage)},
        {number for number in builds if build_id(number) in ledgers(stage)},
        {number for number in builds if build_id(number) in stage.cloud.registry.images},
        {
            number
            for number in builds
            if any(
                version.description == build_id(number)
                for version in stage.cloud.lambdas.functions[HTTP].versions.values()
            )
        },
    ]
    assert all(part == parts[0] for part in parts), parts
    return parts[0]


def pruned_at(stage: Stage, number: int) -> str | None:
    told = json.loads(stage.cloud.documents.documents[release_key(build_id(number))].body)
    found: str | None = told["pruned_at"]
    return found


async def back(stage: Stage, to: BuildId | None = None) -> None:
    manifest = load_manifest(stage.root / "dev.yml")
    await roll_back("dev", manifest, to, Holder.me(""), stage.cloud.ports, stage.report)


def test_the_last_releases_are_kept(keeping: Stage) -> None:
    """The third deploy takes all of the first away; its record stays and says when."""
    assert whole(keeping) == {1, 2}
    keeping.run(keeping.deploy)
    assert whole(keeping) == {2, 3}
    assert pruned_at(keeping, 1)
    assert pruned_at(keeping, 2) is None
    found = keeping.run(lambda: read_history("dev", keeping.cloud.documents))
    assert [entry.release.build_id for entry in found.entries][-1] == build_id(1)
    assert "prune" in {step.step for step in keeping.run(keeping.deploy).steps}


def test_nothing_surplus_costs_two_requests(keeping: Stage) -> None:
    """Two lists."""
    keeping.manifest_text = MANIFEST + "retain: 3\n"
    keeping.run(keeping.deploy)
    assert keeping.cloud.world.names().count("documents.keys") == 2
    assert not {"assets.delete", "registry.untag"} & set(keeping.cloud.world.names())


def test_a_later_rollback_finds_everything(keeping: Stage) -> None:
    """What is kept is what a rollback goes to."""
    keeping.run(keeping.deploy)
    keeping.run(lambda: back(keeping))
    assert set(keeping.live().values()) == {"2"}


def test_what_is_live_is_kept_however_old(keeping: Stage) -> None:
    """Rolled back to, the first build was activated last; the deploy after it keeps it."""
    keeping.run(lambda: back(keeping))
    keeping.run(keeping.deploy)
    assert whole(keeping) == {1, 3}
    keeping.run(lambda: back(keeping))
    assert set(keeping.live().values()) == {"1"}


def test_what_has_no_record_is_nobodys_to_delete(keeping: Stage) -> None:
    """A build that never went live, files of somebody else, a damaged record: all stay."""
    keeping.cloud.lambdas.health_status = 500

    async def fails() -> None:
        with pytest.raises(Exception, match="answered 500"):
            await keeping.deploy()

    keeping.run(fails)
    keeping.cloud.lambdas.health_status = 200
    foreign = keeping.cloud.assets.objects[f"{build_id(1)}/js/app.js"]
    keeping.cloud.assets.objects["backup/app.js"] = foreign
    keeping.cloud.documents.documents[release_key(build_id(1))] = Document(b"{", "e")
    for _ in range(3):
        keeping.run(keeping.deploy)
    assert {build_id(1), build_id(3), "backup"} <= directories(keeping)
    assert build_id(2) not in directories(keeping)


def test_a_version_that_somebody_points_to_keeps_its_build(keeping: Stage) -> None:
    """By another alias than ours: told, and the build stays as it is."""
    keeping.cloud.world.fail("functions.delete_version", lambda: Conflict("an alias"), subject=CLI)
    deployment = keeping.run(keeping.deploy)
    assert {build_id(1), build_id(2), build_id(3)} == directories(keeping)
    (step,) = [step for step in deployment.steps if step.step == "prune"]
    assert f"an alias still reaches {build_id(1)}" in step.summary


def test_an_alias_that_was_moved_by_hand_keeps_its_build(keeping: Stage) -> None:
    """AWS is the truth: a version that is live is not deleted, whatever is on record."""
    move = keeping.cloud.documents.keys

    async def moved_meanwhile(prefix: str) -> list[str]:
        keeping.cloud.lambdas.functions[CLI].live.version = Version("1")
        return list(await move(prefix))

    keeping.cloud.documents.keys = moved_meanwhile  # type: ignore[method-assign]
    keeping.run(keeping.deploy)
    assert Version("1") in keeping.cloud.lambdas.functions[CLI].versions
    assert build_id(1) in directories(keeping)


def test_a_version_of_a_function_that_was_made_anew_is_not_the_same(keeping: Stage) -> None:
    """Its number is that of the record, its image is not: it stays."""
    keeping.cloud.lambdas.functions[CLI].versions[Version("1")].image_uri = "other@sha256:0"
    keeping.run(keeping.deploy)
    assert Version("1") in keeping.cloud.lambdas.functions[CLI].versions
    assert Version("1") not in keeping.cloud.lambdas.functions[HTTP].versions
    assert build_id(1) not in directories(keeping)


def test_a_version_that_a_kept_build_shares_stays(keeping: Stage) -> None:
    """Two builds with one image have one version: taking the older away leaves both."""
    records = keeping.cloud.documents.documents
    first, second = (json.loads(records[release_key(build_id(n))].body) for n in (1, 2))
    second["versions"][CLI] = first["versions"][CLI]
    second["image"] = first["image"]
    records[release_key(build_id(2))] = Document(json.dumps(second).encode(), "e")
    keeping.run(keeping.deploy)
    assert Version("1") in keeping.cloud.lambdas.functions[CLI].versions
    assert Version("1") not in keeping.cloud.lambdas.functions[HTTP].versions
    assert build_id(1) in keeping.cloud.registry.images


@pytest.mark.parametrize(
    "call",
    ["assets.delete", "registry.untag", "functions.delete_version", "documents.delete"],
)
def test_a_failure_is_told_and_the_next_deploy_goes_on(keeping: Stage, call: str) -> None:
    """The deploy has ended well; whatever was left over is taken away next time."""
    subject = f"hover/ledgers/{build_id(1)}.json" if call == "documents.delete" else None
    keeping.cloud.world.fail(call, lambda: AccessDenied("no"), subject=subject)
    keeping.run(keeping.deploy)
    assert any("could not all be taken away" in told.message for told in keeping.report.of(Warned))
    assert set(keeping.live().values()) == {"3"}
    keeping.run(keeping.deploy)
    assert whole(keeping) == {3, 4}


def test_lists_that_are_refused_are_told(keeping: Stage) -> None:
    """Exit code 0 with a warning."""
    keeping.cloud.world.fail("documents.keys", lambda: AccessDenied("no"))
    keeping.run(keeping.deploy)
    assert any("could not all be taken away" in told.message for told in keeping.report.of(Warned))


def test_interrupted_while_pruning_the_build_is_live(keeping: Stage) -> None:
    """The deploy ends well and says so; the next one goes on."""

    async def interrupt() -> None:
        async with anyio.create_task_group() as group:
            reached = keeping.cloud.world.reached("assets.delete")
            deploying = group.start_soon(keeping.deploy)
            await reached.wait()
            group.cancel_scope.cancel()
        assert deploying.return_value.build_id == build_id(3)

    keeping.run(interrupt)
    assert any("the next deploy goes on" in told.message for told in keeping.report.of(Warned))
    keeping.run(keeping.deploy)
    assert whole(keeping) == {3, 4}


def test_a_slow_one_does_not_hold_a_deploy_up(keeping: Stage) -> None:
    """After a minute it is left to the next deploy."""
    keeping.cloud.world.latency_s["assets.delete"] = 1_000
    deployment = keeping.run(keeping.deploy)
    assert deployment.seconds < 120
    keeping.cloud.world.latency_s.clear()
    keeping.run(keeping.deploy)
    assert whole(keeping) == {3, 4}


def test_many_are_taken_away_over_several_deploys(stage: Stage) -> None:
    """Where retain is lowered: three in each deploy, the oldest first."""
    for _ in range(5):
        stage.run(stage.deploy)
    stage.manifest_text = MANIFEST + "retain: 1\n"
    stage.run(stage.deploy)
    assert whole(stage) == {4, 5, 6}
    stage.run(stage.deploy)
    assert whole(stage) == {6, 7}  # what a rollback would go to is kept beside what is live


def test_nothing_is_pruned_while_records_are_in_doubt(keeping: Stage) -> None:
    """An activation that is not ended, or no readable record of what is live."""
    write = keeping.cloud.documents.replace

    async def refuses(key: str, body: bytes, etag: str) -> str:
        if key == LIVE_KEY:
            raise AccessDenied("no")
        return await write(key, body, etag)

    keeping.cloud.documents.replace = refuses  # type: ignore[method-assign]
    keeping.run(keeping.deploy)
    assert ACTIVATION_KEY in keeping.cloud.documents.documents
    assert build_id(1) in directories(keeping)


@pytest.mark.parametrize("starts_after_s", [1.0, 10.0, 25.0])
def test_a_build_that_a_rival_prunes_before_we_have_the_lock_is_sent_again(
    stage: Stage, starts_after_s: float
) -> None:
    """Released long ago and deployed again with --wait, it stands whole when it is live."""
    stage.manifest_text = MANIFEST + "retain: 1\n"
    stage.cloud.stacks.operation_s = 20.0
    old = stage.build()
    for order in (old, None, None):
        stage.run(lambda order=order: stage.deploy(order))  # type: ignore[misc]
    assert whole(stage) == {2, 3}
    newer = stage.build()

    async def deploys(order: Order, wait_s: float) -> None:
        holder = Holder.me(order.build.build_id)
        ports, images = stage.cloud.ports, stage.cloud.images
        await deploy_build(
            replace(order, holder=holder), ports, images, RecordingReporter(), wait_s=wait_s
        )

    async def both() -> None:
        async with anyio.create_task_group() as deployers:
            deployers.start_soon(deploys, newer, 0)
            await anyio.sleep(starts_after_s)
            deployers.start_soon(deploys, old, 1800)

    stage.run(both)
    assert json.loads(stage.cloud.documents.documents[LIVE_KEY].body)["build_id"] == build_id(1)
    assert 1 in whole(stage)


def test_the_image_of_the_deployed_template_is_kept(keeping: Stage) -> None:
    """A deploy that failed behind its stack has left it there; the direct lane leaves it so."""
    keeping.builds = 0
    first = keeping.build()
    keeping.builds = 2
    keeping.cloud.lambdas.commands = lambda _argv: (1, "boom")

    async def fails() -> None:
        with pytest.raises(CommandFailed):
            await keeping.deploy(first)

    keeping.run(fails)
    keeping.cloud.lambdas.commands = lambda _argv: (0, "")
    keeping.run(lambda: keeping.deploy(replace(keeping.build(), lane=Lane.DIRECT)))
    keeping.run(lambda: keeping.deploy(replace(keeping.build(), lane=Lane.DIRECT)))
    template = json.dumps(keeping.cloud.stacks.stacks["shop-dev"].template)
    digests = {
        tag: image.digest
        for tag, image in keeping.cloud.registry.images.items()
        if image.digest in template
    }
    assert set(digests) == {build_id(1)}


def test_pruning_ends_when_the_lock_is_lost(keeping: Stage) -> None:
    """A rival may be deploying what would go next: nothing is taken away any more."""
    keeping.manifest_text = MANIFEST + "retain: 1\n"
    keeping.run(keeping.deploy)
    keeping.run(keeping.deploy)
    standing = whole(keeping)
    keys = keeping.cloud.documents.keys

    async def unlocked(prefix: str) -> object:
        keeping.cloud.documents.documents.pop(LOCK_KEY, None)
        return await keys(prefix)

    keeping.cloud.documents.keys = unlocked  # type: ignore[method-assign, assignment]
    keeping.run(keeping.deploy)
    assert whole(keeping) == standing | {keeping.builds}


def test_a_build_that_is_released_meanwhile_keeps_everything(keeping: Stage) -> None:
    """Its record is marked first, and not over another's: a rival has made it live again."""
    delete = keeping.cloud.lambdas.delete_version

    async def rival_releases(function: FunctionName, version: Version) -> None:
        await delete(function, version)
        key = release_key(build_id(1))
        found = keeping.cloud.documents.documents[key]
        keeping.cloud.documents.documents[key] = Document(found.body, "a rival's")

    keeping.cloud.lambdas.delete_version = rival_releases  # type: ignore[method-assign]
    keeping.run(keeping.deploy)
    assert build_id(1) in directories(keeping) & ledgers(keeping)
    assert build_id(1) in keeping.cloud.registry.images
