"""Time until a command line answers, ours beside its peers': `--version` and `--help`.

    python benchmarks/startup.py [--install] [--quick] [--json FILE]

With `--install`, peers that are not there yet are installed from PyPI and npm into a directory of
the user's cache (about a minute, 800 MB); without it only those that are there are measured. Every
round runs each command once, in turn; a table shows medians with the spread of the whole process:
user plus system time, and time on the clock. A command that fails is never timed. Exits 1 when a
goal is missed, or a peer of the goal could not be measured.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import Goal, Report, Row, parser, tell
from hover_async.local.places import cache

GOAL_CPU_S = 0.15
ASKED = ("--version", "--help")
OURS = "hover-async"
QUIET = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "CI": "1",
    "SAM_CLI_TELEMETRY": "0",
    "SLS_TELEMETRY_DISABLED": "1",
    "SLS_NOTIFICATIONS_MODE": "off",
}
"""Peers are measured at their best: nothing is sent home, no newer version is looked for."""


@dataclass(frozen=True)
class Peer:
    """A command line of another deployer, and what installs it: a package of PyPI or of npm."""

    name: str
    program: str
    registry: str
    package: str
    help: str = "--help"

    def place(self, peers: Path) -> Path:
        """Where its program stands once it is installed."""
        directory = "node_modules/.bin" if self.registry == "npm" else "bin"
        return peers / self.name / directory / self.program

    def install(self, peers: Path) -> None:
        home = peers / self.name
        if self.registry == "npm":
            npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
            commands: list[list[str | Path]] = [[*npm, "--prefix", home, self.package]]
        else:
            pip = [home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-qq"]
            commands = [[sys.executable, "-m", "venv", home], [*pip, "install", self.package]]
        for command in commands:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


PEERS = (
    Peer("aws-cli", "aws", "PyPI", "awscli", help="help"),  # its --help is an error
    Peer("aws-sam-cli", "sam", "PyPI", "aws-sam-cli"),
    # Version 4 is a loader that fetches the program itself from elsewhere when it is first used.
    Peer("serverless", "serverless", "npm", "serverless@3"),
    Peer("aws-cdk", "cdk", "npm", "aws-cdk"),
)
WORDS = {(peer.name, "--help"): peer.help for peer in PEERS}


@dataclass
class Command:
    """A command line with what it took, a number for each round."""

    name: str
    argv: Sequence[str | Path]
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def round(self) -> None:
        cpu_s, wall_s = timed(self.argv)
        self.cpu_s.append(cpu_s)
        self.wall_s.append(wall_s)

    def row(self) -> Row:
        return {
            "command": self.name,
            "CPU s": statistics.median(self.cpu_s),
            "CPU from - to": f"{min(self.cpu_s):.3f} - {max(self.cpu_s):.3f}",
            "wall s": statistics.median(self.wall_s),
            "wall from - to": f"{min(self.wall_s):.3f} - {max(self.wall_s):.3f}",
        }


def timed(argv: Sequence[str | Path]) -> tuple[float, float]:
    """User plus system time of one run by the operating system's own accounting, and its wall."""
    before, began = used_s(), time.perf_counter()
    subprocess.run(
        argv,
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    wall_s = time.perf_counter() - began
    return used_s() - before, wall_s


def used_s() -> float:
    """Of all processes that have ended and were waited for; in microseconds, not in ticks."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--install", action="store_true", help="install peers that are missing")
    options.add_argument("--rounds", type=int, help="how often each command runs")
    given = options.parse_args()
    rounds = given.rounds or (5 if given.quick else 15)
    programs, missing = found(install=given.install)
    python = sys.executable
    commands = [
        Command("python -c pass", [python, "-c", "pass"]),
        Command("python -c 'import aioboto3'", [python, "-c", "import aioboto3"]),
        *(
            Command(f"{name} {asked}", [program, WORDS.get((name, asked), asked)])
            for name, program in programs.items()
            for asked in ASKED
        ),
    ]
    for command in commands:
        timed(command.argv)  # warms the disk's cache; not counted
    for turn in range(rounds):
        for command in commands if turn % 2 else reversed(commands):
            command.round()
    report = Report(
        f"Command lines: {rounds} interleaved runs each, medians",
        [command.row() for command in commands],
        list(goals(commands, missing)),
        [versions(programs)],
    )
    return tell(report, given.json)


def found(*, install: bool) -> tuple[Mapping[str, Path], Sequence[str]]:
    """The programs that are there, by name, ours first; and the peers that are not."""
    programs = {OURS: Path(sys.executable).with_name("hover-async")}
    missing = []
    peers = cache() / "benchmark-peers"
    for peer in PEERS:
        place = peer.place(peers)
        if install and not place.exists():
            print(f"installing {peer.package} from {peer.registry} into {peers / peer.name}")
            peer.install(peers)
        other = None if place.exists() else shutil.which(peer.program)
        if place.exists() or other:
            programs[peer.name] = Path(other) if other else place
        else:
            missing.append(peer.name)
    return programs, missing


def goals(commands: Sequence[Command], missing: Sequence[str]) -> Sequence[Goal]:
    made = []
    for asked in ASKED:
        cpu_s = {
            command.name.removesuffix(f" {asked}"): statistics.median(command.cpu_s)
            for command in commands
            if command.name.endswith(asked)
        }
        wall_s = {
            command.name.removesuffix(f" {asked}"): statistics.median(command.wall_s)
            for command in commands
            if command.name.endswith(asked)
        }
        ours = cpu_s.pop(OURS)
        made.append(
            Goal(f"{OURS} {asked}, CPU", f"<= {GOAL_CPU_S} s", f"{ours:.3f} s", ours <= GOAL_CPU_S)
        )
        our_wall_s = wall_s.pop(OURS)
        told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in wall_s.items())
        lacks = f"; not measured: {', '.join(missing)}" if missing else ""
        is_first = our_wall_s < min(wall_s.values(), default=0) and ours < min(cpu_s.values())
        made.append(
            Goal(
                f"{OURS} {asked}, CPU and wall",
                "faster than every peer",
                f"{our_wall_s:.2f} s; {told}{lacks}",
                bool(is_first and not missing),
            )
        )
    return made


def versions(programs: Mapping[str, Path]) -> str:
    told = [f"Python {platform.python_version()}"]
    for name, program in programs.items():
        done = subprocess.run(
            [program, "--version"],
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = (done.stdout or done.stderr).strip().splitlines()
        told.append(f"{name}: {lines[0].strip()}")
    return "; ".join(told) + "."


if __name__ == "__main__":
    sys.exit(main())
