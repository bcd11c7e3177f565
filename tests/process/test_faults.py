"""FakeCloud's processes: what each fault does, and what a killed process may still do."""

from __future__ import annotations

import pytest

from hover_async.errors import (
    AccessDenied,
    CredentialsError,
    DockerUnavailable,
    HoverError,
    OutcomeUnknown,
    PushFailed,
    Throttled,
)
from hover_async.testing import FakeCloud, Fault, Killed, Process
from hover_async.testing.lambdas import FakeFunction
from hover_async.values import LATEST, FunctionName
from tests.process.stage import Stage
from tests.process.trial import replayed

HTTP = FunctionName("shop-dev-http")
KEY = "hover/x.json"


@pytest.fixture
def cloud() -> FakeCloud:
    cloud = FakeCloud()
    cloud.lambdas.functions[HTTP] = FakeFunction("repository@sha256:a")
    return cloud


@pytest.mark.parametrize(
    ("fault", "kind", "has_effect"),
    [
        (Fault.THROTTLED, Throttled, False),
        (Fault.ERROR_BEFORE, OutcomeUnknown, False),
        (Fault.ERROR_AFTER, OutcomeUnknown, True),
        (Fault.TIMEOUT_BEFORE, OutcomeUnknown, False),
        (Fault.TIMEOUT_AFTER, OutcomeUnknown, True),
        (Fault.RESET, OutcomeUnknown, True),
        (Fault.MALFORMED, OutcomeUnknown, True),
        (Fault.EXPIRED, CredentialsError, False),
        (Fault.DENIED, AccessDenied, False),
        (Fault.KILLED_BEFORE, Killed, False),
        (Fault.KILLED_AFTER, Killed, True),
    ],
)
def test_a_fault(
    cloud: FakeCloud, fault: Fault, kind: type[BaseException], *, has_effect: bool
) -> None:
    """A fault raises what a port raises, before the request's effect or after it."""
    process = Process(cloud)
    process.inject(fault, "documents.create", KEY)

    async def create() -> None:
        with pytest.raises(kind):
            await process.ports.documents.create(KEY, b"1")

    replayed(create)
    assert (KEY in cloud.documents.documents) is has_effect
    assert [met for met, _ in process.met] == [fault]
    assert len(process.done) == has_effect


def test_a_killed_process_gets_nothing_through(cloud: FakeCloud) -> None:
    """Not even what cleans up; another process of the same cloud goes on."""
    killed, other = Process(cloud), Process(cloud)
    killed.inject(Fault.KILLED_ANSWERED, "documents.create")

    async def work() -> None:
        etag = await killed.ports.documents.create(KEY, b"1")
        with pytest.raises(Killed):
            await killed.ports.documents.delete(KEY, etag)
        await other.ports.documents.delete(KEY, etag)

    with pytest.raises(Killed):
        replayed(work)
    assert KEY in cloud.documents.documents
    assert killed.is_killed
    assert not other.is_killed


def test_expired_credentials_stay_so(cloud: FakeCloud) -> None:
    """Every later request to AWS is refused too; the Docker Engine needs none of them."""
    process = Process(cloud)
    process.inject(Fault.EXPIRED, "documents.read")

    async def work() -> None:
        with pytest.raises(CredentialsError):
            await process.ports.documents.read(KEY)
        with pytest.raises(CredentialsError):
            await process.ports.functions.state(HTTP, LATEST)
        assert await process.images.inspect("image") is None

    replayed(work)


def test_thirty_seconds_of_throttling_end(cloud: FakeCloud) -> None:
    """Until then every request of that name is refused, and no other one."""
    import anyio

    process = Process(cloud)
    process.inject(Fault.THROTTLED_30_S, "documents.read")

    async def work() -> None:
        for _ in range(2):
            with pytest.raises(Throttled):
                await process.ports.documents.read(KEY)
        await process.ports.documents.keys("")
        await anyio.sleep(30)
        assert await process.ports.documents.read(KEY) is None

    replayed(work)


def test_a_stale_read_answers_as_before(cloud: FakeCloud) -> None:
    """The last answer to the very same question comes again, once."""
    process = Process(cloud)
    process.inject(Fault.STALE, "functions.state", HTTP, occurrence=2)

    async def image() -> str:
        return (await process.ports.functions.state(HTTP, LATEST)).image_uri

    async def work() -> list[str]:
        first = await image()
        cloud.lambdas.functions[HTTP].image_uri = "repository@sha256:b"
        return [first, await image(), await image()]

    old, new = "repository@sha256:a", "repository@sha256:b"
    assert replayed(work) == [old, old, new]
    assert process.was_stale


def test_a_request_is_met_by_its_number_or_its_occurrence(cloud: FakeCloud) -> None:
    """Faults find their request among others of the same name."""
    process = Process(cloud)
    process.inject(Fault.DENIED, "documents.read", "b", occurrence=2)
    process.inject_at(Fault.THROTTLED, 2)

    async def ended(key: str) -> str:
        try:
            await process.ports.documents.read(key)
        except HoverError as error:
            return type(error).__name__
        return "read"

    async def work() -> list[str]:
        return [await ended(key) for key in ["a", "a", "b", "b", "a"]]

    assert replayed(work) == ["read", "Throttled", "read", "AccessDenied", "AccessDenied"]
    assert [str(sent) for sent in process.sent][1::2] == [
        "documents.read a (no. 2)",
        "documents.read b (no. 2)",
    ]


def test_a_rival_comes_first(cloud: FakeCloud) -> None:
    """What the rival does is done when the request has its effect."""
    process = Process(cloud)
    process.rival = lambda _: bool(cloud.lambdas.functions.pop(HTTP))
    process.inject(Fault.RIVAL, "functions.state")

    async def work() -> None:
        with pytest.raises(HoverError, match="no function"):
            await process.ports.functions.state(HTTP, LATEST)

    replayed(work)


@pytest.mark.parametrize(
    ("name", "kind"), [("images.inspect", DockerUnavailable), ("images.push", PushFailed)]
)
def test_docker_fails_in_its_own_words(stage: Stage, name: str, kind: type[BaseException]) -> None:
    """What befalls the engine is an error of Docker, not of AWS."""
    from hover_async.deploy.process import deploy_build

    process = Process(stage.cloud)
    process.inject(Fault.TIMEOUT_BEFORE, name)
    order = stage.build()

    async def work() -> None:
        with pytest.raises(kind):
            await deploy_build(order, process.ports, process.images, stage.report)

    replayed(work)


def test_a_slow_request_arrives(cloud: FakeCloud) -> None:
    """A hundred times slower is five seconds, and no failure."""
    import trio

    process = Process(cloud)
    process.inject(Fault.SLOW, "documents.read")

    async def work() -> float:
        began = trio.current_time()
        await process.ports.documents.read(KEY)
        return trio.current_time() - began

    assert replayed(work) == pytest.approx(5.05)
