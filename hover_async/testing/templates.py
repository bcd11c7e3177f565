"""CloudFormation templates as the fake reads them: with their nested ones, which stand in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hover_async.ports import StackRequest
from hover_async.testing.storage import FakeAssetStore
from hover_async.values import FunctionName

STACK = "AWS::CloudFormation::Stack"
FUNCTION = "AWS::Lambda::Function"
Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class FunctionChange:
    """A function that an operation makes or gives another image; `place` is its nested stack."""

    name: FunctionName
    logical_id: str
    place: str
    image_uri: str
    is_new: bool


@dataclass(frozen=True)
class Templates:
    """What templates say, wherever parts of them are."""

    store: FakeAssetStore

    def body(self, request: StackRequest) -> str:
        """The template that the request means, wherever it is."""
        if not request.template_is_url:
            return request.template
        key = request.template.partition("amazonaws.com/")[2]
        return self.store.objects[key].body.decode()

    def resources(self, template: Body, place: str = "") -> Iterator[tuple[str, str, Body]]:
        """The resources of the template and of its nested ones: place, logical id, resource."""
        for logical_id, resource in template["Resources"].items():
            yield place, logical_id, resource
        for logical_id, body in self.nested(template).items():
            yield from self.resources(json.loads(body), logical_id)

    def nested(self, template: Body) -> dict[str, str]:
        """The template of each nested stack, by its logical id."""
        found: dict[str, str] = {}
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == STACK:
                path = resource["Properties"]["TemplateURL"]["Fn::Join"][1][-1]
                key = path.removeprefix("/").partition("/")[2]
                found[logical_id] = self.store.objects[key].body.decode()
        return found

    def functions_in(self, template: Body) -> dict[FunctionName, tuple[str, str]]:
        """Each function's image and place, in the template's order."""
        images = {
            logical_id: resource["Properties"]["Parameters"]["ImageUri"]
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == STACK
        }
        return {
            FunctionName(resource["Properties"]["FunctionName"]): (
                images.get(place) or resource["Properties"]["Code"]["ImageUri"],
                place,
            )
            for place, _, resource in self.resources(template)
            if resource["Type"] == FUNCTION
        }

    def changes(self, before: Body, after: Body) -> Sequence[FunctionChange]:
        """The functions that are not the same after as before."""
        stood = self.functions_in(before)
        images = self.functions_in(after)
        was = {(place, name): resource for place, name, resource in self.resources(before)}
        changes = []
        for place, logical_id, resource in self.resources(after):
            if resource["Type"] != FUNCTION:
                continue
            name = FunctionName(resource["Properties"]["FunctionName"])
            image_uri, _ = images[name]
            is_same = was.get((place, logical_id)) == resource and stood[name][0] == image_uri
            if not is_same:
                is_new = name not in stood
                changes.append(FunctionChange(name, logical_id, place, image_uri, is_new))
        return changes
