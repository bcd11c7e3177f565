"""Deploys and rollbacks back to back under request load, in one process: `make soak`.

    python benchmarks/soak.py [--minutes M] [--rate R]

The library's `deploy` and `rollback` are awaited again and again by this one process, for a stage
of six functions on the local AWS, while another process asks the website R times a second. Every
answer names the build and the version that gave it. After each flip this process is looked at: its
tasks, threads, open files, sockets, temporary files and resident memory. Exits 1 when a request
failed, was served by a wrong build, or something is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

import hover_async
from benchmarks.figures import write_section
from hover_async.events import AliasMoved, Event, StepStarted
from hover_async.local import LocalAws, down, up
from hover_async.local.places import INSTANCE_VARIABLE, Instance
from tests.e2e.scene import Project

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
INSTANCE = "soak"
WARM = 3
KEPT = 4
"""Builds that stay, to go back to; the local AWS keeps all it has in memory."""
WARM_UP = 40
"""Activations until memory is looked at: the pools of malloc fill up for some thirty, then stay."""
FEWEST = 20
"""Activations of which a trend is made."""
LEAK_KB = 100
"""A trend above this per activation is a leak: its noise is about half of it."""
LEAK_OBJECTS = 10
"""Likewise of Python's objects: the smallest leak of a deploy would be some hundreds."""
PATIENCE_S = 30


@dataclass(frozen=True)
class Visit:
    """A request: when it was sent and answered, with what status, and which build it was."""

    sent: float
    answered: float
    status: int
    build_id: str


@dataclass(frozen=True)
class Flip:
    """`begun`: before that the website is the one before; `done`: after that it is this one."""

    build_id: str
    is_rollback: bool
    begun: float
    done: float
    seconds: float


@dataclass(frozen=True)
class Footprint:
    """What this process holds."""

    tasks: int
    threads: int
    files: int
    sockets: int
    scratch: int
    objects: int
    resident_kb: int


