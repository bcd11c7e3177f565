"""The whole thing: a real Laravel application, by the real program, on an AWS that runs it."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import Answer, HoverAsync, fetch
from tests.e2e.stage import Stage, containers, eventually

BUILD_ID = r"b\d{8}T\d{6}Z-[0-9a-f]{8}"
REQUESTS_PER_S = 10
LEFT_WITHIN_S = 30


def test_a_real_application_goes_live(stage: Stage) -> None:
    """The page is Laravel's own, and its assets come from the build's directory."""
    build_id = stage.build()
    narrow = HoverAsync(stage.project, {**stage.program.environment, "COLUMNS": "80"})
    told = narrow.ok("deploy", "--local")
    rows = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "━" in rows["activate"], "what came last has a bar, too"
    assert all(word in told for word in (build_id, "dev", "cloudfront.net", "critical path", "━"))
    url = told.split()[-1]
    page = fetch(url)
    assert page.status == 200
    assert "8.83" in page.text
    assert build_id in page.text
    assets = re.findall(rf'http://[^"]*/{BUILD_ID}/[^"]*', page.text)
    types = {Path(asset).suffix: asset_headers(asset) for asset in assets}
    assert types[".css"].startswith("text/css")
    assert types[".svg"].startswith("image/svg+xml")
    assert all(f"/{build_id}/" in asset for asset in assets)
    assert fetch(f"{url}/migrated").status == 200
    assert fetch(f"{url}/no-such-page").status == 404
    assert set(stage.live().values()) == {"1"}


def asset_headers(url: str) -> str:
    """The content type of an asset that is served as it must be."""
    answer = fetch(url)
    assert answer.status == 200
    assert answer.body
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    return answer.headers["content-type"]


def test_a_job_is_worked_on_after_the_first_deploy(stage: Stage) -> None:
    """The queue function of a new stage gets its messages once it is live."""
    stage.build()
    url = stage.deploy().result["url"]
    fetch(f"{url}/greetings/Ada", method="POST")
    deadline = time.monotonic() + 60
    while "Ada" not in (answer := fetch(f"{url}/greetings/Ada")).text or answer.status != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(1)


def test_deploy_under_load_fails_no_request(stage: Stage) -> None:
    """Ten requests a second meet no failure, one switch from old to new, and a warm container."""
    old = stage.build()
    url = stage.deploy().result["url"]
    stage.edit("resources/views/home.blade.php", lambda page: page.replace("off the ground", "up"))
    new = stage.build()
    with visitors(url) as visits:
        run = stage.deploy()
        time.sleep(1)
    assert run.result["build_id"] == new
    assert visits.failed == []
    builds = [re.findall(BUILD_ID, answer.text)[-1] for answer in visits.answers]
    assert len(builds) > 20
    switch = builds.index(new)
    assert set(builds[:switch]) == {old}
    assert set(builds[switch:]) == {new}
    warmed = {event["instance"] for event in run.of("ContainerWarmed")}
    assert len(warmed) == 3
    assert any(instance in visits.answers[switch].text for instance in warmed)


@dataclass
class Visits:
    """What the visitors met, in order of their requests."""

    answers: list[Answer] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@contextmanager
def visitors(url: str) -> Iterator[Visits]:
    """Ten requests a second for as long as the block runs, each on a thread of its own."""
    visits, over = Visits(), threading.Event()
    threads: list[threading.Thread] = []
    slots: dict[int, Answer] = {}

    def visit(number: int) -> None:
        try:
            answer = fetch(url)
        except OSError as error:
            visits.failed.append(f"{number}: {error}")
            return
        slots[number] = answer
        if answer.status != 200:
            visits.failed.append(f"{number}: {answer.status}")

    def send() -> None:
        while not over.wait(1 / REQUESTS_PER_S):
            threads.append(threading.Thread(target=visit, args=(len(threads),)))
            threads[-1].start()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield visits
    finally:
        over.set()
        sender.join()
        for thread in threads:
            thread.join()
        visits.answers = [slots[number] for number in sorted(slots)]


def test_what_has_changed_since_the_build_is_told(stage: Stage) -> None:
    """A manifest changed after the build has no effect on a deploy of it, which says so."""
    built = stage.program.ok("build", "dev", "--skip-tests", "--json").splitlines()
    build_id = json.loads(built[-1])["build_id"]
    stage.manifest("memory: 1024", "memory: 1536")
    for command in ("plan", "deploy"):
        done = stage.program.run(command, "--local")
        assert f"'.hover/dev.yml' has changed since {build_id} was built" in done.stderr
        assert "hint: run 'hover-async build dev' first" in done.stderr


def test_live_is_live_though_nobody_can_read_it(stage: Stage) -> None:
    """A full disk behind stdout is a warning, and the exit code still says what is live."""
    stage.build("--skip-tests")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            stage.program.argv("deploy", "--local"),
            cwd=stage.project,
            env=stage.program.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "warning: the result cannot be written to stdout" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(stage.live().values()) == {"1"}


def test_failing_command_cancels_and_nothing_live_changes(stage: Stage) -> None:
    """A deploy command that exits 3 is shown, and the old build stays live."""
    stage.build()
    stage.deploy()
    stage.manifest("- example:prepare", "- example:fail 3\n  - example:prepare")
    stage.build("--skip-tests")
    failed = stage.program.run("deploy", "--local")
    assert failed.returncode == 1
    assert "error[command-failed]: 'example:fail 3' exited with 3" in failed.stderr
    assert "hint: no live alias was touched" in failed.stderr
    assert re.search(r"commands +\| \w", failed.stderr), "the command's output is shown"
    assert "example:prepare" not in failed.stderr.partition("example:fail")[2]
    live = ", ".join(f"{stage.name}-{role}:1" for role in ("http", "cli", "jobs-queue"))
    assert f"live now       {live}" in failed.stderr
    assert set(stage.live().values()) == {"1"}


def test_image_that_cannot_boot_fails_at_warming(stage: Stage) -> None:
    """PHP's own message about code that it cannot read is what the deploy fails with."""
    old = stage.build()
    url = stage.deploy().result["url"]
    (stage.project / "public" / "index.php").write_text("<?php this is not php;\n")
    stage.build("--skip-tests")
    run = stage.deploy()
    assert run.exit_code == 1
    (failure,) = run.of("Failed")
    assert failure["code"] == "warming-failed"
    assert "PHP Parse error" in failure["message"]
    assert "index.php" in failure["message"]
    assert run.of("Output") == []
    assert set(stage.live().values()) == {"1"}
    assert old in fetch(url).text


