"""The doctor on the fake cloud: every check, well and ill."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
import trio
import trio.testing
import yaml

from hover_async.build_record import ASSETS, MANIFEST, BuildRecord, write_record
from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.deploy.records import LIVE_KEY
from hover_async.doctor.diagnosis import Diagnosis, Result
from hover_async.doctor.examine import examine
from hover_async.doctor.machine import Engine, Patient
from hover_async.errors import (
    AccessDenied,
    CredentialsError,
    DockerUnavailable,
    EndpointUnreachable,
    HoverError,
)
from hover_async.manifest import load_manifest
from hover_async.ports import (
    BucketState,
    Certificate,
    Cloud,
    Concurrency,
    DataKey,
    Document,
    ImageInfo,
)
from hover_async.secrets.sealing import seal
from hover_async.testing import FakeCloud
from hover_async.testing.queues import FakeQueue
from hover_async.testing.stacks import FakeStack
from hover_async.values import AWS_EDGE, Architecture, BuildId, FunctionName, Secret

BUILD = BuildId("b20261123T063100Z-7f3a9c1d")
STACK_ROLE = "arn:aws:iam::123456789012:role/stack"
LAMBDA_ROLE = "arn:aws:iam::123456789012:role/lambda"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0-1"
MANIFEST_TEXT = f"""
name: shop-dev
region: us-east-1
auth:
  stack-role: {STACK_ROLE}
  lambda-role: {LAMBDA_ROLE}
http: {{warm: 3, domains: [www.example.com, api.example.org], certificate: '{CERTIFICATE}'}}
queue:
  jobs: {{queues: [default], concurrency: 50}}
"""
EVERY_CHECK = {
    *("build", "plain secrets", "docker", "template", "region", "credentials", "clock"),
    *("stack-role", "lambda-role", "concurrency", "bucket", "repository", "stack", "lock"),
    *("direct lane", "certificate", "validation", "encrypted secrets", "secrets key"),
    *("queues", "log groups"),
}


class Clinic:
    """A project and a cloud in good health, until a test makes something ill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest_text = MANIFEST_TEXT
        self.cloud = FakeCloud()
        self.engine_error: HoverError | None = None
        self.cloud_error: HoverError | None = None
        self.opening_s = 0.0
        self.is_local = False
        self.cloud.facts.certificates[CERTIFICATE] = Certificate(
            "ISSUED", ["*.example.com", "api.example.org"]
        )
        self.cloud.images.local["dev:1"] = ImageInfo("sha256:1", Architecture.X86_64, 1_000_000)
        (root / ASSETS).mkdir(parents=True)
        (root / MANIFEST).write_text(MANIFEST_TEXT)
        self.build("dev")

    def build(self, stage: str) -> None:
        record = BuildRecord(
            stage,
            BUILD,
            "dev:1",
            "sha256:1",
            Architecture.X86_64,
            "hash",
            datetime(2026, 11, 23, tzinfo=UTC),
            None,
        )
        write_record(self.root, record)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        if self.engine_error:
            raise self.engine_error
        yield self.cloud.images

    @asynccontextmanager
    async def open_cloud(self) -> AsyncIterator[Cloud]:
        await anyio.sleep(self.opening_s)
        if self.cloud_error:
            raise self.cloud_error
        yield self.cloud.ports

    def examine(self) -> Diagnosis:
        (self.root / "dev.yml").write_text(self.manifest_text)
        manifest = load_manifest(self.root / "dev.yml")
        patient = Patient(self.root, "dev", manifest, AWS_EDGE, is_local=self.is_local)
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(lambda: examine(patient, self.engine, self.open_cloud), clock=clock)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


def result(diagnosis: Diagnosis, check: str) -> Result:
    (found,) = [result for result in diagnosis.results if result.check == check]
    return found


