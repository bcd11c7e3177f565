"""The templates, judged by cfn-lint with AWS's published schemas."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hypothesis import Phase, given, settings

from hover_async.manifest import Manifest, load_manifest
from hover_async.template import render
from tests.unit.manifests import manifest, manifests
from tests.unit.stacks import IMAGE, LOCAL, ON_AWS

EXAMPLE = Path(__file__).parents[2] / "examples/laravel/.hover/dev.yml"
CFN_LINT = "from cfnlint.runner import main; main()"
ACCEPTED: Mapping[str, str] = {}
"""Rules whose findings we live with, and why. None."""


def test_the_example_has_no_findings(tmp_path: Path) -> None:
    """The example's template passes, for AWS as for the local AWS."""
    example = load_manifest(EXAMPLE)
    for number, edge in enumerate([ON_AWS, LOCAL]):
        started = [spec.name for spec in example.functions][: number * 2]
        template = render(example, image_uri=IMAGE, started=started, edge=edge)
        (tmp_path / f"{number}.json").write_text(template.body, encoding="utf-8")
    assert findings(tmp_path) == []


def test_stages_of_every_kind_have_no_findings(tmp_path: Path) -> None:
    """Manifests that hypothesis made up, and every template of a stage of nested ones, pass.

    `make prove-templates` does the same with 2,000 manifests of up to 500 functions.
    """
    stages: list[Manifest] = []

    @settings(max_examples=8, phases=[Phase.generate], database=None, derandomize=True)
    @given(manifests())
    def collect(stage: Manifest) -> None:
        stages.append(stage)

    collect()
    stages.append(manifest(queue={f"jobs{number}": {} for number in range(140)}))
    for number, stage in enumerate(stages):
        template = render(stage, image_uri=IMAGE, started=[])
        bodies = (template.body, *(nested.body for nested in template.nested))
        for part, body in enumerate(bodies):
            (tmp_path / f"{number}-{part}.json").write_text(body, encoding="utf-8")
    assert findings(tmp_path) == []


def findings(directory: Path) -> list[str]:
    """What cfn-lint says about the templates in `directory`, but for what is accepted."""
    ran = subprocess.run(
        [sys.executable, "-c", CFN_LINT, "--format", "json", *directory.glob("*.json")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert not ran.stderr, ran.stderr
    return [
        f"{found['Rule']['Id']}: {found['Message']} ({found['Location']['Path']})"
        for found in json.loads(ran.stdout)
        if found["Rule"]["Id"] not in ACCEPTED
    ]
