"""A rollback takes an earlier release live as a whole, or changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from hover_async.deploy.history import History, read_history
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.plan import plan_build
from hover_async.deploy.records import LIVE_KEY, release_key
from hover_async.deploy.recover import recover_stage
from hover_async.deploy.rollback import Rollback, roll_back
from hover_async.errors import (
    AccessDenied,
    ActivationRestored,
    HealthFailed,
    HoverError,
    LockHeld,
    RecordDamaged,
    RollbackRefused,
    StepTimedOut,
    VersionFailed,
    WarmingFailed,
)
from hover_async.events import LiveNow, Warned
from hover_async.manifest import load_manifest
from hover_async.manifest.names import sqs_name
from hover_async.ports import Document, PushedImage
from hover_async.testing import RecordingReporter
from hover_async.values import BuildId, Digest, FunctionName, Version
from tests.process.stage import MANIFEST, Stage, build_id

HTTP, CLI, JOBS = (
    FunctionName(name) for name in ("shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue")
)
LIVE_1, LIVE_2, LIVE_3 = (dict.fromkeys((HTTP, CLI, JOBS), version) for version in "123")


async def back(stage: Stage, to: BuildId | None = None) -> Rollback:
    stage.report = RecordingReporter()
    stage.cloud.world.calls.clear()
    manifest = load_manifest(stage.root / "dev.yml")
    holder = Holder.me(to or "", doing="rolling back to")
    return await roll_back("dev", manifest, to, holder, stage.cloud.ports, stage.report)


def refused(stage: Stage, kind: type[HoverError], to: BuildId | None = None) -> HoverError:
    """A rollback that must fail with `kind`, and leave everything as it is."""
    before = stage.live()
    records = {**stage.cloud.documents.documents}

    async def attempt() -> HoverError:
        with pytest.raises(kind) as caught:
            await back(stage, to)
        return caught.value

    error = stage.run(attempt)
    assert type(error) is kind
    assert stage.live() == before
    assert stage.cloud.documents.documents == records
    return error


def record(stage: Stage, key: str = LIVE_KEY) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(stage.cloud.documents.documents[key].body)
    return found


def history(stage: Stage) -> History:
    return stage.run(lambda: read_history("dev", stage.cloud.documents))


@pytest.fixture
def second(stage: Stage) -> Stage:
    """A stage whose second build is live."""
    stage.run(stage.deploy)
    stage.run(stage.deploy)
    assert stage.live() == LIVE_2
    return stage


def test_what_was_live_before_is_live_again(second: Stage) -> None:
    """Warmed and healthy first; no command runs, no stack is touched, nothing is published."""
    second.cloud.lambdas.ran.clear()
    done = second.run(lambda: back(second))
    assert second.live() == LIVE_1
    assert (done.build_id, done.replaced, done.stack_of) == (build_id(1), build_id(2), build_id(2))
    assert done.warmth.warm == 3
    assert done.health
    assert second.cloud.lambdas.ran == []
    calls = set(second.cloud.world.names())
    assert not calls & {"stacks.update", "stacks.create", "functions.publish", "images.push"}
    assert LOCK_KEY not in second.cloud.documents.documents


def test_records_keep_what_is_live_and_what_stands_apart(second: Stage) -> None:
    """Live is the older build; the stack is the newer one's: the next deploy goes by that."""
    second.run(lambda: back(second))
    live, own = record(second), record(second, release_key(build_id(1)))
    assert live["build_id"] == build_id(1)
    assert live["stack"]["build_id"] == build_id(2)
    assert own["stack"] is None
    assert [(found["kind"], found["replaced"]) for found in own["activations"]] == [
        ("deploy", None),
        ("rollback", build_id(2)),
    ]
    assert own["activations"] == live["activations"]
    assert {"warm", "activate"} <= {timed["step"] for timed in own["activations"][1]["steps"]}


def test_one_step_at_a_time(second: Stage) -> None:
    """Rolled back twice it is two builds ago; not back at the one that was just left."""
    second.run(second.deploy)
    second.run(lambda: back(second))
    assert second.live() == LIVE_2
    second.run(lambda: back(second))
    assert second.live() == LIVE_1
    error = refused(second, RollbackRefused)
    assert f"no other build was live before {build_id(1)}" in str(error)


def test_to_a_named_build_and_forward_again(second: Stage) -> None:
    """Any whole release can be named, also a later one: then the stack is its own again."""
    second.run(second.deploy)
    second.run(lambda: back(second, build_id(1)))
    assert second.live() == LIVE_1
    done = second.run(lambda: back(second, build_id(3)))
    assert second.live() == LIVE_3
    assert done.stack_of == build_id(3)
    assert record(second)["stack"] is None


