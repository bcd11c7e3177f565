"""The proofs of docs/reliability.md in parts that take seconds; `make prove` runs them whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hover_async.errors import (
    AssetChanged,
    BuildMissing,
    CommandFailed,
    Conflict,
    HealthFailed,
    HoverError,
    StackFailed,
    VersionFailed,
)
from hover_async.ports import Alias, Cloud, Functions, FunctionState, Invocation, StackEvent
from hover_async.testing import Fault
from hover_async.values import FunctionName, Version
from tests.process import (
    canaries,
    canary_runs,
    guards,
    hostile_archives,
    hostile_assets,
    hostile_manifests,
    interleavings,
    matrix,
    schedules,
)
from tests.process.invariants import FLIP, violations, watch
from tests.process.onlookers import require_sight
from tests.process.trial import Trial, replayed, trial_of

CELLS = list(matrix.cells())
PART = 89
"""Every so manyth cell: a prime, so that all faults and all requests have their turn."""
HTTP, CLI = FunctionName("shop-dev-http"), FunctionName("shop-dev-cli")


@pytest.fixture
def trial() -> Trial:
    """The second deploy of a stage, which nothing befalls yet."""
    trial = trial_of(matrix.stages()["second"])
    trial.process.watchers.append(watch(trial))
    return trial


def fails(trial: Trial, kind: type[HoverError]) -> HoverError:
    """The deploy fails with `kind`, no alias moves, and what must hold of any deploy does."""
    replayed(trial.run)
    assert isinstance(trial.error, kind)
    assert violations(trial) == []
    assert trial.after == trial.before
    return trial.error


@pytest.mark.parametrize("cell", CELLS[::PART], ids=str)
def test_matrix(cell: matrix.Cell) -> None:
    """Whatever befalls whichever request, what is promised holds, and the next run mends it."""
    assert matrix.run(cell).broken == []


@pytest.mark.parametrize("seed", range(16))
def test_schedules(seed: int) -> None:
    """However deploys, faults and kills fall together, what is promised holds."""
    assert schedules.result_of(seed).broken == []


@pytest.mark.parametrize("is_locked", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_interleavings(seed: int, *, is_locked: bool) -> None:
    """Rivals never leave mixed builds beside an exit 0, with the lock and without it."""
    assert interleavings.result_of(seed, is_locked=is_locked).broken == []


def test_canaries(tmp_path: Path) -> None:
    """No secret is seen anywhere, by a search that sees what is meant to be seen."""
    ways = {way: canary_runs.WAYS[way] for way in ("success", "command failed", "flip refused")}
    echoes = ("a page, without names", "its answer, cut", "its answer, of a gateway")
    search = canaries.measured(tmp_path, ways=ways, echoes=echoes, commands=["deploy"])
    assert search.found == set()
    assert search.blind() == []


@pytest.mark.parametrize("kind", ["link", "control", "names of", "while it is sent"])
def test_hostile_assets(tmp_path: Path, kind: str) -> None:
    """What must not be served is refused, what changes is told, and nothing outside is read."""
    require_sight(tmp_path)
    ended = hostile_assets.run_all(tmp_path / "assets", kind)
    assert ended
    assert [one.broken for one in ended if one.broken] == []


def test_hostile_archives(tmp_path: Path) -> None:
    """What an image's author put into its archive stays inside, or is refused."""
    assert [one.broken for one in hostile_archives.run_all(tmp_path) if one.broken] == []


@pytest.mark.parametrize("kind", ["alias", "python", "escape", "a name", "number"])
def test_hostile_manifests(tmp_path: Path, kind: str) -> None:
    """What is meant to harm is refused in words, with its place."""
    ended = hostile_manifests.run_all(tmp_path, kind, with_programs=False)
    assert ended
    assert [one.broken for one in ended if one.broken] == []


def test_a_seed_gives_the_same_run() -> None:
    """A schedule that is run again takes every request at the very same time."""
    first, again = (schedules.Schedule.drawn(5).run() for _ in range(2))
    assert [trial.process.sent for trial in first.trials] == [
        trial.process.sent for trial in again.trials
    ]


@pytest.mark.parametrize("guard", guards.GUARDS, ids=lambda guard: guard.name)
def test_every_guard_is_where_it_is_said_to_be(guard: guards.Guard) -> None:
    """The code that switching a guard off replaces is there, once."""
    assert guard.matches() == 1


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_AFTER, Fault.RESET, Fault.ERROR_AFTER])
def test_a_command_whose_answer_is_lost_has_run_once(trial: Trial, fault: Fault) -> None:
    """A deploy command is not sent again, on whichever way its answer was lost."""
    trial.process.inject(fault, "lambda.Invoke", CLI)
    fails(trial, CommandFailed)
    assert trial.commands() == [["migrate", "--force"]]


