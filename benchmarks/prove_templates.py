"""Two thousand manifests, their templates judged by cfn-lint: `make prove-templates`.

Manifests are hypothesis', from 2 to 500 functions; how many of which size is in `WEIGHTS`, and
printed. Every template of a stage, nested ones included, must be within CloudFormation's limits,
without a finding, and the same when it is made again. It takes about an hour of one processor;
`--from` and `--count` do a part of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cfnlint.api import decode_str
from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner
from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from hover_async.manifest import Manifest
from hover_async.template import render
from tests.unit.manifests import large_manifests
from tests.unit.stacks import IMAGE, LOCAL, ON_AWS

WEIGHTS = {(2, 3): 120, (4, 19): 66, (20, 98): 11, (99, 300): 2, (301, 500): 1}
"""Of two hundred manifests, how many have so many functions."""
PART = 50
"""Manifests that are drawn from one seed: the seed is the part's number."""
REGION = "eu-central-1"


@dataclass
class Figures:
    """What was looked at, and what was found."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    templates: int = 0
    resources: int = 0
    most_resources: int = 0
    most_bytes: int = 0
    findings: list[str] = field(default_factory=list)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--from", dest="start", type=int, default=0, help="the first manifest")
    arguments.add_argument("--count", type=int, default=2000, help="how many")
    given_ = arguments.parse_args()
    begun, used = time.monotonic(), time.process_time()
    runner = Runner(ConfigMixIn(["--regions", REGION], regions=[REGION]))
    require_a_judge(runner)
    figures, told = Figures(), 0
    for part in range(given_.start // PART, (given_.start + given_.count) // PART):
        for stage in drawn(part):
            look_at(stage, runner, figures)
            if new := figures.findings[told:]:
                print(stage.as_written, *new, sep="\n  ", flush=True)
                told = len(figures.findings)
        print(
            f"{(part + 1) * PART - given_.start:5} manifests, {figures.templates} templates, "
            f"{len(figures.findings)} findings, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
    print(f"manifests {given_.start} to {given_.start + given_.count}, by functions:")
    for (low, high), count in sorted(figures.sizes.items()):
        print(f"  {low:3} to {high:3}: {count}")
    print(
        f"{figures.templates} templates, {figures.resources:,} resources; the largest has "
        f"{figures.most_resources} resources, {figures.most_bytes:,} bytes"
    )
    print(f"{len(figures.findings)} findings", *sorted(set(figures.findings))[:20], sep="\n  ")
    seconds = time.monotonic() - begun
    print(f"{seconds:.0f} s, {time.process_time() - used:.0f} s of processor time")
    sys.exit(1 if figures.findings else 0)


def drawn(part: int) -> list[Manifest]:
    """The manifests of this part: the same on every machine that has this hypothesis."""
    stages: list[Manifest] = []
    sizes = [size for size, weight in WEIGHTS.items() for _ in range(weight)]

    @seed(part)
    @settings(
        max_examples=PART,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(large_manifests(sizes=sizes, most_queues=4))
    def collect(stage: Manifest) -> None:
        stages.append(stage)

    collect()
    return stages[:PART]


def look_at(stage: Manifest, runner: Runner, figures: Figures) -> None:
    functions = [spec.name for spec in stage.functions]
    figures.sizes[next(size for size in WEIGHTS if size[0] <= len(functions) <= size[1])] += 1
    is_local = len(functions) % 2 == 1
    options = {"started": functions[::2], "edge": LOCAL if is_local else ON_AWS}
    template = render(stage, image_uri=IMAGE, **options)  # type: ignore[arg-type]
    if render(stage, image_uri=IMAGE, **options) != template:  # type: ignore[arg-type]
        figures.findings.append(f"{stage.name}: another template the second time")
    for body in (template.body, *(nested.body for nested in template.nested)):
        figures.templates += 1
        count, size_bytes = len(json.loads(body)["Resources"]), len(body.encode())
        figures.resources += count
        figures.most_resources = max(figures.most_resources, count)
        figures.most_bytes = max(figures.most_bytes, size_bytes)
        if count > 500 or size_bytes > 1_000_000:
            figures.findings.append(f"{stage.name}: {count} resources in {size_bytes} bytes")
        figures.findings.extend(said_by(runner, body))


def said_by(runner: Runner, body: str) -> Iterator[str]:
    content, errors = decode_str(body)
    matches = [*errors, *(runner.validate_template(content) if content else ())]
    return (f"{match.rule.id}: {match.message}" for match in matches)


def require_a_judge(runner: Runner) -> None:
    """A judge that finds nothing in a wrong template would prove nothing."""
    wrong = {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"MemorySize": 1}}}}
    assert any("E3" in said for said in said_by(runner, json.dumps(wrong)))


if __name__ == "__main__":
    main()
