"""Which function stands in which stack, and that it stays there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hover_async.errors import UsageError
from hover_async.manifest import Manifest
from hover_async.template import OWN, Places, Template, render
from tests.unit.manifests import large_manifests, manifest
from tests.unit.stacks import IMAGE
from tests.unit.test_template import INTRINSICS, intrinsics, strings

OTHER_IMAGE = IMAGE.replace("a" * 64, "b" * 64)
NESTED = "AWS::CloudFormation::Stack"


def stage_of(*keys: str) -> Manifest:
    return manifest(queue={key: {} for key in keys})


def stood(stage: Manifest, standing: Places | None = None, *, image_uri: str = IMAGE) -> Template:
    return render(stage, image_uri=image_uri, started=[], standing=standing)


def bodies(template: Template) -> dict[str, dict[str, Any]]:
    """Every template, by the logical id of its stack."""
    nested = {each.logical_id: json.loads(each.body) for each in template.nested}
    return {OWN: json.loads(template.body), **nested}


@pytest.mark.parametrize("functions", [2, 3, 19, 98])
def test_a_stage_of_a_hundred_functions_is_one_stack(functions: int) -> None:
    """Nested stacks cost time in every deploy, so a stage has none that can do without."""
    template = stood(stage_of(*(f"jobs-{number}" for number in range(functions - 2))))
    assert len(template.functions) == functions
    assert not template.nested


@pytest.mark.parametrize("functions", [300, 500])
def test_a_large_stage_is_several_stacks(functions: int) -> None:
    """Every function stands in one stack, and every stack has room for what it has to grow."""
    template = stood(stage_of(*(f"jobs-{number}" for number in range(functions - 2))))
    assert template.nested
    found = [
        resource["Properties"]["FunctionName"]
        for body in bodies(template).values()
        for resource in body["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    assert sorted(found) == sorted(spec.name for spec in template.functions)
    for body in bodies(template).values():
        assert len(body["Resources"]) <= 420


@settings(max_examples=30, deadline=None)
@given(large_manifests())
def test_every_template_is_within_cloudformations_limits(stage: Manifest) -> None:
    """Whatever the manifest, from 2 to 500 functions: resources, bytes, parameters, outputs; and
    the same manifest gives the same templates."""
    template = stood(stage)
    assert template == stood(stage)
    for body in (template.body, *(each.body for each in template.nested)):
        content = json.loads(body)
        assert len(content["Resources"]) <= 500
        assert len(body.encode()) <= 1_000_000
        assert len(content.get("Outputs", {})) <= 200
        assert all(len(logical_id) <= 255 for logical_id in content["Resources"])


@settings(max_examples=20, deadline=None)
@given(large_manifests(sizes=[(140, 300)]))
def test_no_text_of_a_manifest_is_more_than_text_in_a_nested_stack(stage: Manifest) -> None:
    """Every intrinsic is one of ours and refers to something of its own template, and no string
    holds what CloudFormation would substitute or resolve."""
    for body in bodies(stood(stage)).values():
        known = {*body["Resources"], *body.get("Parameters", {})}
        for name, value in intrinsics(body["Resources"]):
            assert name in INTRINSICS
            if name in {"Ref", "Fn::GetAtt"}:
                target = value if name == "Ref" else value[0]
                assert target in known or target.startswith("AWS::")
        assert not [text for text in strings(body) if "${" in text or "{{" in text]


@settings(max_examples=30, deadline=None)
@given(large_manifests())
def test_another_image_is_another_parameter_and_nothing_else(stage: Manifest) -> None:
    """Two deploys of a manifest differ in `ImageUri` alone; nested templates, and the keys they are
    stored under, are the same."""
    before, after = stood(stage), stood(stage, image_uri=OTHER_IMAGE)
    assert before.nested == after.nested
    assert changed(json.loads(before.body), json.loads(after.body)) <= {"ImageUri"}
    uris = after.body.count(f'"ImageUri":"{OTHER_IMAGE}"')
    assert uris == list(after.places.values()).count(OWN) + len(after.nested)


def changed(before: Any, after: Any, key: str = "") -> set[str]:
    """The keys whose values differ."""
    if isinstance(before, dict) and isinstance(after, dict) and set(before) == set(after):
        return {name for each in before for name in changed(before[each], after[each], each)}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {
            name for old, new in zip(before, after, strict=True) for name in changed(old, new, key)
        }
    return set() if before == after else {key}


def test_bytes_fill_a_stack_as_well_as_resources() -> None:
    """Fifty tags of full length on each function make more stacks, none of them above 1 MB."""
    tags = {f"{number:02}" + "k" * 126: "v" * 256 for number in range(50)}
    stage = manifest(queue={f"jobs-{number}": {} for number in range(298)}, tags=tags)
    template = stood(stage)
    assert len(template.nested) >= 7
    for body in (template.body, *(each.body for each in template.nested)):
        assert len(body.encode()) <= 1_000_000


KEYS = [f"jobs-{number}" for number in range(400)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 400), st.booleans()), min_size=2, max_size=5
    )
)
def test_no_function_ever_changes_its_stack(deploys: list[tuple[int, int, bool]]) -> None:
    """Whatever is added, renamed, removed or put into another order, from deploy to deploy: who
    stood stays where it stood, and every stack stays within its limits."""
    standing: Places = {}
    for start, end, is_reversed in deploys:
        keys = KEYS[min(start, end) : max(start, end)]
        stage = stage_of(*(reversed(keys) if is_reversed else keys))
        places = stood(stage, standing).places
        assert {name: place for name, place in standing.items() if name in places} == {
            name: place for name, place in places.items() if name in standing
        }
        standing = places


def test_growing_over_the_border_touches_nothing_that_stands() -> None:
    """The stack of a stage that grows from one to several keeps every resource as it is."""
    before = stood(stage_of(*KEYS[:120]))
    assert not before.nested
    after = stood(stage_of(*KEYS[:240]), before.places)
    own = json.loads(after.body)["Resources"]
    assert after.nested
    assert json.loads(before.body)["Resources"].items() <= own.items()
    beyond = [key for key, value in own.items() if value["Type"] == NESTED]
    assert beyond == [each.logical_id for each in after.nested]


def test_one_function_more_leaves_the_other_stacks_alone() -> None:
    """Adding, renaming or removing a queue function changes one nested template at most."""
    before = stood(stage_of(*KEYS[:300]))
    for keys in (KEYS[:301], [*KEYS[:299], "renamed"], KEYS[:299]):
        after = stood(stage_of(*keys), before.places)
        same = {each.key for each in before.nested} & {each.key for each in after.nested}
        assert len(same) >= len(before.nested) - 1


def test_a_nested_stack_gets_what_it_cannot_know() -> None:
    """Image and assets' origin are parameters, and its template lies in the stage's bucket."""
    template = stood(stage_of(*KEYS[:200]))
    (nested,) = template.nested
    given = json.loads(template.body)["Resources"][nested.logical_id]["Properties"]
    assert given["TemplateURL"]["Fn::Join"][1][-1] == f"/shop-dev-assets/{nested.key}"
    assert given["Parameters"]["ImageUri"] == IMAGE
    origin = {"Fn::GetAtt": ["Distribution", "DomainName"]}
    assert given["Parameters"]["AssetOrigin"] == {"Fn::Join": ["", ["https://", origin]]}
    content = json.loads(nested.body)
    assert set(content["Parameters"]) == {"ImageUri", "AssetOrigin"}
    assert IMAGE not in nested.body


def test_http_and_cli_stand_in_the_stages_own_stack() -> None:
    """Whatever somebody says about where they stand."""
    stage = manifest()
    elsewhere = {spec.name: "Workers1" for spec in stage.functions}
    assert set(stood(stage, elsewhere).places.values()) == {OWN}


def test_a_function_that_outgrows_its_stack_is_refused() -> None:
    """What CloudFormation would refuse is refused before anything is sent, with what to do."""
    stage = manifest(queue={"jobs": {"queues": [f"q{number}" for number in range(500)]}})
    with pytest.raises(UsageError, match=r"would have 502 resources in .* takes 500") as caught:
        stood(stage)
    assert caught.value.hint