def test_all_is_well(clinic: Clinic) -> None:
    """Of a stage in order every check says ok, and what it found."""
    diagnosis = clinic.examine()
    assert {result.check for result in diagnosis.results} == EVERY_CHECK
    assert {result.health for result in diagnosis.results} == {"ok"}
    assert all(result.found for result in diagnosis.results)
    assert diagnosis.exit_code == 0


def test_it_changes_nothing(clinic: Clinic) -> None:
    """Every call is one that reads."""
    clinic.examine()
    names = {name.partition(".")[0] for name in clinic.cloud.world.names()}
    assert names == {"facts", "stacks", "images", "documents", "queues", "logs"}
    assert not [name for name in clinic.cloud.world.names() if "create" in name]
    assert not clinic.cloud.assets.bucket_exists
    assert not clinic.cloud.stacks.stacks


class Illness(NamedTuple):
    check: str
    health: str
    words: str
    make: Callable[[Clinic], object]


def stack(status: str) -> Callable[[Clinic], None]:
    def make(clinic: Clinic) -> None:
        standing = FakeStack("shop-dev", status, status, 0, "t", {"Resources": {}}, "")
        clinic.cloud.stacks.stacks["shop-dev"] = standing

    return make


def facts(**changed: object) -> Callable[[Clinic], None]:
    def make(clinic: Clinic) -> None:
        for name, value in changed.items():
            setattr(clinic.cloud.facts, name, value)

    return make


def manifest(before: str, after: str) -> Callable[[Clinic], None]:
    def make(clinic: Clinic) -> None:
        assert before in clinic.manifest_text
        clinic.manifest_text = clinic.manifest_text.replace(before, after)

    return make


def expiring(minutes: int) -> Callable[[Clinic], None]:
    return facts(expires_at=datetime.now(UTC) + timedelta(minutes=minutes))


def certificate(status: str, *domains: str) -> Callable[[Clinic], None]:
    return facts(certificates={CERTIFICATE: Certificate(status, domains)})


def plain_secrets(clinic: Clinic) -> None:
    plain = clinic.root / ".hover" / "dev-secrets.plain.env"
    plain.write_text("KEY=value")


def deploying(clinic: Clinic) -> None:
    expires = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    holder = Holder("run", "b1", "ada", "laptop", "", expires)
    document = Document(json.dumps(asdict(holder)).encode(), "etag")
    clinic.cloud.documents.documents[LOCK_KEY] = document


def both(*makers: Callable[[Clinic], object]) -> Callable[[Clinic], None]:
    def make(clinic: Clinic) -> None:
        for maker in makers:
            maker(clinic)

    return make


def live(queues: str) -> Callable[[Clinic], None]:
    """A release whose manifest has these queues."""

    def make(clinic: Clinic) -> None:
        text = clinic.manifest_text.partition("queue:")[0] + f"queue:\n  {queues}\n"
        record = {"build_id": BUILD, "manifest": yaml.safe_load(text)}
        clinic.cloud.documents.documents[LIVE_KEY] = Document(json.dumps(record).encode(), "etag")

    return make


def queue(name: str, owner: str | None = None) -> Callable[[Clinic], None]:
    def make(clinic: Clinic) -> None:
        tags = {"hover-async": owner} if owner else {}
        clinic.cloud.queues.queues[name] = FakeQueue({}, tags, messages=5)

    return make


KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def sealed(clinic: Clinic) -> None:
    envelope = seal({"KEY": Secret("value")}, "dev", DataKey(KEY, b"k" * 32, b"wrapped"))
    (clinic.root / ".hover" / "dev-secrets.json").write_bytes(envelope.to_json())


def damaged_secrets(clinic: Clinic) -> None:
    (clinic.root / ".hover" / "dev-secrets.json").write_text("{}")


def no_build(clinic: Clinic) -> None:
    (clinic.root / ".hover" / "out" / "build.json").unlink()


def damaged_build(clinic: Clinic) -> None:
    (clinic.root / ".hover" / "out" / "build.json").write_text("{")


def no_engine(clinic: Clinic) -> None:
    clinic.engine_error = DockerUnavailable("no engine answers", hint="start it")


