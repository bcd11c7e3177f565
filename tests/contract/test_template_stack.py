"""The template, as CloudFormation makes and updates it."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPConnection
from urllib.parse import urlsplit

import anyio.to_thread
import pytest

from hover_async.deploy.confirm import confirm
from hover_async.deploy.foresee import foresee
from hover_async.deploy.logs import ensure_log_groups
from hover_async.deploy.provision import Stack, provision_stack
from hover_async.deploy.queues import ensure_queues
from hover_async.errors import StackFailed
from hover_async.events import Event
from hover_async.local import LocalAws
from hover_async.manifest import Manifest
from hover_async.ports import ObjectHeaders, StackRequest
from hover_async.template import Nested, Places, Template, render, template_key
from hover_async.template.difference import difference
from hover_async.values import LATEST, LIVE, Digest, Edge, FunctionName
from tests.contract.conftest import Backend
from tests.unit.manifests import manifest

pytestmark = pytest.mark.anyio

BUILD = "b20261123T063100Z-7f3a9c1d"


@dataclass(frozen=True)
class Answer:
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Visit:
    """Requests to a distribution of the local AWS, whose name Python cannot resolve."""

    host: str
    port: int

    async def __call__(self, path: str, headers: Mapping[str, str]) -> Answer:
        return await anyio.to_thread.run_sync(self._get, path, {"Host": self.host, **headers})

    def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        connection = HTTPConnection("localhost", self.port, timeout=60)
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (answer.status, body)
        return Answer(body, {key.lower(): value for key, value in answer.getheaders()})


@dataclass
class Stage:
    """A stage on the local AWS, deployed as far as its stack."""

    backend: Backend
    manifest: Manifest
    edge: Edge
    events: list[Event] = field(default_factory=list)

    @property
    def functions(self) -> list[FunctionName]:
        return [spec.name for spec in self.manifest.functions]

    def visit(self, domain: str) -> Visit:
        """How a visitor asks the distribution at `domain`."""
        host = urlsplit(self.edge.url_of(domain)).netloc
        return Visit(host, urlsplit(f"//{host}").port or 80)

    async def stand(
        self,
        image: Digest,
        *,
        started: Collection[FunctionName] = (),
        standing: Places | None = None,
    ) -> Stack:
        """The stack with this image."""
        cloud = self.backend.cloud
        await cloud.assets.ensure_bucket()
        await ensure_log_groups(self.manifest, cloud.logs)
        await ensure_queues(self.manifest, cloud.queues, self.events.append)
        template = self.template(image, started=started, standing=standing)
        self.events.clear()
        return await provision_stack(
            self.manifest.stack_name,
            template,
            cloud.stacks,
            cloud.assets,
            self.events.append,
            role_arn=self.manifest.auth.stack_role,
            tags={},
            token=f"stand-{secrets.token_hex(8)}",
        )

    def template(
        self,
        image: Digest,
        *,
        started: Collection[FunctionName] = (),
        standing: Places | None = None,
    ) -> Template:
        return render(
            self.manifest,
            image_uri=self.backend.cloud.registry.deployable(image),
            started=started,
            edge=self.edge,
            standing=standing,
        )


@pytest.fixture
async def stage(backend: Backend, ministack: LocalAws) -> Stage:
    """A stage with everything in it: FIFO, dead letters, tags, a schedule and a warmer."""
    repository = await backend.cloud.registry.ensure_repository()
    written = manifest(
        name=repository.rpartition("/")[2],
        region=ministack.region,
        queue={
            "default": {"queues": ["default", "mails.fifo"], "dead-letter": True, "tries": 2},
            "slow-jobs": {"timeout": 900, "max-concurrency": 2},
        },
        tags={"team": "shop"},
        alarms={"topic": f"arn:aws:sns:{ministack.region}:000000000000:on-call"},
        ephemeral_storage=1024,
    )
    edge = Edge(ministack.edge_url, f"localhost:{ministack.port}")
    return Stage(backend, written, edge)


async def test_a_stage_stands_with_all_its_outputs(stage: Stage) -> None:
    """The stack is complete, every function has its alias, and visitors have a domain."""
    stack = await stage.stand(await stage.backend.push("one", build="one"))
    assert stack.done == "created"
    assert set(stack.functions) == set(stage.functions)
    assert set(stack.outputs) == {"ApiId", "ApiUrl", "DistributionDomain", "DistributionId"}
    assert stack.outputs["DistributionDomain"].endswith(".cloudfront.net")
    for function in stage.functions:
        alias = await stage.backend.cloud.functions.alias(function, LIVE)
        assert alias
        assert alias.version == LATEST


async def test_another_image_moves_no_alias(stage: Stage) -> None:
    """An update gives every function the new image and leaves every alias's revision alone; the
    same template again is no update at all."""
    functions = stage.backend.cloud.functions
    one, two = [await stage.backend.push(tag, build=tag) for tag in ("one", "two")]
    await stage.stand(one)
    before = [await functions.alias(name, LIVE) for name in stage.functions]
    assert (await stage.stand(two)).done == "updated"
    assert [await functions.alias(name, LIVE) for name in stage.functions] == before
    for function in stage.functions:
        assert (await functions.state(function, LATEST)).image_uri.endswith(two)
    assert (await stage.stand(two)).done == "unchanged"


async def test_nested_stacks_get_another_image_as_well(stage: Stage) -> None:
    """Functions in nested stacks are listed with their place, get the new image, and keep their
    alias; what stands in a nested stack can go, and leave the others alone."""
    functions = stage.backend.cloud.functions
    one, two = [await stage.backend.push(tag, build=tag) for tag in ("one", "two")]
    http, cli, default, slow = stage.functions
    standing = {default: "Workers1", slow: "Workers2"}
    await stage.stand(one, standing=standing)
    places = {http: "", cli: "", **standing}
    assert await stage.backend.cloud.stacks.functions(stage.manifest.stack_name) == places
    before = [await functions.alias(name, LIVE) for name in stage.functions]
    assert (await stage.stand(two, started=[default], standing=standing)).done == "updated"
    assert [await functions.alias(name, LIVE) for name in stage.functions] == before
    for function in stage.functions:
        assert (await functions.state(function, LATEST)).image_uri.endswith(two)

    without = {key: spec for key, spec in stage.manifest.queues.items() if key != "default"}
    stage.manifest = stage.manifest.model_copy(update={"queues": without})
    await stage.stand(two, standing=standing)
    left = await stage.backend.cloud.stacks.functions(stage.manifest.stack_name)
    assert left == {http: "", cli: "", slow: "Workers2"}
    assert [await functions.alias(name, LIVE) for name in (http, cli, slow)] == [
        before[0],
        before[1],
        before[3],
    ]


async def test_a_plan_sees_into_nested_stacks(stage: Stage) -> None:
    """The deployed templates are read with their places; in the difference a new image is seen
    where it has its effect, also where CloudFormation looks at the outer stack alone."""
    cloud, name = stage.backend.cloud, stage.manifest.stack_name
    _, _, default, slow = stage.functions
    standing = {default: "Workers1", slow: "Workers2"}
    await stage.stand(await stage.backend.push("one", build="one"), standing=standing)
    after = stage.template(await stage.backend.push("two", build="two"), standing=standing)
    before = await cloud.stacks.templates(name)
    nested = {each.logical_id: each.body for each in after.nested}
    assert before.keys() == {"", "Workers1", "Workers2"}
    changes = difference(before, {"": after.body, **nested})
    assert {change.stack for change in changes if change.kind == "AWS::Lambda::Function"} == {
        "",
        "Workers1",
        "Workers2",
    }
    request = StackRequest(name, after.body, False, None, {}, f"plan-{secrets.token_hex(8)}")
    foreseen = await foresee(
        request, cloud.stacks, cloud.change_sets, stage.events.append, creates=False
    )
    confirmed = confirm(changes, foreseen)
    # MiniStack's change sets leave nested stacks out; AWS's have one of each.
    assert confirmed.remarks == ("CloudFormation did not look into Workers1, Workers2",)
    assert [(each.stack, each.logical_id, each.action) for each in confirmed.changes] == [
        (each.stack, each.logical_id, each.action) for each in changes
    ]


async def test_starting_the_workers_moves_no_alias(stage: Stage) -> None:
    """Consumers and rules are switched on by an update of the stack that no alias notices."""
    functions = stage.backend.cloud.functions
    one = await stage.backend.push("one", build="one")
    await stage.stand(one)
    before = [await functions.alias(name, LIVE) for name in stage.functions]
    assert (await stage.stand(one, started=stage.functions)).done == "updated"
    assert [await functions.alias(name, LIVE) for name in stage.functions] == before


async def test_a_visitor_reaches_the_function_and_the_assets(stage: Stage) -> None:
    """Through the distribution, a page comes from what `live` points to, with all that the visitor
    sent, and what lies under a build's directory comes from the private bucket."""
    stack = await stage.stand(await stage.backend.push("one", build="one"))
    asset = f"{BUILD}/app.css"
    body = b"body{}"
    headers = ObjectHeaders("text/css; charset=utf-8", "max-age=5")
    checksum = b64encode(sha256(body).digest()).decode()
    await stage.backend.cloud.assets.put(asset, body, headers, sha256=checksum)
    visit = stage.visit(stack.outputs["DistributionDomain"])

    page = json.loads((await visit("/a%20b?x=1&x=2", {"Cookie": "c=d"})).body)
    assert page["build"] == "one"
    event = page["event"]
    assert (event["rawPath"], event["rawQueryString"]) == ("/a b", "x=1&x=2")
    # API Gateway has cookies apart from the headers; MiniStack leaves them there.
    assert "c=d" in [*event.get("cookies", []), event["headers"].get("cookie")]
    assert event["headers"]["x-forwarded-host"] == visit.host

    answer = await visit(f"/{asset}", {})
    assert answer.body == body
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "max-age=5"


async def test_a_nested_stack_tells_why_it_failed(stage: Stage) -> None:
    """A failure inside a nested stack is told with its own reason."""
    cloud = stage.backend.cloud
    await cloud.assets.ensure_bucket()
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 10**8}}
    inner = json.dumps({"Resources": {"Jobs": queue}})
    nested = Nested("Workers1", template_key(inner), inner)
    url = cloud.assets.url(nested.key)
    outer = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    body = json.dumps({"Resources": {"Workers1": outer}})
    template = Template(body, (nested,), (), {}, len(body), 1)
    with pytest.raises(StackFailed) as caught:
        await provision_stack(
            stage.manifest.stack_name,
            template,
            cloud.stacks,
            cloud.assets,
            stage.events.append,
            role_arn=None,
            tags={},
            token=f"fail-{secrets.token_hex(8)}",
        )
    (reason,) = caught.value.reasons
    assert reason.startswith("Workers1")
    assert "VisibilityTimeout" in reason
