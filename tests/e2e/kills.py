"""What must be true after a deploy that was killed or met a fault, and of the run after it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hover_async.local import LocalAws
from tests.e2e.calls import Call
from tests.e2e.proxy import Fault, Spoil, proxy
from tests.e2e.scene import Ended, Scene, State, kill_at

KILLED: Final = -9
NOTHING_MOVED: Final = frozenset({1, 2, 3, 4, 130})
"""Exit codes that promise that nothing live has changed."""
MIXED: Final = 5
LEFT_WHILE_MOVING: Final = frozenset({"activation.json", "lock.json"})


@dataclass
class Trial:
    """A call that was spoiled, and what came of it. `wrong` is empty where every promise held."""

    call: str
    spoil: Spoil
    met: bool = False
    exit_code: int | None = None
    found: str = ""
    """Where the aliases were then: all at the `old` version, all at the `new` one, or `mixed`."""
    unlocked: bool = False
    recovered: str = ""
    """Where the aliases were after `recover`, if that was tried."""
    orphans: int = 0
    """Multipart uploads that the killed run left open."""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


@asynccontextmanager
async def scene(aws: LocalAws, busybox: Path, directory: Path, name: str) -> AsyncIterator[Scene]:
    """A stage whose first build is live, with a proxy of its own before the local AWS."""
    async with proxy(aws.endpoint_url) as between:
        registry = f"localhost:{between.port}"
        stage = Scene(aws, busybox, directory, name, registry, between=between)
        try:
            stage.build()
            first = await stage.deploy()
            assert first.exit_code == 0, first.stderr
            yield stage
        finally:
            await asyncio.to_thread(stage.remove_images)


async def undisturbed(stage: Scene) -> Sequence[Call]:
    """The calls of a deploy of a new build over a live one, which nothing disturbs."""
    before = await stage.state()
    stage.build()
    ended = await stage.deploy()
    wrong = [*_wrong_run(stage, ended), *await _wrong_end(stage, before.live)]
    assert ended.exit_code == 0, ended.stderr
    assert not wrong, wrong
    return ended.calls


async def kill_and_run_again(
    stage: Scene, call: Call, spoil: Spoil, *, recover: bool = False
) -> Trial:
    """Deploy a new build, be killed at this call, deploy again: as if nothing had happened.

    With `recover` that is run before, and must by itself leave one build live.
    """
    trial = Trial(str(call).replace(stage.name, "STAGE"), spoil)
    before = await stage.state()
    stage.build()
    ended = await _spoiled(stage, kill_at(call, spoil), trial)
    if trial.met and ended.exit_code not in {KILLED, 0}:
        trial.wrong.append(f"killed, but ended with {ended.exit_code}: {_last(ended)}")
    between = await stage.state()
    trial.found, trial.orphans = _where(before, between), between.uploads
    if between.records.get("activation.json") is None and trial.found == "mixed":
        trial.wrong.append("aliases are mixed, and no record says so")
    await _unlock(stage, between, trial)
    if recover:
        await _recover(stage, before, trial)
    await _run_again(stage, before, trial)
    return trial


async def spoil_and_run_again(stage: Scene, kind: str, spoil: Spoil) -> Trial:
    """Deploy a new build and meet a fault once: live as if undisturbed, or failed and told.

    What failed is deployed again; what did not is what the next trial deploys over.
    """
    trial = Trial(kind, spoil)
    before = await stage.state()
    stage.build()
    fault = Fault(lambda call: call.kind == kind, spoil)
    ended = await _spoiled(stage, fault, trial)
    between = await stage.state()
    trial.found, trial.orphans = _where(before, between), between.uploads
    trial.wrong += _wrong_exit(ended, trial.found, between)
    if between.uploads > before.uploads:
        trial.wrong.append(f"open uploads: {between.uploads}, and {before.uploads} before it")
    if ended.exit_code == 0:
        trial.wrong += await _wrong_end(stage, before.live, orphans=trial.orphans)
    if ended.exit_code != 0 or trial.wrong:
        await _unlock(stage, between, trial)
        await _run_again(stage, before, trial)
    return trial


async def _spoiled(stage: Scene, fault: Fault, trial: Trial) -> Ended:
    ended = await stage.deploy(fault)
    trial.met, trial.exit_code, trial.seconds = (
        fault.met is not None,
        ended.exit_code,
        ended.seconds,
    )
    trial.wrong += _wrong_run(stage, ended)
    return ended


async def _unlock(stage: Scene, found: State, trial: Trial) -> None:
    """What a user does who knows that the run is dead; others wait for its lease to run out."""
    if "lock.json" in found.records:
        trial.unlocked = True
        _must(await stage.unlock(), trial)


async def _recover(stage: Scene, before: State, trial: Trial) -> None:
    _must(await stage.recover(), trial)
    state = await stage.state()
    trial.recovered = _where(before, state)
    if trial.recovered == "mixed" or "activation.json" in state.records:
        trial.wrong.append(f"recovered, and the aliases are {trial.recovered}")


async def _run_again(stage: Scene, before: State, trial: Trial) -> None:
    again = await stage.deploy()
    trial.wrong += _wrong_run(stage, again)
    _must(again, trial)
    trial.wrong += await _wrong_end(stage, before.live, orphans=trial.orphans)
    if again.exit_code != 0:  # so that the next trial finds what it expects
        await stage.deploy()


def _must(ended: Ended, trial: Trial) -> None:
    if ended.exit_code != 0:
        what = " ".join(ended.arguments)
        trial.wrong.append(f"'{what}' after it ended with {ended.exit_code}: {_last(ended)}")


def _wrong_run(stage: Scene, ended: Ended) -> Sequence[str]:
    """Of a single run, whatever became of it."""
    found = []
    commands = ended.commands(stage.function("cli"))
    if commands > 1:
        found.append(f"the deploy command was invoked {commands} times in one run")
    if "Traceback" in ended.stderr:
        found.append(f"a traceback: {ended.stderr[-2000:]}")
    return found


def _wrong_exit(ended: Ended, where: str, state: State) -> Sequence[str]:
    """Whether the exit code says what is live."""
    code = ended.exit_code
    if code == 0 and where != "new":
        return [f"exit 0, and the aliases are {where}"]
    if code != 0 and "error[" not in ended.stderr:
        return [f"exit {code} without an error that is told: {_last(ended)}"]
    is_told = re.search(r"error\[workers-not-started\]", ended.stderr)
    if code in NOTHING_MOVED and where != "old" and not is_told:
        return [f"exit {code}, and the aliases are {where}: {_last(ended)}"]
    if code == MIXED and "activation.json" not in state.records:
        return ["exit 5, and no record names what is mixed"]
    return []


async def _wrong_end(stage: Scene, before: Mapping[str, str], *, orphans: int = 0) -> Sequence[str]:
    """How what stands differs from what an undisturbed deploy of the build leaves.

    But for `orphans`: of an upload in parts that a killed run had begun nobody knows; the bucket's
    own rule ends it after a day, and it is no object.
    """
    state = await stage.state()
    image = await asyncio.to_thread(stage.pushed)
    live = {stage.function(role): version for role, version in state.live.items()}
    release = state.records.get(f"releases/{stage.build_id}.json", {})
    checks = {
        "live versions": (state.live, {role: str(int(was) + 1) for role, was in before.items()}),
        "images": (set(state.images.values()), {image}),
        "weights": (state.weighted, []),
        "assets": (state.assets, stage.expected_assets),
        "open uploads": (state.uploads, orphans),
        "left behind": (LEFT_WHILE_MOVING & set(state.records), set()),
        "the live record": (state.records.get("live.json", {}).get("build_id"), stage.build_id),
        "the release": (release.get("versions"), live),
        "the stack": (state.status, "UPDATE_COMPLETE"),
    }
    return [
        f"{what}: {found}, not {wanted}"
        for what, (found, wanted) in checks.items()
        if found != wanted
    ]


def _where(before: State, now: State) -> str:
    moved = {now.live[role] != was for role, was in before.live.items()}
    return "mixed" if len(moved) > 1 else "new" if moved == {True} else "old"


def _last(ended: Ended) -> str:
    return ended.stderr[-600:]