ILLNESSES = {
    "no build": Illness("build", "warning", "no build yet", no_build),
    "build of another stage": Illness(
        "build", "warning", "of stage 'production'", lambda clinic: clinic.build("production")
    ),
    "damaged build": Illness("build", "failed", "cannot be read", damaged_build),
    "image gone": Illness(
        "build", "warning", "not on this machine", lambda clinic: clinic.cloud.images.local.clear()
    ),
    "no engine, and the image": Illness("build", "warning", "could not be looked at", no_engine),
    "no engine": Illness("docker", "failed", "no engine answers", no_engine),
    "another architecture": Illness(
        "docker",
        "warning",
        "the engine is arm64, the stage amd64",
        lambda clinic: setattr(clinic.cloud.images, "engine", Architecture.ARM64),
    ),
    "plain secrets": Illness("plain secrets", "failed", "in plain text", plain_secrets),
    "too many resources": Illness(
        "template",
        "failed",
        "CloudFormation takes 500",
        manifest(
            "queues: [default]", f"queues: [{', '.join(f'q{number}' for number in range(500))}]"
        ),
    ),
    "another account": Illness("credentials", "failed", "of account 42", facts(account="42")),
    "ends soon": Illness("credentials", "warning", "more minutes", expiring(20)),
    "ended": Illness("credentials", "failed", "expired", expiring(-1)),
    "clock a little off": Illness("clock", "warning", "behind AWS's", facts(clock_ahead_s=-90.0)),
    "clock far off": Illness("clock", "failed", "ahead of AWS's", facts(clock_ahead_s=400.0)),
    "no stack role": Illness(
        "stack-role", "failed", "there is no role", facts(roles={STACK_ROLE: None})
    ),
    "stack role of another service": Illness(
        "stack-role",
        "failed",
        "does not trust cloudformation.amazonaws.com",
        facts(roles={STACK_ROLE: ["lambda.amazonaws.com"]}),
    ),
    "lambda role of another service": Illness(
        "lambda-role",
        "failed",
        "does not trust lambda.amazonaws.com",
        facts(roles={LAMBDA_ROLE: []}),
    ),
    "may not look at roles": Illness(
        "lambda-role",
        "warning",
        "could not check: may not",
        lambda clinic: clinic.cloud.world.fail(
            "facts.trusted_services", lambda: AccessDenied("may not"), subject=LAMBDA_ROLE
        ),
    ),
    "reserve too large": Illness(
        "concurrency",
        "failed",
        "reserves 50",
        facts(limits=Concurrency(1000, 149)),
    ),
    "too few to warm": Illness(
        "concurrency",
        "warning",
        "http.warm asks for 3",
        both(manifest(", concurrency: 50", ""), facts(limits=Concurrency(10, 5))),
    ),
    "foreign bucket": Illness(
        "bucket", "failed", "another account", facts(bucket_state=BucketState.FOREIGN)
    ),
    "reserves of functions that leave": Illness(
        "concurrency",
        "failed",
        "beside 50 of functions that leave",
        both(
            live("mails: {queues: [default], concurrency: 50}"),
            facts(limits=Concurrency(1000, 140), reserves={"shop-dev-mails-queue": 50}),
        ),
    ),
    "a queue of another stage": Illness(
        "queues", "failed", "belongs to stage 'dev'", queue("default-shop-dev", owner="dev")
    ),
    "a queue with messages": Illness(
        "queues", "warning", "'default-shop-dev' has 5 messages", queue("default-shop-dev")
    ),
    "a queue that leaves with messages": Illness(
        "queues",
        "warning",
        "it leaves the manifest",
        both(
            live("jobs: {queues: [default, emails]}"),
            queue("emails-shop-dev", owner="shop-dev"),
        ),
    ),
    "logs kept for less": Illness(
        "log groups",
        "warning",
        "keeps logs for ever; then 30",
        lambda clinic: clinic.cloud.logs.groups.update({"/aws/lambda/shop-dev-http": None}),
    ),
    "damaged secrets": Illness("encrypted secrets", "failed", "dev-secrets.json", damaged_secrets),
    "no such key": Illness("secrets key", "failed", "there is no key", sealed),
    "a key that is to be deleted": Illness(
        "secrets key",
        "failed",
        "is PendingDeletion",
        both(sealed, facts(key_states={KEY: "PendingDeletion"})),
    ),
    "may not look at the key": Illness(
        "secrets key",
        "warning",
        "could not check: may not",
        both(
            sealed,
            lambda clinic: clinic.cloud.world.fail(
                "facts.key_state", lambda: AccessDenied("may not")
            ),
        ),
    ),
    "failed creation": Illness("stack", "warning", "ROLLBACK_COMPLETE", stack("ROLLBACK_COMPLETE")),
    "cleaning up": Illness(
        "stack", "warning", "CLEANUP", stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    ),
    "stuck stack": Illness(
        "stack", "failed", "UPDATE_ROLLBACK_FAILED", stack("UPDATE_ROLLBACK_FAILED")
    ),
    "busy stack": Illness("stack", "failed", "UPDATE_IN_PROGRESS", stack("UPDATE_IN_PROGRESS")),
    "a deploy under way": Illness("lock", "warning", "ada@laptop", deploying),
    "no certificate": Illness("certificate", "failed", "no certificate", facts(certificates={})),
    "certificate not issued": Illness(
        "certificate",
        "failed",
        "PENDING_VALIDATION",
        certificate("PENDING_VALIDATION", "www.example.com", "api.example.org"),
    ),
    "certificate for others": Illness(
        "certificate",
        "failed",
        "does not cover api.example.org",
        certificate("ISSUED", "*.example.com"),
    ),
    "wildcard too deep": Illness(
        "certificate",
        "failed",
        "does not cover www.example.com",
        certificate("ISSUED", "*.com", "api.example.org"),
    ),
    "a direct lane that refuses": Illness(
        "direct lane",
        "warning",
        "the first deploy makes it",
        manifest("queue:", "deploy: {code: direct}\nqueue:"),
    ),
    "template refused": Illness(
        "validation",
        "failed",
        "Template format error",
        facts(template_problem="Template format error"),
    ),
}


