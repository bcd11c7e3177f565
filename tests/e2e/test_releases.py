"""Releases, rollback, recover and unlock: the real program on an AWS that runs the application."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hover_async.deploy.lock import Holder
from tests.e2e.conftest import fetch
from tests.e2e.stage import Stage
from tests.e2e.test_deploy import BUILD_ID

PAUSE_S = 0.2
PAST, FUTURE = "2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"


def served(url: str) -> str:
    """The build of the page."""
    page = fetch(url)
    assert page.status == 200
    found: str = re.findall(BUILD_ID, page.text)[-1]
    return found


@contextmanager
def visitor(url: str) -> Iterator[list[str]]:
    """Someone who asks for the page all the time: the build of each answer, or what it was."""
    met: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(PAUSE_S):
            try:
                met.append(served(url))
            except (AssertionError, OSError) as error:
                met.append(repr(error))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield met
    finally:
        over.set()
        thread.join()


def killed_in_the_flip(stage: Stage) -> None:
    """Deploy the build with the real program, and kill it when the first alias has moved."""
    with stage.program.start("deploy", "--local", "--json") as running:
        assert running.stdout is not None
        for line in running.stdout:
            if json.loads(line)["event"] == "AliasMoved":
                running.send_signal(signal.SIGKILL)
                break
        assert running.wait(30) == -signal.SIGKILL


def lock(stage: Stage, expires: str) -> None:
    holder = Holder("r", "b20261123T063100Z-7f3a9c1d", "ann", "laptop", expires=expires)
    stage.client("s3").put_object(
        Bucket=f"{stage.name}-assets", Key="hover/lock.json", Body=json.dumps(vars(holder))
    )


def test_back_and_forth(stage: Stage) -> None:
    """A rollback under requests serves the older build and fails none, without a build on this
    machine; a deploy that is killed in the flip is ended by recover; releases tell all of it."""
    first = stage.build()
    url = stage.deploy().result["url"]
    stage.edit("resources/views/home.blade.php", lambda page: page.replace("off the ground", "up"))
    second = stage.build()
    stage.deploy()
    assert served(url) == second

    kept = stage.project / ".hover" / "out"
    kept.rename(stage.project / "elsewhere")
    with visitor(url) as met:
        told = stage.program.ok("rollback", "dev", "--local")
        time.sleep(1)
    assert f"{first} is live" in told
    assert "deploy commands were not run" in told
    switch = met.index(first)
    assert set(met[:switch]) <= {second}
    assert set(met[switch:]) == {first}
    (stage.project / "elsewhere").rename(kept)

    killed_in_the_flip(stage)  # the build that was rolled back from, once more
    assert "begun and not ended" in stage.program.ok("releases", "dev", "--local")
    assert stage.program.run("recover", "dev", "--local").returncode == 3
    refused = stage.program.run("unlock", "dev", "--local", "--yes")
    assert refused.returncode == 3
    assert "unlocked" in stage.program.ok("unlock", "dev", "--local", "--force")
    done = json.loads(stage.program.ok("recover", "dev", "--local", "--json").splitlines()[-1])
    assert done["ending"] in {"forward", "recorded"}
    assert served(url) == second
    assert "no activation was interrupted" in stage.program.ok("recover", "dev", "--local")

    history = json.loads(stage.program.ok("releases", "dev", "--local", "--json"))
    kinds = [(told["build_id"], told["kind"], told["live"]) for told in history["releases"]]
    assert kinds == [
        (second, "deploy", True),
        (first, "rollback", False),
        (second, "deploy", False),
        (first, "deploy", False),
    ]
    assert history["releases"][0]["recovered_by"]
    assert history["interrupted"] is None
    timings = stage.program.ok("releases", "dev", "--local", "--timings", "-n", "3")
    assert all(word in timings for word in ("total", "push", "stack", "1 more: -n 4"))

    run = stage.deploy()
    assert run.result["build_id"] == second
    assert served(url) == second


def test_a_stage_that_was_never_deployed(stage: Stage) -> None:
    """No bucket, no lock, no release: each command says so, and none fails with a traceback."""
    assert "nothing of stage 'dev' was ever live" in stage.program.ok("releases", "dev", "--local")
    assert "no activation was interrupted" in stage.program.ok("recover", "dev", "--local")
    assert "nobody holds the lock" in stage.program.ok("unlock", "dev", "--local")
    for arguments, code, told in (
        (("rollback", "dev"), 2, "nothing is on record as live"),
        (("rollback", "dev", "--to", "b1"), 2, "'b1' is no build id"),
        (("rollback", "dev", "--to", "../../etc"), 2, "is no build id"),
        (("rollback", "nobody"), 2, "nobody.yml"),
        (("recover", "nobody"), 2, "nobody.yml"),
        (("recover", "dev", "--forward", "--back"), 2, "exclude each other"),
        (("releases", "dev", "-n", "0"), 2, "0 is not in the range"),
        (("unlock", "../dev"), 2, "is no stage name"),
        (("deploy", "--wait=soon"), 2, "is no number of seconds"),
    ):
        done = stage.program.run(*arguments, "--local")
        assert (done.returncode, told in done.stderr) == (code, True), (arguments, done.stderr)
        assert "Traceback" not in done.stderr


def test_unlock_asks_first(stage: Stage) -> None:
    """A dead run's lock, with nobody at a terminal: not without --yes, and it says whose it was."""
    stage.client("s3").create_bucket(Bucket=f"{stage.name}-assets")
    lock(stage, PAST)
    refused = stage.program.run("unlock", "dev", "--local")
    assert refused.returncode == 2
    assert "ann@laptop" in refused.stderr
    assert "ann@laptop" in stage.program.ok("unlock", "dev", "--local", "--yes")
    lock(stage, FUTURE)
    assert stage.program.run("unlock", "dev", "--local", "--yes").returncode == 3
    assert '"was_locked": true' in stage.program.ok("unlock", "dev", "--local", "--force", "--json")