@dataclass
class Soak:
    """What happened so far."""

    flips: list[Flip] = field(default_factory=list)
    prints: list[Footprint] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--rate", type=float, default=10, help="requests a second")
    arguments.add_argument("--visit", nargs=2, metavar=("URL", "HOST"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.visit:
        asyncio.run(visit(*given.visit, given.rate))
        return 0
    scratch = tempfile.mkdtemp(prefix="hover-soak-tmp-")
    tempfile.tempdir = scratch
    try:
        return asyncio.run(run(given.minutes, given.rate, Path(scratch)))
    finally:
        shutil.rmtree(scratch)


async def run(minutes: float, rate: float, scratch: Path) -> int:
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    named = os.environ.get(INSTANCE_VARIABLE)
    aws = await up(print, instance=named or INSTANCE)
    directory = Path(tempfile.mkdtemp(prefix="hover-soak-", dir=scratch.parent))
    name = f"soak-{secrets.token_hex(3)}"
    project = Project(aws, Path(busybox), directory, name, f"localhost:{aws.port}", warm=WARM)
    try:
        soak = await soaked(project, minutes, rate, scratch)
        containers = await asyncio.to_thread(strange_containers, aws, name)
    finally:
        await asyncio.to_thread(project.remove_images)
        shutil.rmtree(directory)
        if not named:
            await down(print, instance=aws.instance)
    told, wrong = judged(soak, rate, containers)
    print(f"\n{told}\n")
    for line in wrong:
        print(f"WRONG: {line}")
    if minutes >= 10:
        write_section(PAGE, "soak", told, command="make soak")
    return int(bool(wrong))


async def soaked(project: Project, minutes: float, rate: float, scratch: Path) -> Soak:
    """Deploy, deploy, go back; again and again."""
    target = hover_async.Target(project.aws.endpoint_url)
    soak, history = Soak(), list[str]()
    await activate(project, soak, target, back_to=None)
    history.append(project.build_id)
    url = await asyncio.to_thread(website, project)
    async with visitors(url, rate, soak):
        ends_at = time.monotonic() + minutes * 60
        while time.monotonic() < ends_at:
            back_to = history[-2] if len(soak.flips) % 3 == 0 else None
            await activate(project, soak, target, back_to=back_to)
            soak.prints.append(footprint(scratch, len(soak.visits)))
            live = soak.flips[-1].build_id
            history = [*(build for build in history if build != live), live]
            for old in history[:-KEPT]:
                await asyncio.to_thread(project.forget_assets, old)
            history = history[-KEPT:]
            await asyncio.to_thread(project.remove_images, all_but=2 * KEPT)
            tell(soak)
    return soak


async def activate(
    project: Project, soak: Soak, target: hover_async.Target, *, back_to: str | None
) -> None:
    """One deploy of a new build, or one rollback."""
    moments: dict[str, float] = {}

    def report(event: Event) -> None:
        if isinstance(event, StepStarted):
            moments.setdefault(event.step, time.monotonic())
        if isinstance(event, AliasMoved) and event.function == project.function("http"):
            moments["moved"] = time.monotonic()

    if back_to is None:
        await asyncio.to_thread(project.build)
    begun = time.monotonic()
    if back_to is None:
        build_id = project.build_id
        await hover_async.deploy(project=project.directory, target=target, report=report)
    else:
        build_id = back_to
        await hover_async.rollback(
            to=back_to, project=project.directory, target=target, report=report
        )
    flip = Flip(
        build_id,
        back_to is not None,
        moments["activate"],
        moments["moved"],
        time.monotonic() - begun,
    )
    soak.flips.append(flip)


# The visitors


async def visit(url: str, host: str, rate: float) -> None:
    """Ask at a fixed rate, each request by a connection of its own; a line of JSON for each."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask() -> None:
            sent, status, text = time.monotonic(), 0, ""
            try:
                async with session.get(url, headers={"Host": host}) as answer:
                    status, text = answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                text = f"{type(error).__name__}: {error}"
            print(json.dumps([sent, time.monotonic(), status, text]), flush=True)

        over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        begun, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as requests:
            while not over.done():
                requests.create_task(ask())
                number += 1
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))


@asynccontextmanager
async def visitors(url: str, rate: float, soak: Soak) -> AsyncIterator[None]:
    """In a process of their own: what they hold is none of ours. They end when stdin does."""
    port = url.rsplit(":", 1)[1].rstrip("/")
    host = url.removeprefix("http://").rstrip("/")
    with tempfile.TemporaryFile() as told:
        asking = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--rate", str(rate)),
            *("--visit", f"http://127.0.0.1:{port}/", host),
            stdin=subprocess.PIPE,
            stdout=told,
        )
        try:
            yield
        finally:
            assert asking.stdin
            asking.stdin.close()
            async with asyncio.timeout(2 * PATIENCE_S):
                await asking.wait()
            told.seek(0)
            for line in told.read().decode().splitlines():
                sent, answered, status, text = json.loads(line)
                soak.visits.append(Visit(sent, answered, status, text.partition(" ")[0]))


def website(project: Project) -> str:
    """The stage's API, which the container behind `live` answers."""
    described = project.client("cloudformation").describe_stacks(StackName=project.name)
    outputs = {
        entry["OutputKey"]: entry["OutputValue"] for entry in described["Stacks"][0]["Outputs"]
    }
    api = outputs["ApiUrl"].split("//")[1].split(".")[0]
    return project.aws.api_url.format(api=api)


# What is left


def footprint(scratch: Path, own_objects: int) -> Footprint:
    """Right after an activation, from the kernel's own books, and Python's without our visits."""
    gc.collect()
    files = list(Path("/proc/self/fd").iterdir())
    targets = [str(file.readlink()) for file in files if file.is_symlink()]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Footprint(
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
        files=len(targets),
        sockets=sum(target.startswith("socket:") for target in targets),
        scratch=len(list(scratch.iterdir())),
        objects=len(gc.get_objects()) - own_objects,
        resident_kb=pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    )


def strange_containers(aws: LocalAws, name: str) -> int:
    """Containers of the stage's images that are not the local AWS's own."""
    label = f"ministack.instance={Instance(aws.instance).label}"
    form = "{{.Image}} {{.Labels}}"
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", form], capture_output=True, text=True, check=True
    )
    return sum(name in line and label not in line for line in listed.stdout.splitlines())


def tell(soak: Soak) -> None:
    flip, held = soak.flips[-1], soak.prints[-1]
    what = "rollback" if flip.is_rollback else "deploy"
    print(f"{len(soak.flips):4} {what:9} {flip.seconds:5.1f} s  {held}", flush=True)


# The judgement


def served_wrongly(soak: Soak) -> Counter[str]:
    """Answers of a build that was not live at any moment of the request."""
    found: Counter[str] = Counter()
    for visit_ in soak.visits:
        if visit_.status != 200:
            continue
        live = {
            flip.build_id
            for flip, after in zip(soak.flips, [*soak.flips[1:], None], strict=True)
            if flip.begun <= visit_.answered and (after is None or visit_.sent <= after.done)
        }
        if visit_.build_id not in live:
            found[visit_.build_id] += 1
    return found


def judged(soak: Soak, rate: float, containers: int) -> tuple[str, Sequence[str]]:
    """The figures as Markdown, and what of them must not be."""
    failed = Counter(visit_.build_id for visit_ in soak.visits if visit_.status != 200)
    wrong_build = served_wrongly(soak)
    steady = soak.prints[WARM_UP:] if len(soak.prints) > WARM_UP else soak.prints[-1:]
    growth = {
        what: getattr(steady[-1], what) - getattr(steady[0], what)
        for what in ("tasks", "threads", "files", "sockets", "scratch")
    }
    trends = {
        "memory": (trend([held.resident_kb for held in steady]), LEAK_KB, "KB"),
        "the count of objects": (trend([held.objects for held in steady]), LEAK_OBJECTS, "objects"),
    }
    wrong = [f"{count} requests: {what}" for what, count in failed.items()]
    wrong += [f"{count} requests were served by {what}" for what, count in wrong_build.items()]
    wrong += [f"{what} grew by {count}" for what, count in growth.items() if count > 0]
    wrong += [f"{containers} containers are nobody's"] if containers else []
    for what, (slope, most, unit) in trends.items():
        wrong += [f"{what} grows by {slope:.0f} {unit} an activation"] if slope > most else []
    if len(steady) < FEWEST:
        wrong += [f"too short to see a leak: {len(soak.prints)} of {WARM_UP + FEWEST} activations"]
    return _page(soak, rate, failed, wrong_build, growth, steady, trends, containers), wrong


def trend(held: Sequence[int]) -> float:
    """By how much each activation adds to it, all of them taken together."""
    return linear_regression(range(len(held)), held).slope if len(held) > 2 else 0.0


def _page(
    soak: Soak,
    rate: float,
    failed: Counter[str],
    wrong_build: Counter[str],
    growth: Mapping[str, int],
    steady: Sequence[Footprint],
    trends: Mapping[str, tuple[float, float, str]],
    containers: int,
) -> str:
    asked = [visit_.answered - visit_.sent for visit_ in soak.visits]
    minutes = (soak.visits[-1].answered - soak.visits[0].sent) / 60
    back = sum(flip.is_rollback for flip in soak.flips)
    times = [flip.seconds for flip in soak.flips[1:]]
    rows = {
        "deploys, rollbacks": f"{len(soak.flips) - back}, {back}",
        "seconds each (median, longest)": f"{median(times):.1f}, {max(times):.1f}",
        f"requests sent ({rate:g} a second)": f"{len(soak.visits):,}",
        "failed": str(sum(failed.values())),
        "served by a build that was not live": str(sum(wrong_build.values())),
        "answered after (median, longest)": f"{median(asked) * 1000:.0f} ms, {max(asked):.2f} s",
        **{f"more {what} than after warming up": str(count) for what, count in growth.items()},
        "containers that are not the local AWS's": str(containers),
        "memory after warming up, at the end": f"{steady[0].resident_kb / 1024:.1f} MB, "
        f"{steady[-1].resident_kb / 1024:.1f} MB",
        **{
            f"trend of {what} after warming up": f"{slope:+.1f} {unit} an activation"
            for what, (slope, _, unit) in trends.items()
        },
    }
    lines = [f"| {what} | {figure} |" for what, figure in rows.items()]
    head = f"{minutes:.1f} minutes, one process that awaits `deploy()` and `rollback()`."
    return "\n".join([head, "", "| | |", "|---|---:|", *lines])


if __name__ == "__main__":
    sys.exit(main())
