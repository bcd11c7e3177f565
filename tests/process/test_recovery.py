"""An activation that was killed anywhere is ended by the next deploy, or by recover."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hover_async.deploy.converge import Ending, Recovery, Way
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.records import ACTIVATION_KEY, LIVE_KEY
from hover_async.deploy.recover import recover_stage
from hover_async.errors import (
    AccessDenied,
    ActivationMixed,
    AliasesElsewhere,
    HoverError,
    LockHeld,
    RecordDamaged,
    VersionFailed,
)
from hover_async.events import Warned
from hover_async.manifest import load_manifest
from hover_async.ports import Document
from hover_async.testing import RecordingReporter
from hover_async.testing.world import Fault
from hover_async.values import LATEST, FunctionName, Version
from tests.process.stage import Stage, build_id

HTTP, CLI, JOBS = (
    FunctionName(name) for name in ("shop-dev-http", "shop-dev-cli", "shop-dev-jobs-queue")
)
LIVE_1 = dict.fromkeys((HTTP, CLI, JOBS), "1")
LIVE_2 = dict.fromkeys((HTTP, CLI, JOBS), "2")
ENDINGS = [
    *[Ending.NOTHING] * 2,  # its record is not written yet
    Ending.CLEARED,
    *[Ending.FORWARD] * 2,  # one alias has moved, two have
    *[Ending.RECORDED] * 6,  # all have; whose it is is read, release and live read and written
    *[Ending.NOTHING] * 3,  # the record is deleted, the lock given back
]
"""What is left to do after a run that was killed at its first request of the activation, and on."""


@pytest.fixture
def live(stage: Stage) -> Stage:
    """A stage with its first build live."""
    stage.run(stage.deploy)
    return stage


@dataclass
class Death:
    """A run that is killed at request `at` of its activation gets none through from there on."""

    at: int
    reads: int = 0
    requests: int = 0

    def __call__(self, name: str, subject: str) -> Fault | None:
        if (name, subject) == ("documents.read", ACTIVATION_KEY):
            self.reads += 1  # the first looks for what an earlier run left
        self.requests += self.reads > 1
        if self.requests < self.at:
            return None
        return Fault(name, lambda: AccessDenied("dead"), subject, 1, after_effect=False)


async def killed_deploy(stage: Stage, at: int) -> None:
    """Deploy another build, killed there; a lock that it leaves has been taken away since."""
    world = stage.cloud.world
    untroubled, world._fault = world._fault, Death(at)  # type: ignore[method-assign]
    try:
        await stage.deploy()
    except HoverError:
        pass
    finally:
        world._fault = untroubled  # type: ignore[method-assign]
    stage.cloud.documents.documents.pop(LOCK_KEY, None)
    stage.cloud.world.calls.clear()


async def recover(stage: Stage, way: Way | None = None) -> Recovery:
    stage.report = RecordingReporter()
    manifest = load_manifest(stage.root / "dev.yml")
    holder = Holder.me("", doing="recovering")
    return await recover_stage(manifest, holder, stage.cloud.ports, stage.report, way=way)


def refused(stage: Stage, kind: type[HoverError], way: Way | None = None) -> HoverError:
    async def attempt() -> HoverError:
        with pytest.raises(kind) as caught:
            await recover(stage, way)
        return caught.value

    return stage.run(attempt)


def record(stage: Stage, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(stage.cloud.documents.documents[key].body)
    return found


def write(stage: Stage, key: str, record: object) -> None:
    stage.cloud.documents.documents[key] = Document(json.dumps(record).encode(), "etag")


@pytest.fixture
def mixed(live: Stage) -> Stage:
    """The activation of a second build was killed before the last alias, that of http, moved."""
    live.run(lambda: killed_deploy(live, 5))
    assert live.live() == {**LIVE_2, HTTP: "1"}
    return live


@pytest.mark.parametrize("by_deploy", [False, True], ids=["recover", "deploy"])
@pytest.mark.parametrize("at", range(1, len(ENDINGS) + 1))
def test_killed_at_any_request_of_the_activation(live: Stage, at: int, *, by_deploy: bool) -> None:
    """Afterwards all functions serve one build and the records say which; the next deploy works."""

    async def histories() -> None:
        await killed_deploy(live, at)
        if by_deploy:
            await live.deploy()
        else:
            assert (await recover(live)).ending is ENDINGS[at - 1]

    live.run(histories)
    versions = set(live.live().values())
    assert len(versions) == 1
    served = next(iter(versions))
    if by_deploy:
        assert served == "3"
    assert ACTIVATION_KEY not in live.cloud.documents.documents
    assert LOCK_KEY not in live.cloud.documents.documents
    assert record(live, LIVE_KEY)["versions"] == live.live()
    assert record(live, LIVE_KEY)["build_id"] == build_id(int(served))
    assert record(live, f"hover/releases/{build_id(int(served))}.json")["versions"] == live.live()
    live.run(live.deploy)
    assert len(set(live.live().values())) == 1


def test_without_anything_to_recover_nothing_is_asked_but_that(live: Stage) -> None:
    """One read, no lock, and it says so."""
    live.cloud.world.calls.clear()
    recovery = live.run(lambda: recover(live))
    assert str(recovery) == "no activation was interrupted"
    assert live.cloud.world.names() == ["documents.read"]


def test_a_deploy_says_what_it_has_ended(mixed: Stage) -> None:
    """The warning names the build whose activation was interrupted, and what became of it."""
    mixed.run(mixed.deploy)
    (warning,) = mixed.report.of(Warned)
    assert warning.message == (
        f"an earlier activation was interrupted ({build_id(2)}): it was finished: every function "
        "is at its new version"
    )
    assert record(mixed, f"hover/releases/{build_id(2)}.json")["activations"][0]["recovered_by"]


def test_an_interrupted_first_activation_is_finished(stage: Stage) -> None:
    """Functions that were never live go live together, and the release is on record."""
    stage.run(lambda: killed_deploy(stage, 4))
    assert set(stage.live().values()) == {LATEST, "1"}
    assert stage.run(lambda: recover(stage)).ending is Ending.FORWARD
    assert stage.live() == LIVE_1
    assert record(stage, LIVE_KEY)["build_id"] == build_id(1)


@pytest.mark.parametrize("why", ["gone", "another image", "failed"])
def test_forward_impossible_goes_back(mixed: Stage, why: str) -> None:
    """A new version that is gone, or holds another image, leads back to the old build, whole."""
    versions = mixed.cloud.lambdas.functions[HTTP].versions
    if why == "gone":
        del versions[Version("2")]
    elif why == "another image":
        versions[Version("2")].image_uri = "other@sha256:0"
    else:
        versions[Version("2")].active_at_s = float("inf")
    recovery = mixed.run(lambda: recover(mixed))
    assert recovery.ending is Ending.BACK
    assert mixed.live() == recovery.live == LIVE_1
    assert record(mixed, LIVE_KEY)["build_id"] == build_id(1)
    assert ACTIVATION_KEY not in mixed.cloud.documents.documents


def test_an_idle_version_is_revived_first(mixed: Stage) -> None:
    """A version that nobody asked for weeks is Inactive, and is no reason to go back."""
    mixed.cloud.lambdas.functions[HTTP].versions[Version("2")].inactive = True
    assert mixed.run(lambda: recover(mixed)).ending is Ending.FORWARD


def test_no_way_left_names_every_alias(mixed: Stage) -> None:
    """Neither version there: exit code 5, the record stays, and a deploy still gets through."""
    mixed.cloud.lambdas.functions[HTTP].versions.clear()
    error = refused(mixed, ActivationMixed)
    assert isinstance(error, ActivationMixed)
    assert error.exit_code == 5
    assert error.live == {**LIVE_2, HTTP: "1"}
    assert "version 2 of function 'shop-dev-http' is gone" in str(error)
    mixed.run(mixed.deploy)
    assert len({mixed.cloud.lambdas.functions[name].image_uri for name in LIVE_1}) == 1
    assert record(mixed, LIVE_KEY)["versions"] == mixed.live()
    assert ACTIVATION_KEY not in mixed.cloud.documents.documents


def test_a_move_that_is_refused_leaves_it_as_it_was_found(mixed: Stage) -> None:
    """Still mixed, each is named, and the record stays for the next try."""
    mixed.cloud.world.fail("functions.move_alias", lambda: AccessDenied("no"), subject=HTTP)
    error = refused(mixed, ActivationMixed)
    assert "could not be ended" in str(error)
    assert mixed.live() == {**LIVE_2, HTTP: "1"}
    assert mixed.run(lambda: recover(mixed)).ending is Ending.FORWARD


@pytest.mark.parametrize(
    ("way", "ending", "versions"),
    [(Way.FORWARD, Ending.FORWARD, LIVE_2), (Way.BACK, Ending.BACK, LIVE_1)],
)
def test_an_alias_that_somebody_moved_is_not_guessed_about(
    mixed: Stage, way: Way, ending: Ending, versions: Mapping[FunctionName, str]
) -> None:
    """At neither version: it is named and nothing moves, until a way is given."""
    mixed.cloud.lambdas.functions[CLI].live.version = Version("7")
    error = refused(mixed, AliasesElsewhere)
    assert "'shop-dev-cli' is at 7, neither 1 nor 2" in str(error)
    assert "--forward" in str(error.hint)
    assert error.exit_code == 5
    assert mixed.live() == {**LIVE_2, HTTP: "1", CLI: "7"}
    recovery = mixed.run(lambda: recover(mixed, way))
    assert (recovery.ending, mixed.live()) == (ending, versions)


def test_a_deploy_takes_along_what_somebody_moved(mixed: Stage) -> None:
    """It warns, and its own flip brings every function to one build."""
    mixed.cloud.lambdas.functions[CLI].live.version = Version("7")
    mixed.run(mixed.deploy)
    assert any("neither 1 nor 2" in warning.message for warning in mixed.report.of(Warned))
    assert set(mixed.live().values()) == {"3"}
    assert ACTIVATION_KEY not in mixed.cloud.documents.documents


def test_a_way_that_is_forced_is_not_turned_round(mixed: Stage) -> None:
    """Forward was asked for, and is impossible: it fails instead of going back."""
    del mixed.cloud.lambdas.functions[HTTP].versions[Version("2")]
    error = refused(mixed, VersionFailed, Way.FORWARD)
    assert error.exit_code == 1
    assert mixed.live() == {**LIVE_2, HTTP: "1"}


def test_back_after_all_have_moved(live: Stage) -> None:
    """Asked for by hand, also a whole flip is undone, and the records stay those of before."""
    live.run(lambda: killed_deploy(live, 6))
    assert live.run(lambda: recover(live, Way.BACK)).ending is Ending.BACK
    assert live.live() == LIVE_1
    assert record(live, LIVE_KEY)["build_id"] == build_id(1)


def test_a_function_that_is_gone_is_named(mixed: Stage) -> None:
    """No way helps; the hint says to deploy."""
    del mixed.cloud.lambdas.functions[JOBS]
    for way in (None, Way.FORWARD, Way.BACK):
        error = refused(mixed, AliasesElsewhere, way)
        assert "'shop-dev-jobs-queue' has no alias 'live'" in str(error)
        assert "deploy" in str(error.hint)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"build_id": 3}', b"\xff"])
def test_a_damaged_record(mixed: Stage, body: bytes) -> None:
    """It cannot be recovered from, which is told; a deploy warns and replaces it."""
    mixed.cloud.documents.documents[ACTIVATION_KEY] = Document(body, "etag")
    assert refused(mixed, RecordDamaged).exit_code == 2
    mixed.run(mixed.deploy)
    assert any("cannot be read" in warning.message for warning in mixed.report.of(Warned))
    assert ACTIVATION_KEY not in mixed.cloud.documents.documents


@pytest.mark.parametrize("moved", [0, 2, 3])
def test_a_record_of_the_older_kind(mixed: Stage, moved: int) -> None:
    """With versions alone all functions come to one build; that no release is told is said."""
    write(
        mixed,
        ACTIVATION_KEY,
        {"build_id": build_id(2), "at": "then", "before": LIVE_1, "after": LIVE_2},
    )
    for name, version in zip((JOBS, CLI, HTTP), "222"[:moved] + "111"[moved:], strict=True):
        mixed.cloud.lambdas.functions[name].live.version = Version(version)
    mixed.run(lambda: recover(mixed))
    assert mixed.live() == (LIVE_2 if moved else LIVE_1)
    told = [warning.message for warning in mixed.report.of(Warned)]
    assert any("never on record" in message for message in told) is bool(moved)
    assert ACTIVATION_KEY not in mixed.cloud.documents.documents


def test_not_while_another_run_has_the_lock(mixed: Stage) -> None:
    """It may be in the middle of that very activation."""
    holder = Holder("r", str(build_id(2)), "ann", "laptop", expires="2999-01-01T00:00:00+00:00")
    write(mixed, LOCK_KEY, vars(holder))
    error = refused(mixed, LockHeld)
    assert "ann@laptop deploying" in str(error)
    assert mixed.live() == {**LIVE_2, HTTP: "1"}


def test_a_release_that_cannot_be_recorded_is_recorded_by_the_next_run(live: Stage) -> None:
    """The deploy ends well with a warning, and what it announced stays until it is on record."""
    write_refused = lambda: AccessDenied("no")  # noqa: E731 - a word for what is given below
    live.cloud.world.fail(
        "documents.create", write_refused, subject=f"hover/releases/{build_id(2)}.json"
    )
    live.run(live.deploy)
    (warning,) = live.report.of(Warned)
    assert "could not be recorded" in warning.message
    assert record(live, LIVE_KEY)["build_id"] == build_id(1)
    assert live.run(lambda: recover(live)).ending is Ending.RECORDED
    assert record(live, LIVE_KEY)["build_id"] == build_id(2)
    assert record(live, LIVE_KEY)["activations"][0]["replaced"] == build_id(1)
