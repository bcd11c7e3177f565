"""What a right manifest says, key by key."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from pydantic import ValidationError

from hover_async.manifest import DeployCommand, Manifest, advice, load_manifest
from hover_async.values import Architecture, FunctionName, FunctionSpec, Role
from tests.unit.manifests import REQUIRED, loaded, manifest, manifests

EXAMPLE = Path(__file__).parents[2] / "examples/laravel/.hover/dev.yml"

PREDECESSOR = """\
name: clouder-staging
aws-profile: staging-account
region: eu-west-1
dockerfile: .dockerfile
environment:
    APP_ENV: staging
    APP_DEBUG: true
    APP_LOG_LEVEL: debug
auth:
    stack-role: arn:aws:iam::123456789012:role/DefaultStackExecution
    lambda-role: arn:aws:iam::123456789012:role/DefaultLambdaExecutionRole
vpc:
    security-groups:
        - sg-0123abcd
    subnets:
        - subnet-0123abcd
        - subnet-4567abcd
deploy-commands:
  - 'php artisan migrate --force'
http:
    memory: 512
    timeout: 30
    warm: 10
    concurrency: 100
    domains: domain.com, *.domain.com
    certificate: arn:aws:acm:us-east-1:123456789012:certificate/0-1
cli:
    memory: 512
    timeout: 30
    concurrency: 100
queue:
  default:
    memory: 512
    timeout: 120
    concurrency: 5
    tries: 3
    backoff: "5, 10"
    queues:
      - default
      - notifications
  priority:
    memory: 512
    timeout: 300
    concurrency: 10
    tries: 5
    backoff: "1"
    queues:
      - priority
"""
"""Every key that the predecessor knew, in the forms its documentation uses."""


@pytest.mark.parametrize(
    "key",
    [
        "alias/shop",
        "01234567-89ab-cdef-0123-456789abcdef",
        "mrk-0123456789abcdef0123456789abcdef",
        "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "arn:aws:kms:eu-central-1:999999999999:alias/other/account",
    ],
)
def test_the_key_of_the_secrets(key: str) -> None:
    """It may be named as KMS names keys; left out, it is an alias of the stage's own."""
    assert manifest().secrets_key == "alias/shop-dev-secrets"
    assert manifest(auth={**REQUIRED["auth"], "secrets-key": key}).secrets_key == key


def test_what_is_left_out_has_a_default() -> None:
    """Name, region and two roles are enough for a stage that works."""
    stage = manifest()
    assert (stage.name, stage.region, stage.aws_profile) == ("shop-dev", "eu-central-1", None)
    assert (stage.dockerfile, stage.architecture) == ("Dockerfile", Architecture.X86_64)
    assert (stage.http.memory, stage.http.timeout, stage.http.warm) == (1024, 28, 3)
    assert (stage.http.domains, stage.http.certificate, stage.http.health) == ((), None, None)
    assert (stage.cli.memory, stage.cli.timeout, stage.cli.schedule) == (1024, 600, True)
    assert (stage.log_retention, stage.retain, stage.ephemeral_storage) == (30, 5, 512)
    assert (stage.queues, stage.deploy_commands, stage.tags, stage.vpc) == ({}, (), {}, None)
    assert stage.as_written == REQUIRED


def test_the_predecessors_manifest_means_the_same() -> None:
    """A manifest of the predecessor's needs no change."""
    stage = loaded(PREDECESSOR)
    assert stage.aws_profile == "staging-account"
    assert stage.environment == {
        "APP_ENV": "staging",
        "APP_DEBUG": "true",
        "APP_LOG_LEVEL": "debug",
    }
    assert stage.auth.stack_role.endswith("role/DefaultStackExecution")
    assert stage.vpc
    assert stage.vpc.subnets == ("subnet-0123abcd", "subnet-4567abcd")
    assert stage.deploy_commands == (
        DeployCommand("php artisan migrate --force", ("migrate", "--force")),
    )
    assert (stage.http.timeout, stage.http.warm, stage.http.concurrency) == (30, 10, 100)
    assert stage.http.domains == ("domain.com", "*.domain.com")
    assert stage.queues["default"].backoff == (5, 10)
    assert stage.queues["default"].queues == ("default", "notifications")
    assert (stage.queues["priority"].tries, stage.queues["priority"].backoff) == (5, (1,))