@pytest.mark.parametrize("again", [1, 2, 3])
def test_the_next_deploy_works(second: Stage, again: int) -> None:
    """Of a new build, of the one that was rolled back from, of the one that is live."""
    second.builds = 0
    orders = [second.build() for _ in range(3)]
    second.run(lambda: back(second))
    deployment = second.run(lambda: second.deploy(orders[again - 1]))
    assert deployment.build_id == build_id(again)
    live = second.live()
    assert len(set(live.values())) == 1
    images = {second.cloud.lambdas.functions[name].versions[live[name]].image_uri for name in live}
    assert images == {deployment.artifacts.image.uri}
    assert record(second)["build_id"] == build_id(again)
    assert record(second)["versions"] == live
    assert record(second)["stack"] is None
    assert not second.report.of(Warned)


def test_a_plan_after_it_tells_the_older_build_as_live(second: Stage) -> None:
    """And that the stack has nothing to do for the build that was rolled back from."""
    second.builds = 1
    order = second.build()
    second.run(lambda: back(second))
    plan = second.run(lambda: plan_build(order, second.cloud.ports, second.report))
    assert plan.live_build == build_id(1)
    assert plan.stack.does == "nothing"
    assert {function.does for function in plan.functions} == {"new-version"}


def test_idle_versions_are_revived(second: Stage) -> None:
    """Versions that nobody asked for weeks are Inactive; every one is Active before the flip."""
    for function in second.cloud.lambdas.functions.values():
        function.versions[Version("1")].inactive = True
    second.run(lambda: back(second))
    assert second.live() == LIVE_1


def test_it_ends_what_was_interrupted_first(second: Stage) -> None:
    """Half a flip is finished, and then what was live before that build is live again."""
    second.run(lambda: interrupted(second))
    assert second.live() == {**LIVE_3, HTTP: "2"}
    done = second.run(lambda: back(second))
    assert (done.replaced, done.build_id) == (build_id(3), build_id(2))
    assert second.live() == LIVE_2
    assert any("was interrupted" in warning.message for warning in second.report.of(Warned))


async def interrupted(stage: Stage) -> None:
    """A deploy that dies before the last alias, that of http, has moved."""
    dead: list[str] = []
    fault = stage.cloud.world._fault

    def dies(name: str, subject: str) -> Any:
        if dead or (name, subject) == ("functions.move_alias", HTTP):
            dead.append(name)
            stage.cloud.world.fail(name, lambda: AccessDenied("dead"), subject=subject)
        return fault(name, subject)

    stage.cloud.world._fault = dies  # type: ignore[method-assign]
    with pytest.raises(HoverError):
        await stage.deploy()
    stage.cloud.world._fault = fault  # type: ignore[method-assign]
    stage.cloud.world.faults.clear()
    stage.cloud.documents.documents.pop(LOCK_KEY)


def test_a_rollback_that_is_killed_is_ended_by_recover(second: Stage) -> None:
    """Its record says that it is one, and whose the stack is."""
    holds = second.cloud.documents.replace

    async def dies(key: str, body: bytes, etag: str) -> str:
        if key != LIVE_KEY:
            return await holds(key, body, etag)
        raise AccessDenied("dead")

    second.cloud.documents.replace = dies  # type: ignore[method-assign]
    second.run(lambda: back(second))
    assert record(second)["build_id"] == build_id(2)
    del second.cloud.documents.replace
    manifest = load_manifest(second.root / "dev.yml")
    me = Holder.me("")
    second.run(lambda: recover_stage(manifest, me, second.cloud.ports, second.report))
    assert record(second)["build_id"] == build_id(1)
    assert record(second)["stack"]["build_id"] == build_id(2)
    kinds = [found["kind"] for found in record(second, release_key(build_id(1)))["activations"]]
    assert kinds == ["deploy", "rollback"]


# What is refused


def test_unknown_and_live_builds(second: Stage) -> None:
    """A build that never went live, and the one that is live."""
    assert "no release" in str(refused(second, RollbackRefused, build_id(9)))
    assert "is live already" in str(refused(second, RollbackRefused, build_id(2)))


def test_nothing_was_ever_live(stage: Stage) -> None:
    """It says that nothing is on record, and takes no lock: there may be no bucket for one."""
    stage.build()
    assert "nothing is on record as live" in str(refused(stage, RollbackRefused))
    assert set(stage.cloud.world.names()) == {"documents.read"}


