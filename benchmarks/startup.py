"""Processor time until the command line answers, side by side with what it is made of.

    python benchmarks/startup.py [ROUNDS]

Every round runs each command once, in turn; the table shows the median and the spread of user plus
system time of the whole process. Exits 1 when `--help` needs more than the goal.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys

GOAL_S = 0.25
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "hover-async --version": ["-m", "hover_async", "--version"],
    "hover-async --help": ["-m", "hover_async", "--help"],
    "hover-async deploy --help": ["-m", "hover_async", "deploy", "--help"],
    "import aioboto3": ["-c", "import aioboto3"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User plus system time of one run, from the operating system's own accounting."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():  # warms the disk cache; not counted
        cpu_seconds(arguments)
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            seconds[name].append(cpu_seconds(arguments))
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, CPU seconds"
    )
    for name, measured in seconds.items():
        low, high = min(measured), max(measured)
        print(f"{name:<28} median {statistics.median(measured):.3f}   {low:.3f} to {high:.3f}")
    reached = statistics.median(seconds["hover-async --help"])
    met = reached <= GOAL_S
    print(
        f"goal: --help within {GOAL_S} s of CPU time: {'met' if met else 'NOT met'} ({reached:.3f})"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
