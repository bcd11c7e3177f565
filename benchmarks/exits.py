"""How uploads end: success, a refusal, a server that dies and SIGINT, every exit code looked at.

    python benchmarks/exits.py [--runs 200] [--seconds 3600] [--quick] [--json FILE]

Each run is a process of its own (`clients/program.py`): it awaits `upload_assets` over the real
adapter, against a sink of its own on this machine, and leaves at once by the rules of the command
line. It is not a whole deploy. A run is right when it ends with the code of its ending, by itself,
without a traceback, and with no multipart upload left open; where the server is dead there is
nobody left to ask for the latter. After `--seconds` no run begins, and goals name how many did.

Exits 1 when a goal is missed.
"""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.report import Goal, Report, Row, parser, tell  # noqa: E402
from benchmarks.sink import Counted, Sink, sink  # noqa: E402

SMALL_FILES, SMALL_BYTES = 100, 8192
LARGE_BYTES = 20_000_000
PATIENCE_S = 60
GIVE_UP_S = 240
LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Ending:
    """What is done to a run, and the exit code it must then have."""

    name: str
    exit_code: int
    latency_s: float = 0.0
    refuse: int = 0
    at_once: int = 2
    """Those that mostly wait run many at once."""

    @property
    def is_interrupted(self) -> bool:
        """Whether something is done in its middle; the sink then takes its time."""
        return self.latency_s > 0


ENDINGS = (
    Ending("success", 0),
    Ending("refused with 403", 1, refuse=403),
    Ending("server dies", 1, latency_s=0.5, at_once=40),
    Ending("SIGINT", 130, latency_s=0.5, at_once=4),
)


@dataclass(frozen=True)
class Ended:
    """How a run ended; `begun` and `left_open` are multipart uploads, 0 where nobody can tell."""

    exit_code: int
    has_traceback: bool
    begun: int
    left_open: int
    seconds: float


def make_files(directory: Path, *, large: int = 1) -> None:
    for number in range(SMALL_FILES):
        (directory / f"{number}.css").write_bytes(os.urandom(SMALL_BYTES))
    for number in range(large):
        (directory / f"large-{number}.bin").write_bytes(os.urandom(LARGE_BYTES))


def run(ending: Ending, directory: Path, *, patience_s: float) -> Ended:
    with sink(latency_s=ending.latency_s, refuse=ending.refuse) as bucket:
        began = time.monotonic()
        command = ["-m", "benchmarks.clients.program", bucket.url, directory, str(patience_s)]
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if ending.is_interrupted:
            wait_for_middle(bucket, process)
            if ending.name == "SIGINT":
                process.send_signal(signal.SIGINT)
            else:
                os.kill(bucket.pid, signal.SIGKILL)
        try:
            _, said = process.communicate(timeout=GIVE_UP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
        seconds = time.monotonic() - began
        counted = Counted() if ending.name == "server dies" else bucket.counted()
    left_open = max(0, counted.begun - counted.ended)  # one may be completed, then aborted as well
    return Ended(process.returncode, b"Traceback" in said, counted.begun, left_open, seconds)


def wait_for_middle(bucket: Sink, process: subprocess.Popen[bytes]) -> None:
    """Until some of the files, another number each time, are on their way."""
    objects = random.randint(1, SMALL_FILES * 2 // 5)  # noqa: S311 - no secrets
    while process.poll() is None and bucket.counted().objects < objects:
        time.sleep(LOOK_EVERY_S)


def run_many(
    ending: Ending,
    directory: Path,
    runs: int,
    *,
    patience_s: float = PATIENCE_S,
    until_s: float = math.inf,
) -> Sequence[Ended]:
    """Up to `runs` of them; none begins after `until_s` of the monotonic clock."""

    def one(_: int) -> Ended | None:
        if time.monotonic() > until_s:
            return None
        return run(ending, directory, patience_s=patience_s)

    with ThreadPoolExecutor(ending.at_once) as workers:
        return [ended for ended in workers.map(one, range(runs)) if ended]


def is_right(ending: Ending, ended: Ended) -> bool:
    return ended.exit_code == ending.exit_code and not ended.has_traceback


def row(ending: Ending, all_ended: Sequence[Ended]) -> Row:
    codes = Counter(ended.exit_code for ended in all_ended)
    return {
        "ending": ending.name,
        "runs": len(all_ended),
        "exit code asked": ending.exit_code,
        "exit codes": ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())),
        "killed by a signal": sum(ended.exit_code < 0 for ended in all_ended),
        "tracebacks": sum(ended.has_traceback for ended in all_ended),
        "multipart begun": sum(ended.begun for ended in all_ended),
        "left open": sum(ended.left_open for ended in all_ended),
        "longest s": max((ended.seconds for ended in all_ended), default=None),
    }


def goals(seen: Sequence[tuple[Ending, Sequence[Ended]]], runs: int) -> Sequence[Goal]:
    ran = ", ".join(f"{ending.name} {len(ended)}" for ending, ended in seen)
    every = [(ending, ended) for ending, all_ended in seen for ended in all_ended]
    wrong = sum(not is_right(ending, ended) for ending, ended in every)
    left_open = sum(ended.left_open for _, ended in every)
    return [
        Goal("runs of each ending", str(runs), ran, min(len(ended) for _, ended in seen) >= runs),
        Goal("abnormal exits and wrong exit codes", "0", f"{wrong} of {len(every)}", wrong == 0),
        Goal("multipart uploads left open", "0", str(left_open), left_open == 0),
    ]


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--runs", type=int, help="of each ending (200, or 3 with --quick)")
    options.add_argument("--seconds", type=float, default=3600, help="then no run begins any more")
    given = options.parse_args()
    runs = given.runs or (3 if given.quick else 200)
    until_s = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name))
        with ThreadPoolExecutor(len(ENDINGS)) as side_by_side:
            several = [
                side_by_side.submit(run_many, ending, Path(name), runs, until_s=until_s)
                for ending in ENDINGS
            ]
            seen = [(ending, each.result()) for ending, each in zip(ENDINGS, several, strict=True)]
    rows = [row(ending, all_ended) for ending, all_ended in seen]
    note = f"Each: {SMALL_FILES} files of {SMALL_BYTES:,} bytes and one of {LARGE_BYTES:,}."
    return tell(Report("How uploads end", rows, goals(seen, runs), [note]), given.json)


if __name__ == "__main__":
    sys.exit(main())
