"""Uploads beside their peers: small files, large files, nothing changed, and memory.

    python benchmarks/uploads.py [--install] [--quick] [--json FILE]

Every client sends the same files to a sink on this machine (`sink.py`), as a program of its own, in
interleaved rounds. "Wall" is the sending alone where the client is a library (ours is part of a
deploy that runs already, and so would theirs be), and the whole process where it is a command line;
"process" is always the latter. Each peer runs with every setting below, and the goals compare with
its best. A run counts only if the program ended with 0 and the sink has counted
every object. A client that is many times slower than the fastest runs one round only.

With `--install`, peers that are missing are installed from PyPI (and rclone from Debian) into a
directory of the user's cache. Exits 1 when a goal is missed.
"""

from __future__ import annotations

import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.report import Goal, Report, Row, parser, tell  # noqa: E402
from benchmarks.sink import Certificate, Sink, make_certificate, sink  # noqa: E402
from hover_async.local.places import cache  # noqa: E402

OURS = "hover-async"
MIB = 2**20
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
TOO_SLOW = 4.0
"""Times the fastest of the first round: no second round for such a client."""
GIVE_UP_S = 180
GOAL_PER_S = 3000
GOAL_COPY_RATIO = 0.4
GOAL_RSS_MB = 150
LATENCY_S = 0.02
NOT_THEIRS = frozenset({"AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_PROFILE", "REQUESTS_CA_BUNDLE"})
"""Of this environment: each client is told what it may trust in its own way."""
PIP = ["-m", "pip", "--disable-pip-version-check", "-qq", "install"]


@dataclass(frozen=True)
class Files:
    """A directory of files to send."""

    name: str
    directory: Path
    count: int
    size_bytes: int


@dataclass(frozen=True)
class Place:
    """What a client is told: where to, how it may trust it, and where it may write."""

    bucket: Sink
    authority: Path
    scratch: Path


@dataclass(frozen=True)
class Client:
    """A client and its settings, `settings` each tried for small files and for large ones."""

    name: str
    package: str
    program: str
    argv: Callable[[Path, Place, Files, str], Sequence[str | Path]]
    small: Sequence[str] = ("",)
    large: Sequence[str] = ("",)

    def place(self) -> Path | None:
        """Where its program stands."""
        if self.name == OURS or not self.package:
            return Path(sys.executable)
        stands = cache() / "benchmark-peers" / self.name / "bin" / self.program
        other = shutil.which(self.program) if self.program not in {"python", "aws"} else None
        return stands if stands.exists() else Path(other) if other else None

    def install(self) -> None:
        if self.package.startswith("debian:"):
            package = self.package.removeprefix("debian:")
            subprocess.run(["apt-get", "install", "-y", "-qq", package], check=True)
            return
        home = cache() / "benchmark-peers" / self.name
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "python", *PIP, self.package], check=True)


def module(name: str) -> Callable[[Path, Place, Files, str], Sequence[str | Path]]:
    def argv(program: Path, to: Place, files: Files, setting: str) -> Sequence[str | Path]:
        where = [to.bucket.url, files.directory, setting or "0", to.authority]
        return [program, "-m", f"benchmarks.clients.{name}", *where]

    return argv


def s5cmd(program: Path, to: Place, files: Files, setting: str) -> Sequence[str | Path]:
    part = ["--part-size", "8"] if files.name == "large" else []
    url = ["--endpoint-url", to.bucket.url]
    what = [f"{files.directory}/*", "s3://bucket/"]
    return [program, "--log", "error", *url, "--numworkers", setting, "cp", *part, *what]


def rclone(program: Path, to: Place, files: Files, setting: str) -> Sequence[str | Path]:
    remote = f":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{to.bucket.url}':bucket"
    quick = ["--s3-no-check-bucket", "--s3-no-head", "--no-check-dest", "--ignore-checksum"]
    many = ["--transfers", setting, "--s3-upload-concurrency", "8", "--s3-chunk-size", "8M"]
    trust = ["--ca-cert", to.authority, "--config", to.scratch / "no.conf"]
    return [program, "copy", "--quiet", *trust, *quick, *many, files.directory, remote]