@pytest.mark.parametrize("name", ILLNESSES)
def test_an_illness_is_found_where_it_is(clinic: Clinic, name: str) -> None:
    """Its check says how bad it is, what was found and what to do; the others stay as they were."""
    illness = ILLNESSES[name]
    illness.make(clinic)
    diagnosis = clinic.examine()
    found = result(diagnosis, illness.check)
    assert (found.health, illness.words in found.found) == (illness.health, True), found
    assert found.advice
    assert diagnosis.exit_code == (1 if any(r.health == "failed" for r in diagnosis.results) else 0)
    others = {result.check for result in diagnosis.results if result.health != "ok"}
    beside = {"docker", "build"} if clinic.engine_error else {illness.check}
    beside |= {"validation"} if illness.check == "template" else set()
    beside |= {"secrets key"} if illness.check == "encrypted secrets" else set()
    assert others - beside == set()


WELL = {
    "the direct lane is not asked for": ("direct lane", "not asked for", both()),
    "the bucket is ours": ("bucket", "is ours", facts(bucket_state=BucketState.OURS)),
    "the repository is there": ("repository", "is there", facts(repository_exists=True)),
    "the stack can be updated": ("stack", "UPDATE_COMPLETE", stack("UPDATE_COMPLETE")),
    "no domains": (
        "certificate",
        "none is needed",
        manifest(
            f", domains: [www.example.com, api.example.org], certificate: '{CERTIFICATE}'", ""
        ),
    ),
    "credentials for long": ("credentials", "more minutes", expiring(600)),
    "what is reserved already is not counted twice": (
        "concurrency",
        "unreserved",
        facts(limits=Concurrency(1000, 120), reserves={"shop-dev-jobs-queue": 50}),
    ),
    "a key that opens the secrets": (
        "secrets key",
        "is enabled",
        both(sealed, facts(key_states={KEY: "Enabled"})),
    ),
    "secrets that are sealed": (
        "encrypted secrets",
        f"sealed with {KEY}",
        both(sealed, facts(key_states={KEY: "Enabled"})),
    ),
    "queues to be made": ("queues", "1 to be made", both()),
    "log groups to be made": ("log groups", "4 to be made", both()),
    "a local AWS needs no roles": (
        "stack-role",
        "needs none",
        both(facts(roles={STACK_ROLE: None}), lambda clinic: setattr(clinic, "is_local", True)),
    ),
}