@pytest.mark.parametrize("key", [LIVE_KEY, release_key(build_id(1))])
@pytest.mark.parametrize("body", [b"", b"[]", b'{"build_id": "x"}', b"\xff"])
def test_damaged_records(second: Stage, key: str, body: bytes) -> None:
    """They are named; nothing is guessed."""
    second.cloud.documents.documents[key] = Document(body, "etag")
    assert key in str(refused(second, RecordDamaged, build_id(1)))


def test_a_record_under_another_builds_name(second: Stage) -> None:
    """It is damaged: a record tells of the build that its key names."""
    documents = second.cloud.documents.documents
    documents[release_key(build_id(1))] = documents[release_key(build_id(2))]
    refused(second, RecordDamaged, build_id(1))


def gone_version(stage: Stage) -> None:
    del stage.cloud.lambdas.functions[CLI].versions[Version("1")]


def other_image(stage: Stage) -> None:
    stage.cloud.lambdas.functions[CLI].versions[Version("1")].image_uri = "other@sha256:0"


def never_active(stage: Stage) -> None:
    stage.cloud.lambdas.functions[CLI].versions[Version("1")].active_at_s = float("inf")


def no_image(stage: Stage) -> None:
    del stage.cloud.registry.images[build_id(1)]


def moved_tag(stage: Stage) -> None:
    stage.cloud.registry.images[build_id(1)] = PushedImage(Digest("sha256:" + "0" * 64))


def no_ledger(stage: Stage) -> None:
    del stage.cloud.documents.documents[f"hover/ledgers/{build_id(1)}.json"]


def damaged_ledger(stage: Stage) -> None:
    stage.cloud.documents.documents[f"hover/ledgers/{build_id(1)}.json"] = Document(b"[1]", "e")


def no_asset(stage: Stage) -> None:
    del stage.cloud.assets.objects[f"{build_id(1)}/js/app.js"]


def pruned(stage: Stage) -> None:
    key = release_key(build_id(1))
    body = json.dumps({**record(stage, key), "pruned_at": "2026-11-25T00:00:00+00:00"}).encode()
    stage.cloud.documents.documents[key] = Document(body, "etag")


def unhealthy(stage: Stage) -> None:
    stage.cloud.lambdas.health_status = 500


def does_not_boot(stage: Stage) -> None:
    stage.cloud.lambdas.containers.clear()
    stage.cloud.lambdas.boot_error = "no such extension"


@pytest.mark.parametrize(
    ("breaks", "kind", "told"),
    [
        (gone_version, VersionFailed, "version 1 of function 'shop-dev-cli' is gone"),
        (other_image, VersionFailed, "holds image"),
        (never_active, StepTimedOut, "is still Pending"),
        (no_image, RollbackRefused, "is not in the registry"),
        (moved_tag, RollbackRefused, "the registry has another image"),
        (no_ledger, RollbackRefused, "there is no ledger of them"),
        (damaged_ledger, RollbackRefused, "their ledger is damaged"),
        (no_asset, RollbackRefused, "1 of 3 are gone or of another size, as 'js/app.js'"),
        (pruned, RollbackRefused, "was pruned on 2026-11-25"),
        (unhealthy, HealthFailed, "answered 500"),
        (does_not_boot, WarmingFailed, "no such extension"),
    ],
)
def test_a_release_that_is_not_whole(
    second: Stage, breaks: Callable[[Stage], None], kind: type[HoverError], told: str
) -> None:
    """Whatever it lacks is told, and nothing live has changed."""
    breaks(second)
    error = refused(second, kind)
    assert told in str(error)
    assert error.hint
    assert second.report.of(LiveNow)[-1].versions == LIVE_2
    assert "functions.move_alias" not in second.cloud.world.names()


def test_a_live_function_that_the_older_build_does_not_have(second: Stage) -> None:
    """It would go on with the newer build's code: refused, named."""
    second.manifest_text = MANIFEST + "  mails: {queues: [mails]}\n"
    second.run(second.deploy)
    error = refused(second, RollbackRefused)
    assert "live functions" in str(error)
    assert "shop-dev-mails-queue" in str(error)


def test_a_function_that_has_left_since(second: Stage) -> None:
    """Nobody would work on its queue: refused, named."""
    second.manifest_text = MANIFEST.partition("queue:")[0]
    second.run(second.deploy)
    error = refused(second, RollbackRefused)
    assert "not live now: shop-dev-jobs-queue" in str(error)


def test_a_queue_that_has_changed_hands(stage: Stage) -> None:
    """The same functions, but the stack hands a queue to another of them: refused, named."""
    both = MANIFEST.partition("queue:")[0] + "queue:\n"
    stage.manifest_text = both + "  a: {queues: [one]}\n  b: {queues: [two]}\n"
    stage.run(stage.deploy)
    stage.manifest_text = both + "  a: {queues: [two]}\n  b: {queues: [one]}\n"
    stage.run(stage.deploy)
    error = refused(stage, RollbackRefused)
    assert "'one' (now b, then a), 'two' (now a, then b)" in str(error)