def aws_cli(program: Path, to: Place, files: Files, setting: str) -> Sequence[str | Path]:
    config = f"[default]\ns3 =\n  max_concurrent_requests = {setting}\n  addressing_style = path\n"
    (to.scratch / f"aws-{setting}").write_text(config)
    where = ["--endpoint-url", to.bucket.url, "--ca-bundle", to.authority, "--only-show-errors"]
    return [program, "s3", "cp", "--recursive", *where, files.directory, "s3://bucket/"]


CLIENTS = (
    Client(OURS, "", "python", module("ours")),
    Client("obstore", "obstore", "python", module("obstore"), ("64", "128"), ("5", "10")),
    Client("s5cmd", "s5cmd", "s5cmd", s5cmd, ("64", "256"), ("5", "32")),
    Client("awscrt", "awscrt", "python", module("crt"), ("10", "40"), ("10", "40")),
    Client("rclone", "debian:rclone", "rclone", rclone, ("64", "128"), ("5",)),
    Client("aioboto3", "", "python", module("aioboto"), ("64",), ("5",)),
    Client("aws-cli", "awscli", "aws", aws_cli, ("32",), ("10",)),
)


@dataclass
class Runs:
    """A client with a setting, and what each of its runs took."""

    client: Client
    setting: str
    wall_s: list[float] = field(default_factory=list)
    process_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    failed: str = ""

    @property
    def name(self) -> str:
        return f"{self.client.name} {self.setting}".strip()

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s) if self.wall_s else float("inf")

    def round(self, program: Path, to: Place, files: Files, *more: str | Path) -> None:
        """One run; what it says when it fails becomes `failed`, and no time of it is kept."""
        to.bucket.counted(reset=True)
        argv = [*self.client.argv(program, to, files, self.setting), *more]
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(to.scratch / f"aws-{self.setting}"),
            "SSL_CERT_FILE": str(to.authority),
        }
        output = to.scratch / "output"
        with output.open("wb") as said:
            began = time.perf_counter()
            process = subprocess.Popen(argv, env=environment, stdout=said, stderr=said)
            usage, status, rss_mb = _waited(process)
            process_s = time.perf_counter() - began
        counted = to.bucket.counted()
        if status or counted.objects != files.count:
            told = output.read_text(errors="replace").strip().splitlines()[-1:]
            self.failed = f"exit {status}, {counted.objects} of {files.count}: {' '.join(told)}"
            return
        is_library = self.client.program == "python"
        self.wall_s.append(float(output.read_text()) if is_library else process_s)
        self.process_s.append(process_s)
        self.cpu_s.append(usage.ru_utime + usage.ru_stime)
        self.rss_mb = max(self.rss_mb, rss_mb)

    def row(self, files: Files) -> Row:
        if self.failed or not self.wall_s:
            return _row(self.name, note=self.failed or "not run")
        throughput = files.count / self.median_s
        megabytes = files.size_bytes / 1e6 / self.median_s
        return _row(
            self.name,
            self.median_s,
            f"{min(self.wall_s):.2f} - {max(self.wall_s):.2f}",
            round(throughput if files.count > 100 else megabytes),
            statistics.median(self.process_s),
            statistics.median(self.cpu_s),
            round(self.rss_mb),
            "" if len(self.wall_s) > 1 else "one round",
        )


def _row(
    name: str,
    wall_s: float | None = None,
    spread: str = "",
    rate: int | None = None,
    process_s: float | None = None,
    cpu_s: float | None = None,
    rss_mb: int | None = None,
    note: str = "",
) -> Row:
    return {
        "client": name,
        "wall s": wall_s,
        "from - to": spread,
        "rate": rate,
        "process s": process_s,
        "CPU s": cpu_s,
        "RSS MB": rss_mb,
        "": note,
    }


def _waited(process: subprocess.Popen[bytes]) -> tuple[resource.struct_rusage, int, float]:
    """What the process used, its exit code, and its peak of memory in MB; killed if it is endless.

    The peak is asked of the kernel while it runs: that of `rusage` begins with the parent's own.
    """
    deadline, peak_mb = time.monotonic() + GIVE_UP_S, 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage, process.returncode, peak_mb
        if time.monotonic() > deadline:
            process.kill()
        with suppress(OSError):
            found = PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
            peak_mb = int(found[1]) / 1024 if found else peak_mb
        time.sleep(0.005)


