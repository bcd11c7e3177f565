"""The whole template, from its parts: the stage's own stack and the nested ones that it needs.

Where functions stand is decided in `split.py`, who they are in `crew.py`. A nested template knows
nothing of the image: it is a parameter, so that a deploy of the same manifest leaves the nested
templates, and the keys they are stored under, as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hover_async.errors import UsageError
from hover_async.manifest import Manifest
from hover_async.template.alarms import api_alarm, dead_letter_alarm, function_alarm
from hover_async.template.assets import assets
from hover_async.template.cdn import DISTRIBUTION, cdn
from hover_async.template.crew import Crew, Section, crew
from hover_async.template.functions import edge_origin, function
from hover_async.template.http import API, api_url, http
from hover_async.template.parts import Resources, attribute, join, ref, resource
from hover_async.template.queues import consumer
from hover_async.template.schedules import schedules
from hover_async.template.split import MOST, OWN, Places, Size, split
from hover_async.values import Edge, FunctionName, FunctionSpec, Role

ON_AWS = Edge()
IMAGE, ASSETS = "ImageUri", "AssetOrigin"
"""The parameters of a nested template."""


@dataclass(frozen=True)
class Nested:
    """A nested stack's template, and the key of the stage's bucket it is to be stored under."""

    logical_id: str
    key: str
    body: str


@dataclass(frozen=True)
class Template:
    """A template as CloudFormation takes it: compact JSON, the same for the same input.

    `functions` and `places` tell who stands in it, and in which of its stacks; `size_bytes` and
    `resource_count` are those of `body`, the stage's own stack. `touched` is how many resources an
    operation creates or updates at most: all of what is new, and of what stands each function.
    """

    body: str
    nested: tuple[Nested, ...]
    functions: tuple[FunctionSpec, ...]
    places: Places
    size_bytes: int
    resource_count: int
    touched: int = field(default=0, compare=False)


def render(
    manifest: Manifest,
    *,
    image_uri: str,
    started: Collection[FunctionName],
    edge: Edge = ON_AWS,
    before: Manifest | None = None,
    standing: Places | None = None,
) -> Template:
    """The stage's template.

    Functions in `started` were live before and get work: queue messages, schedules. `edge` is
    how visitors reach the distribution. `before` is the manifest of what is live: what it has and
    this one has not stays. `standing` is where functions stand now: there they stay.
    Raises `UsageError` when a stack becomes larger than CloudFormation takes.
    """
    workforce = crew(manifest, started=started, before=before)
    fixed = {
        **cdn(manifest, edge=edge),
        **assets(manifest),
        **http(manifest),
        **api_alarm(manifest, API),
        **schedules(manifest, started=started),
    }
    nested_form = {
        section.function.name: _share(manifest, workforce, section, ref(IMAGE), ref(ASSETS))
        for section in workforce.sections
    }
    places = split(
        ((name, _size(share)) for name, share in nested_form.items()),
        fixed=_size(fixed),
        at_home=[spec.name for spec in manifest.functions if spec.role is not Role.QUEUE],
        standing=standing or {},
    )
    origin = edge_origin(edge)
    own = dict(fixed)
    others: dict[str, Resources] = {}
    for section in workforce.sections:
        name = section.function.name
        if places[name] == OWN:
            own |= _share(manifest, workforce, section, image_uri, origin)
        else:
            others.setdefault(places[name], {}).update(nested_form[name])
    nested = tuple(_nested(manifest, place, others[place]) for place in sorted(others))
    own |= {
        each.logical_id: _stack(manifest, each, {IMAGE: image_uri, ASSETS: origin})
        for each in nested
    }
    body = _compact(manifest, own, Outputs=_outputs())
    _require_size(manifest, len(own), body)
    for each in nested:
        _require_size(manifest, len(others[each.logical_id]), each.body)
    touched = len(fixed) + sum(
        1 if name in (standing or {}) else len(share) for name, share in nested_form.items()
    )
    return Template(
        body, nested, workforce.functions, places, len(body.encode()), len(own), touched
    )


def _share(
    manifest: Manifest, workforce: Crew, section: Section, image_uri: object, origin: object
) -> Resources:
    """Everything that stands and falls with one function."""
    share = function(manifest, section, image_uri=image_uri, asset_origin=origin)
    share |= function_alarm(manifest, section)
    for given in workforce.consumers_of(section.function):
        share |= consumer(manifest.name, given)
        share |= dead_letter_alarm(manifest, given)
    return share


def _nested(manifest: Manifest, place: str, resources: Resources) -> Nested:
    parameters = {name: {"Type": "String"} for name in (IMAGE, ASSETS)}
    body = _compact(manifest, resources, Parameters=parameters)
    return Nested(place, template_key(body), body)


def template_key(body: str) -> str:
    """Where a template is stored: the same one always under the same key, another never there."""
    return f"hover/templates/{hashlib.sha256(body.encode()).hexdigest()}.json"


def _stack(manifest: Manifest, nested: Nested, parameters: Mapping[str, object]) -> Any:
    """By path, not by host: a bucket's name with dots would fit no certificate."""
    host = ("https://s3.", ref("AWS::Region"), ".", ref("AWS::URLSuffix"))
    return resource(
        "AWS::CloudFormation::Stack",
        {
            "TemplateURL": join(*host, f"/{manifest.bucket}/{nested.key}"),
            "Parameters": dict(parameters),
        },
    )


def _compact(manifest: Manifest, resources: Resources, **more: object) -> str:
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{manifest.name}: a Laravel application, deployed by hover-async",
        "Resources": resources,
        **more,
    }
    return _json(template)


def _json(value: object) -> str:
    # Not escaped: YAML parsers, cfn-lint's among them, stumble over JSON's pairs of surrogates.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _size(resources: Resources) -> Size:
    return Size(len(resources), len(_json(resources).encode()))


def _require_size(manifest: Manifest, resource_count: int, body: str) -> None:
    size = Size(resource_count, len(body.encode()))
    if not size.fits(MOST):
        raise UsageError(
            f"a stack of stage '{manifest.name}' would have {size.resources} resources in "
            f"{size.size_bytes:,} bytes; CloudFormation takes {MOST.resources} in "
            f"{MOST.size_bytes:,}",
            hint="give some of the queues to a new queue function: it gets a stack with room",
        )


def _outputs() -> dict[str, Any]:
    values = {
        "ApiId": ref(API),
        "ApiUrl": api_url(),
        "DistributionDomain": attribute(DISTRIBUTION, "DomainName"),
        "DistributionId": ref(DISTRIBUTION),
    }
    return {name: {"Value": value} for name, value in values.items()}