@pytest.mark.parametrize("name", WELL)
def test_what_is_in_order_is_said_to_be(clinic: Clinic, name: str) -> None:
    """The other way round: each state that lets a deploy begin is ok."""
    check, words, make = WELL[name]
    make(clinic)
    diagnosis = clinic.examine()
    found = result(diagnosis, check)
    assert (found.health, words in found.found) == ("ok", True), found
    assert diagnosis.exit_code == 0


def test_a_large_template_is_not_sent_to_be_validated(clinic: Clinic) -> None:
    """Above what CloudFormation takes inline, our own limits decide."""
    many = "".join(f"  q{number}: {{}}\n" for number in range(60))
    clinic.manifest_text += many
    diagnosis = clinic.examine()
    assert "goes through the bucket" in result(diagnosis, "validation").found
    assert "facts.validate" not in clinic.cloud.world.names()


@pytest.mark.parametrize(
    ("error", "at_fault", "region"),
    [
        (CredentialsError("expired", aws_code="ExpiredToken", hint="log in"), "credentials", "ok"),
        (CredentialsError("none found", hint="log in"), "credentials", "warning"),
        (CredentialsError("skewed", aws_code="RequestTimeTooSkewed", hint="set it"), "clock", "ok"),
        (EndpointUnreachable("no route", hint="check"), "region", "failed"),
    ],
)
def test_without_access_to_aws_this_machine_is_looked_at_all_the_same(
    clinic: Clinic, error: HoverError, at_fault: str, region: str
) -> None:
    """What is at fault fails, what could not be looked at says where to look, the rest is told."""
    clinic.cloud_error = error
    diagnosis = clinic.examine()
    assert {result.check for result in diagnosis.results} == EVERY_CHECK
    assert result(diagnosis, at_fault).health == "failed"
    assert result(diagnosis, at_fault).found == error.message
    assert result(diagnosis, "region").health == region
    assert result(diagnosis, "docker").health == "ok"
    assert f"see '{at_fault}'" in result(diagnosis, "bucket").found
    assert diagnosis.exit_code == 1


def test_each_check_has_a_deadline(clinic: Clinic) -> None:
    """One that hangs fails by itself, and the others are told."""
    clinic.cloud.world.latency_s["facts.concurrency"] = 10_000
    diagnosis = clinic.examine()
    assert "no answer within" in result(diagnosis, "concurrency").found
    ill = {result.check for result in diagnosis.results if result.health != "ok"}
    assert ill == {"concurrency"}


def test_an_aws_that_never_answers_has_one_too(clinic: Clinic) -> None:
    """Not even the opening is waited for without end."""
    clinic.opening_s = 10_000
    diagnosis = clinic.examine()
    assert "no answer within" in result(diagnosis, "region").found


def test_checks_run_at_the_same_time(clinic: Clinic) -> None:
    """Ten slow answers take as long as one."""
    world = clinic.cloud.world
    for name in ("identity", "bucket", "has_repository", "concurrency", "certificate", "validate"):
        world.latency_s[f"facts.{name}"] = 5.0
    clinic.examine()
    begun = [call.at_s for call in world.calls if call.name.startswith("facts.")]
    assert max(begun) - min(begun) < 6
    assert FunctionName("shop-dev-jobs-queue") in world.about("facts.reserved")