def test_the_names_on_aws_are_the_predecessors() -> None:
    """Functions are http, cli, then queues in the file's order; bucket and stack have one name."""
    stage = loaded(PREDECESSOR)
    name = "clouder-staging"
    assert stage.functions == (
        FunctionSpec(FunctionName(f"{name}-http"), Role.HTTP, "Http"),
        FunctionSpec(FunctionName(f"{name}-cli"), Role.CLI, "Cli"),
        FunctionSpec(FunctionName(f"{name}-default-queue"), Role.QUEUE, "QueueDefault"),
        FunctionSpec(FunctionName(f"{name}-priority-queue"), Role.QUEUE, "QueuePriority"),
    )
    assert (stage.stack_name, stage.repository, stage.bucket) == (name, name, f"{name}-assets")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"http": {"concurrency": 500}, "queue": {"a": {"concurrency": 400}}}, []),
        (
            {"http": {"concurrency": 500}, "queue": {"a": {"concurrency": 401}}},
            ["the functions reserve a concurrency of 901 together; an account has 1,000 unless"],
        ),
    ],
)
def test_what_is_legal_and_may_go_wrong_is_told(keys: dict[str, object], says: list[str]) -> None:
    """A reserve that an account may not have."""
    told = list(advice(manifest(**keys)))
    assert [sentence[: len(start)] for sentence, start in zip(told, says, strict=True)] == says


def test_five_hundred_functions_fit_into_a_file() -> None:
    """Every key of each written out, a manifest is far below what is read of one."""
    spec = {
        "queues": ["high-priority-of-something", "low-priority-of-something"],
        "memory": 10240,
        "timeout": 90,
        "tries": 1000,
        "backoff": [5, 10, 30],
        "batch": 10,
        "max-concurrency": 1000,
        "concurrency": 1000,
        "dead-letter": True,
    }
    queue = {
        f"of-a-long-name-{number}": {
            **spec,
            "queues": [f"{name}-{number}" for name in ("high-priority", "low-priority")],
        }
        for number in range(498)
    }
    assert len(manifest(queue=queue).functions) == 500


def test_the_example_is_right() -> None:
    """The manifest of the example application loads."""
    assert load_manifest(EXAMPLE).deploy_commands


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("php artisan migrate --force", ["migrate", "--force"]),
        ("artisan migrate", ["migrate"]),
        ("migrate", ["migrate"]),
        ("greet 'two words' \"$(id)\" a\\ b", ["greet", "two words", "$(id)", "a b"]),
        ("greet ''", ["greet", ""]),
        (
            "greet é😀 'line\nbreak' # no comment",
            ["greet", "é😀", "line\nbreak", "#", "no", "comment"],
        ),
        ("artisan artisan", ["artisan"]),
    ],
)
def test_a_command_is_split_as_a_shell_would_and_no_more(written: str, argv: list[str]) -> None:
    """Quotes group words; nothing is expanded, and a leading `php artisan` falls away."""
    (command,) = manifest(deploy_commands=[written]).deploy_commands
    assert command == DeployCommand(written, tuple(argv))


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.10", "1.10"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("yes", "yes"),
        ("False", "False"),
        ("2026-11-23", "2026-11-23"),
        ("=", "="),
        ("", ""),
        ("~", ""),
        ("'~'", "~"),
        ("!!str 5", "5"),
        ('"\\u00e9\\n"', "é\n"),
        ("|-\n    two\n    lines", "two\nlines"),
    ],
)
@pytest.mark.parametrize("section", ["environment", "build-args"])
def test_text_keeps_its_spelling(section: str, written: str, text: str) -> None:
    """What YAML takes for a number, a date or a switch is the text it was written as; so it is in
    the manifest that the image carries."""
    beginning = yaml.safe_dump(dict(REQUIRED))
    stage = loaded(f"{beginning}{section}:\n  VERSION: {written}\n")
    assert stage.as_written[section] == {"VERSION": text}
    assert getattr(stage, section.replace("-", "_")) == {"VERSION": text}


def test_a_tag_keeps_its_spelling() -> None:
    """A tag's value is text as well."""
    assert manifest(tags={"version": 1.5, "live": True}).tags == {"version": "1.5", "live": "true"}