@dataclass(frozen=True)
class Network:
    """What lies between the client and the sink."""

    name: str
    latency_s: float = 0.0
    is_tls: bool = False


PLAIN = Network("plain loopback")
LIKE_AWS = Network(f"TLS, certificate verified, {LATENCY_S * 1000:.0f} ms", LATENCY_S, is_tls=True)


@dataclass
class Bench:
    """Everything that is measured, in a directory of its own."""

    scratch: Path
    certificate: Certificate
    rounds: int
    programs: Mapping[str, Path]
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def compare(self, files: Files, network: Network) -> Mapping[str, float]:
        """Each client's best median under this network, in seconds; its rows are kept."""
        runs = [
            Runs(client, setting)
            for client in CLIENTS
            if client.name in self.programs
            for setting in (client.small if files.name == "small" else client.large)
        ]
        with sink(
            latency_s=network.latency_s,
            certificate=self.certificate if network.is_tls else None,
        ) as bucket:
            to = Place(bucket, self.certificate.authority, self.scratch)
            for turn in range(self.rounds):
                for run in runs if turn % 2 else reversed(runs):
                    if not run.failed and not (turn and self.is_hopeless(run, runs)):
                        run.round(self.programs[run.client.name], to, files)
        self.rows.append(_row(f"**{files.name}: {files.count:,} files, {network.name}**"))
        self.rows += [run.row(files) for run in sorted(runs, key=lambda run: run.median_s)]
        best: dict[str, float] = {}
        for run in runs:
            best[run.client.name] = min(run.median_s, best.get(run.client.name, float("inf")))
        return best

    def is_hopeless(self, run: Runs, runs: Sequence[Runs]) -> bool:
        return run.median_s > TOO_SLOW * min(each.median_s for each in runs)

    def unchanged(self, files: Files, link: str, link_bytes_per_s: float) -> None:
        """The next build with the same files: copied inside S3, by the ledger of the one before."""
        whole, again, sent = Runs(CLIENTS[0], ""), Runs(CLIENTS[0], ""), 0
        with sink(
            latency_s=LATENCY_S, certificate=self.certificate, link_bytes_per_s=link_bytes_per_s
        ) as bucket:
            to = Place(bucket, self.certificate.authority, self.scratch)
            for turn in range(self.rounds):
                ledger = self.scratch / f"ledger-{link_bytes_per_s:.0f}-{turn}"
                whole.round(Path(sys.executable), to, files, ledger)
                again.round(Path(sys.executable), to, files, ledger)
                sent += bucket.counted().body_bytes
        self.rows.append(_row(f"**small: the next build, nothing changed, {link}**"))
        self.rows += [
            {**whole.row(files), "client": "all sent"},
            {**again.row(files), "client": f"all copied ({sent} bytes sent)"},
        ]
        ratio = again.median_s / whole.median_s
        self.judge(
            f"unchanged assets on the next build, {link}",
            f"0 bytes, <= {GOAL_COPY_RATIO:.0%} of a full upload",
            f"{sent} bytes, {ratio:.0%}",
            met=sent == 0 and ratio <= GOAL_COPY_RATIO,
        )

    def memory(self, sets: Sequence[Files]) -> None:
        self.rows.append(_row("**memory, plain loopback**"))
        most = 0.0
        with sink() as bucket:
            to = Place(bucket, self.certificate.authority, self.scratch)
            for files in sets:
                run = Runs(CLIENTS[0], "")
                run.round(Path(sys.executable), to, files)
                self.rows.append({**run.row(files), "client": f"{OURS}, {files.name}"})
                most = max(most, run.rss_mb or float("inf"))
        self.judge(
            "peak memory of any asset set",
            f"<= {GOAL_RSS_MB} MB",
            f"{most:.0f} MB ({', '.join(files.name for files in sets)})",
            met=most <= GOAL_RSS_MB,
        )

    def judge(self, figure: str, goal: str, measured: str, *, met: bool) -> None:
        self.goals.append(Goal(figure, goal, measured, met))

    def judge_small(self, best: Mapping[str, float], files: Files) -> None:
        ours = best[OURS]
        per_s = files.count / ours
        self.judge(
            f"small files, {LIKE_AWS.name}", "ahead of every peer", told(best), met=is_first(best)
        )
        self.judge(
            f"small files, {LIKE_AWS.name}",
            f">= {GOAL_PER_S:,} objects/s",
            f"{per_s:,.0f}/s",
            met=per_s >= GOAL_PER_S,
        )