def test_interrupt_at_each_step(stage: Stage, tmp_path: Path) -> None:
    """Ctrl-C at any step before the flip: exit 130, the old build live, nothing left behind."""
    stage.build()
    stage.deploy()
    (stage.project / "public" / "film.mp4").write_bytes(bytes(range(256)) * 4096 * 40)
    new = stage.build("--skip-tests")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**stage.program.environment, "TMPDIR": str(scratch)}
    careful = Stage(stage.name, stage.project, HoverAsync(stage.project, environment), stage.aws)
    before = containers()
    for step in ("prepare", "assets", "push", "stack", "versions", "warm", "commands", "health"):
        run = careful.deploy(interrupt_at=step)
        assert run.exit_code == 130, f"{step}: {run.stderr}"
        assert "Traceback" not in run.stderr
        assert set(stage.live().values()) == {"1"}, step
        assert stage.open_uploads() == [], step
        # Somebody else's come and go; one that is left behind stays.
        eventually(lambda: True if containers() <= before else None, within_s=LEFT_WITHIN_S)
        assert list(scratch.iterdir()) == [], step
        assert run.of("AliasMoved") == [], step
    assert careful.deploy().result["build_id"] == new
    assert len(set(stage.live().values())) == 1
    assert stage.live() != dict.fromkeys(stage.live(), "1")


def test_interrupt_during_the_flip_is_never_half_done(stage: Stage) -> None:
    """Ctrl-C while aliases move: all of them or none, and the exit code says which."""
    stage.build()
    stage.deploy()
    stage.build("--skip-tests")
    run = stage.deploy(interrupt_at="activate")
    versions = set(stage.live().values())
    assert (run.exit_code, versions) in [(0, {"2"}), (130, {"1"})]