@pytest.mark.parametrize(("written", "seconds"), [(5, (5,)), ("5, 10", (5, 10)), ([0, 9], (0, 9))])
def test_backoff_has_three_forms(written: object, seconds: tuple[int, ...]) -> None:
    """A number, Laravel's own text, or a list."""
    assert manifest(queue={"jobs": {"backoff": written}}).queues["jobs"].backoff == seconds


def test_an_empty_section_is_one_that_is_left_out() -> None:
    """A section whose lines are all commented out has its defaults, in the image too."""
    empty = "environment:\nhttp:\ncli:\nqueue:\n  jobs:\ntags:\ndeploy-commands:\nassets:\n"
    stage = loaded(yaml.safe_dump(dict(REQUIRED)) + empty)
    assert stage == manifest(queue={"jobs": {}}).written_as(stage.as_written)
    assert stage.as_written["queue"] == {"jobs": {}}
    assert stage.as_written["deploy-commands"] == []


def test_a_queue_function_works_on_the_queue_of_its_name() -> None:
    """`queues` may be left out; tries and backoff are those of `artisan queue:work`."""
    jobs = manifest(queue={"jobs": {}}).queues["jobs"]
    assert jobs.queues == ("jobs",)
    assert (jobs.tries, jobs.backoff, jobs.batch, jobs.dead_letter) == (1, (0,), 1, False)


def test_assets_are_immutable_unless_a_glob_says_otherwise() -> None:
    """The first glob that matches an asset's path decides its Cache-Control."""
    rules = {"robots.txt": "no-cache", "*.html": "max-age=60", "*": "max-age=5"}
    assets = manifest(assets={"cache-control": rules}).assets
    assert assets.cache_control_for("robots.txt") == "no-cache"
    assert assets.cache_control_for("pages/a.html") == "max-age=60"
    assert assets.cache_control_for("a.css") == "max-age=5"
    immutable = "public, max-age=31536000, immutable"
    assert manifest().assets.cache_control_for("a.css") == immutable


@pytest.mark.parametrize("name", ["AWS_BUCKET", "AWS_URL", "AWS_ENDPOINT", "_X", "a" * 256])
def test_the_applications_own_variables_are_its_to_set(name: str) -> None:
    """Only what Lambda reserves is refused: a Laravel application needs AWS_BUCKET."""
    assert manifest(environment={name: "x"}).environment == {name: "x"}


def test_a_manifest_does_not_change() -> None:
    """A manifest, and each section of it, is frozen."""
    stage = manifest(queue={"jobs": {}})
    for section, key in [(stage, "name"), (stage.http, "warm"), (stage.queues["jobs"], "tries")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, key, 1)


@given(manifests())
def test_any_legal_manifest_loads(stage: Manifest) -> None:
    """Every manifest of the strategy is legal, and what it was written as is JSON."""
    written = json.loads(json.dumps(stage.as_written))
    assert loaded(yaml.safe_dump(written, sort_keys=False)) == stage
    assert [spec.name for spec in stage.functions] == [
        f"{stage.name}-http",
        f"{stage.name}-cli",
        *(f"{stage.name}-{key}-queue" for key in stage.queues),
    ]


def test_the_schema_describes_the_keys_as_they_are_written() -> None:
    """Editors get a JSON schema with the dashed keys, the limits and the forms of names."""
    schema = Manifest.model_json_schema()
    assert schema["required"] == ["name", "region", "auth"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Http"]["properties"]["timeout"]["maximum"] == 30
    assert schema["properties"]["name"]["pattern"].startswith("^(?:[a-z]")
    commands = schema["properties"]["deploy-commands"]
    assert commands["items"] == {"type": "string"}


def test_nothing_else_needs_pydantic() -> None:
    """The library and the command line load pydantic only with the first manifest."""
    program = (
        "import sys, hover_async, hover_async.cli.main, hover_async.values\n"
        "assert not {'pydantic', 'yaml'} & set(sys.modules)\n"
        "import hover_async.manifest\n"
        "assert 'pydantic' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_of_a_file_is_kept(tmp_path: Path) -> None:
    """A program that deploys again and again does not grow by what it has read."""
    file = tmp_path / "dev.yml"
    file.write_text(yaml.safe_dump(REQUIRED))
    load_manifest(file)
    gc.collect()
    assert not [kept for kept in gc.get_objects() if isinstance(kept, yaml.Node)]