class Answering:
    """`Functions` in which one method answers otherwise."""

    def __init__(self, functions: Functions, method: str, answer: Callable[..., object]) -> None:
        self._functions = functions
        self._method = method
        self._answer = answer

    def __getattr__(self, name: str) -> object:
        found = getattr(self._functions, name)
        if name != self._method:
            return found

        async def call(*given: object, **asked: object) -> object:
            return self._answer(await found(*given, **asked), *given)

        return call


def answering(trial: Trial, method: str, answer: Callable[..., object]) -> None:
    trial.ports = lambda ports: replace(
        ports,
        functions=Answering(ports.functions, method, answer),  # type: ignore[arg-type]
    )


def test_another_version_that_answers_is_not_believed(trial: Trial) -> None:
    """An answer of another version than the one asked for ends the deploy."""

    def other(answer: Invocation, function: FunctionName, *_: object) -> Invocation:
        return replace(answer, executed_version="1") if function == CLI else answer

    answering(trial, "invoke", other)
    fails(trial, CommandFailed)


def test_a_version_that_holds_another_image_does_not_go_live(trial: Trial) -> None:
    """A version published by somebody else, of another image, is found out by its digest."""
    asked: list[Version] = []

    def other(state: FunctionState, _: FunctionName, version: Version) -> FunctionState:
        asked.append(version)
        return replace(state, code_sha256="e" * 64) if version == "2" else state

    answering(trial, "state", other)
    fails(trial, VersionFailed)
    assert "2" in asked


def test_publishing_is_refused_when_the_code_has_changed(trial: Trial) -> None:
    """Between looking at a function and publishing it somebody gave it another image."""

    def change(sent: object) -> None:
        if getattr(sent, "name", "") == "lambda.PublishVersion":
            trial.cloud.lambdas.functions[HTTP].image_uri = f"rival@sha256:{'e' * 64}"

    trial.process.watchers.append(change)
    error = fails(trial, Conflict)
    assert "holds other code" in str(error)


def test_weights_alone_are_taken_off() -> None:
    """An alias that is at its version already, with weights on another, is moved all the same."""
    from hover_async.deploy.activate import Move
    from hover_async.values import Role

    at = Alias(HTTP, Version("2"), "r", has_routing=True)
    assert Move(at, Role.HTTP, Version("2")).is_due
    assert not Move(replace(at, has_routing=False), Role.HTTP, Version("2")).is_due


def test_a_stack_that_lacks_a_function_of_its_template(trial: Trial) -> None:
    """A function of which no event and no listing tells ends the deploy."""

    def lacking(ports: Cloud) -> Cloud:
        events = ports.stacks.events

        async def functions(name: str) -> dict[FunctionName, str]:
            del name
            return {HTTP: "", FunctionName("shop-dev-jobs-queue"): ""}

        async def told(name: str, **which: Any) -> list[StackEvent]:
            return [event for event in await events(name, **which) if event.physical_id != CLI]

        ports.stacks.functions, ports.stacks.events = functions, told  # type: ignore[method-assign]
        return ports

    trial.ports = lacking
    error = fails(trial, StackFailed)
    assert "lacks functions" in str(error)


def test_an_image_that_was_built_anew_under_its_name_is_not_pushed(trial: Trial) -> None:
    """The local image must be the very one of the build's record."""
    image = trial.order.build.image
    found = trial.cloud.images.local[image]
    trial.cloud.images.local[image] = replace(found, id="sha256:another")
    fails(trial, BuildMissing)


def test_a_file_that_shrank_is_found_out(tmp_path: Path) -> None:
    """Fewer bytes than were planned are an error, not a shorter object."""
    from hover_async.assets import plan_assets
    from hover_async.deploy.ledger import read_part

    (tmp_path / "app.js").write_bytes(b"0123456789")
    (asset,) = plan_assets(tmp_path, lambda _: "no-store")
    (tmp_path / "app.js").write_bytes(b"01234")
    with pytest.raises(AssetChanged, match="another file, size or time of change"):
        read_part(asset, 0, 10)


def test_a_secret_is_in_no_text() -> None:
    """The registry's password prints as nothing, wherever it is put."""
    from hover_async.ports import RegistryLogin
    from hover_async.values import Secret

    login = RegistryLogin("AWS", Secret("fake-password"))
    assert "fake-password" not in f"{login} {login!r} {login.password}"


def test_checks_find_what_they_look_for(trial: Trial) -> None:
    """A flip that comes too early, and a success that is none, are told."""
    trial.cloud.lambdas.health_status = 500
    replayed(trial.run)
    assert isinstance(trial.error, HealthFailed)
    assert violations(trial) == []
    sent = trial.process.sent[-1]
    early = replace(sent, name=FLIP, subject=HTTP, asked={"FunctionVersion": "2"})
    trial.process.done.clear()

    async def look() -> None:
        watch(trial)(early)

    replayed(look, at_s=5_000.0)
    trial.process.sent.append(early)
    found = violations(trial)
    assert any(each.startswith("I1: only [] had run") for each in found)
    assert any("weights were not cleared" in each for each in found)
    assert any(each.startswith("I2: HealthFailed") for each in found)