def told(best: Mapping[str, float]) -> str:
    """Every client's best time, the fastest first."""
    return ", ".join(
        f"{name} {seconds:.2f} s" for name, seconds in sorted(best.items(), key=lambda at: at[1])
    )


def is_first(best: Mapping[str, float], *over: str) -> bool:
    others = [seconds for name, seconds in best.items() if name != OURS and name in (over or best)]
    return bool(others) and best[OURS] < min(others)


def made(directory: Path, name: str, sizes: Iterator[int]) -> Files:
    """Files of these sizes, the same in every run of this script."""
    home = directory / name.replace(" ", "-")
    home.mkdir()
    draw, total, count = random.Random(1), 0, 0  # noqa: S311 - no secrets
    for count, size in enumerate(sizes, 1):
        (home / f"file-{count:05}.css").write_bytes(draw.randbytes(size))
        total += size
    return Files(name, home, count, total)


def found(*, install: bool) -> Mapping[str, Path]:
    """The programs that are there; the others are said to be missing."""
    programs = {}
    for client in CLIENTS:
        if install and client.place() is None:
            print(f"installing {client.package}", flush=True)
            client.install()
        if place := client.place():
            programs[client.name] = place
        else:
            print(f"{client.name} is missing: --install installs it", file=sys.stderr)
    return programs


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--install", action="store_true", help="install peers that are missing")
    options.add_argument("--rounds", type=int, help="how often each client runs")
    given = options.parse_args()
    programs = found(install=given.install)
    count = 1000 if given.quick else 5000
    draw = random.Random(2)  # noqa: S311 - no secrets
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        rounds = given.rounds or (1 if given.quick else 3)
        bench = Bench(scratch, make_certificate(scratch), rounds, programs)
        small = made(scratch, "small", (draw.randint(4000, 40000) for _ in range(count)))
        large = made(scratch, "large", iter([64 * MIB] * (2 if given.quick else 5)))
        bench.judge_small(bench.compare(small, LIKE_AWS), small)
        plain = bench.compare(small, PLAIN)
        bench.judge(
            "small files, plain loopback", "behind no peer", told(plain), met=is_first(plain)
        )
        for network in (PLAIN, LIKE_AWS):
            best = bench.compare(large, network)
            peers = ("s5cmd", "aws-cli")
            bench.judge(
                f"large files, {network.name}",
                "ahead of s5cmd and aws-cli",
                told(best),
                met=is_first(best, *peers),
            )
        bench.unchanged(small, "a link of 100 Mbit/s", 12.5e6)
        bench.unchanged(small, "no limit of the link", 0.0)
        shutil.rmtree(small.directory)
        sets = [made(scratch, "20,000 files", iter([2000] * 20_000))]
        if not given.quick:
            sets.append(made(scratch, "2 GB", iter([64 * MIB] * 32)))
        bench.memory(sets)
    report = Report(
        "Uploads to a sink on this machine (rate: objects/s, of large files MB/s)",
        bench.rows,
        bench.goals,
        [versions(programs)],
    )
    return tell(report, given.json)


def versions(programs: Mapping[str, Path]) -> str:
    """What was measured, by its own words."""
    lines = [f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"]
    for client in CLIENTS[1:]:
        program = programs.get(client.name)
        if program is None:
            continue
        if client.program == "python":
            package = client.package or client.name
            code = f"from importlib.metadata import version; print(version('{package}'))"
            argv: list[str | Path] = [program, "-c", code]
        else:
            argv = [program, "version" if client.name != "aws-cli" else "--version"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        said = (done.stdout or done.stderr).strip().splitlines() or ["?"]
        lines.append(f"{client.name} {said[0].removeprefix(client.name).strip()}")
    return "; ".join(lines) + "."


if __name__ == "__main__":
    sys.exit(main())
