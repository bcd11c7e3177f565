"""The documentation tells what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hover_async.doctor.account import NAMES
from hover_async.manifest.model import Assets, Auth, Cli, Deploy, Http, Manifest, QueueSpec, Vpc
from hover_async.testing import Fault
from tests.process.stage import MANIFEST

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = (Manifest, Auth, Deploy, Http, Cli, QueueSpec, Vpc, Assets)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_of_the_manifest_is_documented(section: type[Manifest]) -> None:
    """A key that the model takes stands in docs/manifest.md."""
    text = (ROOT / "docs" / "manifest.md").read_text()
    keys = [str(field.alias) for field in section.model_fields.values()]
    missing = [key for key in keys if not re.search(rf"`{key}[`.]|\.{key}`", text)]
    assert missing == []


@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "CONTRIBUTING.md", "docs/deploy.md", "docs/manifest.md", "docs/secrets.md"),
        *("docs/plan.md", "docs/iam.md", "docs/doctor.md", "docs/decisions/README.md"),
        *("docs/testing.md", "docs/reliability.md"),
        *("docs/performance.md", "docs/uploads.md", "docs/dependencies.md"),
    ],
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    """No page links to a file that is not there."""
    file = ROOT / page
    links = re.findall(r"\]\((?!http)([^)#]+)\)", file.read_text())
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["reliability.md", "performance.md"])
def test_no_place_for_figures_is_empty(page: str) -> None:
    """What was not measured yet says so, and which command or test does."""
    text = (ROOT / "docs" / page).read_text()
    places = re.findall(r"<!-- figures: (.*?) -->(.*?)<!-- end of figures: \1 -->", text, re.DOTALL)
    assert len(places) == text.count("<!-- figures: ")
    assert [name for name, figures in places if "`" not in figures] == []


def test_every_check_of_the_doctor_is_documented() -> None:
    """docs/doctor.md has a row for each check by its name, and for no other."""
    text = (ROOT / "docs" / "doctor.md").read_text()
    rows = set(re.findall(r"^\| ([a-z -]+) \|", text, re.MULTILINE)) - {"check", "exit code"}
    assert rows == {
        *NAMES,
        *("build", "plain secrets", "encrypted secrets", "docker", "template", "region"),
    }


def test_every_fault_is_documented() -> None:
    """docs/testing.md has each fault by its name."""
    text = (ROOT / "docs" / "testing.md").read_text()
    assert [fault.name for fault in Fault if f"`{fault.name}`" not in text] == []


def test_the_example_of_testing_passes(tmp_path: Path) -> None:
    """The test that docs/testing.md shows is one."""
    text = (ROOT / "docs" / "testing.md").read_text()
    shown = text.partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {}
    exec(shown, namespace)  # noqa: S102 - our own documentation
    manifest = tmp_path / "dev.yml"
    manifest.write_text(MANIFEST)
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(namespace["test_a_release_that_fails_is_told"], manifest, clock=clock)