def test_a_function_that_a_failed_deploy_has_added_is_in_nobodys_way(second: Stage) -> None:
    """It stands and was never live: the older build does without it, as the live one does."""
    second.manifest_text = MANIFEST + "  mails: {queues: [mails]}\n"
    second.cloud.lambdas.health_status = 500

    async def fails() -> None:
        with pytest.raises(HealthFailed):
            await second.deploy()

    second.run(fails)
    second.cloud.lambdas.health_status = 200
    second.run(lambda: back(second))
    assert {name: second.live()[name] for name in LIVE_1} == LIVE_1


def test_queues_hide_messages_for_as_long_as_the_older_build_takes(stage: Stage) -> None:
    """A longer timeout of before holds again, before the first job meets the older version."""
    for timeout_s in (300, 5):
        stage.manifest_text = MANIFEST.replace("default]", f"default], timeout: {timeout_s}")
        stage.run(stage.deploy)
    queue = stage.cloud.queues.queues[sqs_name("shop-dev", "default")]
    assert int(queue.attributes["VisibilityTimeout"]) < 1800
    stage.run(lambda: back(stage))
    assert int(queue.attributes["VisibilityTimeout"]) >= 1800


def test_a_flip_that_is_refused_is_put_back(second: Stage) -> None:
    """All or nothing, as in a deploy."""
    second.cloud.world.fail("functions.move_alias", lambda: AccessDenied("no"), subject=HTTP)
    error = refused(second, ActivationRestored)
    assert error.exit_code == 4


def test_not_while_a_deploy_runs(second: Stage) -> None:
    """The holder is named."""
    holder = Holder("r", "b", "ann", "laptop", expires="2999-01-01T00:00:00+00:00")
    second.cloud.documents.documents[LOCK_KEY] = Document(json.dumps(vars(holder)).encode(), "e")
    assert "ann@laptop" in str(refused(second, LockHeld))


def test_interrupted_during_the_flip_it_is_finished(second: Stage) -> None:
    """Cancelled in the middle, every alias still reaches the older version, on record."""
    second.cloud.world.latency_s["functions.move_alias"] = 3.0

    async def interrupt() -> None:
        second.cloud.world._watched.clear()
        async with anyio.create_task_group() as group:
            reached = second.cloud.world.reached("functions.move_alias")
            group.start_soon(back, second)
            await reached.wait()
            group.cancel_scope.cancel()

    second.run(interrupt)
    assert second.live() == LIVE_1
    assert record(second)["build_id"] == build_id(1)
    assert LOCK_KEY not in second.cloud.documents.documents


# The history


def test_every_time_that_a_build_went_live_is_told(second: Stage) -> None:
    """The latest first, the live one marked, also after a rollback; damaged records are named."""
    second.run(lambda: back(second))
    second.cloud.documents.documents["hover/releases/odd.txt"] = Document(b"", "e")
    second.cloud.documents.documents[release_key(build_id(7))] = Document(b"{", "e")
    found = history(second)
    kinds = [
        (entry.release.build_id, entry.activated.kind, entry.is_live)
        for entry in found.entries
        if entry.activated
    ]
    assert sorted(kinds) == [
        (build_id(1), "deploy", False),
        (build_id(1), "rollback", True),
        (build_id(2), "deploy", False),
    ]
    assert found.live == build_id(1)
    assert found.damaged == [release_key(build_id(7))]
    assert found.interrupted is None


def test_times_of_every_step_are_kept(stage: Stage) -> None:
    """With their starts, and those after the record too."""
    stage.run(stage.deploy)
    (entry,) = history(stage).entries
    assert entry.activated
    times = {timed.step: timed for timed in entry.activated.steps}
    assert {"push", "stack", "versions", "activate", "workers"} <= set(times)
    assert times["stack"].start_s >= times["push"].start_s
    assert entry.activated.seconds >= times["workers"].start_s


def test_a_history_of_many_is_read_with_a_bound(stage: Stage) -> None:
    """Two hundred records, at most 32 requests at once."""
    for number in range(200):
        this = f"b20261123T{number:06}Z-7f3a9c1d"
        body = json.dumps({"build_id": this}).encode()
        stage.cloud.documents.documents[release_key(this)] = Document(body, "e")
    assert len(history(stage).entries) == 200
    assert stage.cloud.world.most_at_once["documents.read"] <= 32
