"""Other ways to deploy the same build to the same AWS, and another pipeline beside a deploy.

Both other ways let the SDK repeat what is refused, in its standard mode: three attempts, with up to
1 s and 2 s between them. Neither has a pace, and neither reads an alias before it moves it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import create_task_group, current_time, sleep
from botocore.exceptions import ClientError

from benchmarks.simulated.account import Account, Run
from hover_async.concurrency import bounded_map, first_failure
from hover_async.deploy.deployment import Order
from hover_async.ports import ObjectHeaders, RegistryLogin
from hover_async.template import render, template_key
from hover_async.testing.clients.cloudformation import CloudFormationClient
from hover_async.testing.clients.lambdas import LambdaClient
from hover_async.testing.clients.s3 import S3Client
from hover_async.testing.clients.wire import Wire
from hover_async.testing.storage import StoredObject
from hover_async.values import LIVE, FunctionName, ImageRef, Role, Secret

ATTEMPTS = 3
STACK_WAITER_S = {"serial": 30.0, "gather": 5.0}
"""The SDK's waiter asks every 30 s; the other way is given a quicker one."""
VERSION_WAITER_S = 5.0
RIVAL_PER_S = 10
JSON = ObjectHeaders("application/json", "no-store")


class Sdk:
    """A client with the SDK's standard retries."""

    def __init__(self, client: Any, seed: int) -> None:
        self._client = client
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self.repeats = 0

    async def call(self, operation: str, **asked: Any) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                return await getattr(self._client, operation)(**asked)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                code = error.response["Error"]["Code"]
                if attempt + 1 == ATTEMPTS or not (status >= 429 or "Throttl" in code):
                    raise
                self.repeats += 1
                await sleep(self._random.random() * 2**attempt)
        raise AssertionError


async def serial(account: Account, order: Order) -> Run:
    """The predecessor's order: each step after the other, one request at a time.

    It does not wait until a version is Active.
    """
    return await _timed(_Plain(account, order, "serial"))


async def gather(account: Account, order: Order) -> Run:
    """The same steps, each for everything at once."""
    return await _timed(_Plain(account, order, "gather"))


async def _timed(plain: _Plain) -> Run:
    began = current_time()
    try:
        await plain.deploy()
    except (ClientError, ExceptionGroup) as failed:
        error = first_failure(failed) if isinstance(failed, ExceptionGroup) else failed
        return Run(current_time() - began, error=str(error), retried=plain.repeats)
    times = plain.moved
    skew_s = max(times) - min(times)
    return Run(current_time() - began, skew_s=skew_s, retried=plain.repeats)


class _Plain:
    """One deploy without a pace: serially, or everything of a step at once."""

    def __init__(self, account: Account, order: Order, way: str) -> None:
        self.account, self.order, self.way = account, order, way
        seed, wire, cloud = account.model.seed, account.wire, account.cloud
        self.lambdas = Sdk(LambdaClient(cloud.lambdas, wire), seed)
        self.stacks = Sdk(CloudFormationClient(cloud.stacks, wire), seed)
        self.s3 = Sdk(S3Client(cloud.assets, cloud.documents, wire), seed)
        self.moved: list[float] = []

    @property
    def repeats(self) -> int:
        return self.lambdas.repeats + self.stacks.repeats + self.s3.repeats

    async def deploy(self) -> None:
        order = self.order
        assets = range(self.account.assets)
        await self.each(assets, self.put)
        image_uri = await self.push()
        await self.update_stack(image_uri)
        names = list(order.functions)
        published = await self.each(names, self.publish)
        versions = dict(zip(names, published, strict=True))
        http, cli = order.function(Role.HTTP), order.function(Role.CLI)

        async def ping(_: object) -> None:
            await self.invoke(http, versions[http], b'{"warmer_ping": true, "hold_ms": 400}')

        await self.each(range(order.manifest.http.warm), ping)
        for command in order.manifest.deploy_commands:
            payload = f'{{"command": ["{command.argv[0]}"]}}'.encode()
            await self.invoke(cli, versions[cli], payload)

        async def move(name: FunctionName) -> None:
            await self.lambdas.call(
                "update_alias", FunctionName=name, Name=LIVE, FunctionVersion=versions[name]
            )
            self.moved.append(current_time())

        await self.each(names, move)

    async def each(self, items: Any, work: Callable[[Any], Awaitable[Any]]) -> list[Any]:
        items = list(items)
        return await bounded_map(work, items, limit=1 if self.way == "serial" else len(items))

    async def put(self, number: int) -> None:
        model = self.account.model
        async with self.account.wire.request("s3.PutObject", f"{model.seed}/{number}.js"):
            pass

    async def push(self) -> str:
        cloud, build = self.account.cloud, self.order.build
        target = ImageRef("fake", tag=build.build_id)
        login = RegistryLogin("AWS", Secret("x"))
        await cloud.images.push(build.image, target, login, lambda *_: None)
        return f"fake@{cloud.registry.images[build.build_id].digest}"

    async def update_stack(self, image_uri: str) -> None:
        order, store = self.order, self.account.cloud.assets
        template = render(
            order.manifest, image_uri=image_uri, started=order.functions, edge=order.edge
        )
        key = template_key(template.body)
        for name, body in [(key, template.body), *((n.key, n.body) for n in template.nested)]:
            store.objects[name] = StoredObject(body.encode(), JSON)
        stack = order.manifest.stack_name
        await self.stacks.call(
            "update_stack", StackName=stack, TemplateURL=store.url(key), ClientRequestToken="plain"
        )
        while True:
            await sleep(STACK_WAITER_S[self.way])
            answer = await self.stacks.call("describe_stacks", StackName=stack)
            if answer["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE":
                return

    async def publish(self, name: FunctionName) -> str:
        answer = await self.lambdas.call("publish_version", FunctionName=name)
        version = str(answer["Version"])
        while self.way == "gather":
            asked = {"FunctionName": name, "Qualifier": version}
            now = await self.lambdas.call("get_function_configuration", **asked)
            if now["State"] == "Active":
                break
            await sleep(VERSION_WAITER_S)
        return version

    async def invoke(self, name: FunctionName, version: str, payload: bytes) -> None:
        asked = {"FunctionName": name, "Qualifier": version, "Payload": payload}
        await self.lambdas.call("invoke", **asked)


async def rival(account: Account) -> None:
    """Another pipeline of the account: ten requests a second, with the SDK's retries."""
    wire = Wire(account.cloud.world, account.model)
    sdk = Sdk(LambdaClient(account.cloud.lambdas, wire), account.model.seed + 1)
    name = account.cloud.stacks.read.functions_in(
        next(iter(account.cloud.stacks.stacks.values())).template
    )

    async def ask() -> None:
        account.rival_sent += 1
        try:
            await sdk.call("get_alias", FunctionName=next(iter(name)), Name=LIVE)
        except ClientError:
            account.rival_lost += 1

    async with create_task_group() as calls:
        while True:
            calls.start_soon(ask)
            await sleep(1 / RIVAL_PER_S)
