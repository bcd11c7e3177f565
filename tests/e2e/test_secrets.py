"""A stage's secrets on the local AWS: in the application's hands, and nowhere else."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tarfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import pytest

from tests.e2e.conftest import fetch
from tests.e2e.stage import Stage

CANARY = "c4n4ry-7d1f"
"""The secrets' common part: what is searched for."""
THERE = "hover-async secrets v1"
"""What stands in Secrets.php: a search that misses it finds nothing at all."""
SECRETS = {
    "SERVICE_TOKEN": f"{CANARY} 'q' \"d\" $x ${{Y}} #h \\n ü€ \nsecond line=",
    "EMPTY_SECRET": "",
    "APP_NAME": f"{CANARY}-wins",
}
ROUTES = """
Route::get('/secret/{name}', fn (string $name) => response()->json([
    'getenv' => getenv($name),
    'server' => $_SERVER[$name] ?? null,
    'config' => config("secret.$name"),
]));
Route::post('/work', function () {
    App\\Jobs\\Witness::dispatch();
    return response('', 202);
});
Route::get('/work', fn (App\\Store\\Store $store) => response()->json($store->get('witness')));
"""
COMMANDS = """
Artisan::command('secret:digest', function () {
    $this->line(App\\Jobs\\Witness::digest());
});
"""
CONFIG = "<?php return ['SERVICE_TOKEN' => env('SERVICE_TOKEN'), 'APP_NAME' => env('APP_NAME')];\n"
JOB = """<?php

namespace App\\Jobs;

class Witness implements \\Illuminate\\Contracts\\Queue\\ShouldQueue
{
    use \\Illuminate\\Foundation\\Bus\\Dispatchable;
    use \\Illuminate\\Bus\\Queueable;
    use \\Illuminate\\Queue\\InteractsWithQueue;

    public static function digest(): string
    {
        $seen = [getenv('SERVICE_TOKEN'), config('secret.APP_NAME'), getenv('EMPTY_SECRET')];
        return hash('sha256', json_encode($seen));
    }

    public function handle(\\App\\Store\\Store $store): void
    {
        $store->put('witness', ['digest' => self::digest()]);
    }
}
"""


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """The example under a name of this test's own, with an eye on its secrets."""
    stage.edit("routes/web.php", lambda text: text + ROUTES)
    stage.edit("routes/console.php", lambda text: text + COMMANDS)
    (stage.project / "config/secret.php").write_text(CONFIG)
    (stage.project / "app/Jobs/Witness.php").write_text(JOB)
    return stage


def plain(stage: Stage) -> Path:
    return stage.project / ".hover/dev-secrets.plain.env"


def sealed(stage: Stage) -> Path:
    return stage.project / ".hover/dev-secrets.json"


def write_secrets(stage: Stage, secrets: Mapping[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'

    plain(stage).write_text("".join(f"{name}={quoted(secrets[name])}\n" for name in secrets))


def test_secrets_reach_the_application_alone(stage: Stage) -> None:
    """FPM, artisan and the queue worker have them; no file, log, image or event of ours does."""
    write_secrets(stage, SECRETS)
    told = [
        *ok(stage, "secrets", "encrypt", "dev", "--local", "--create-key"),
        *ok(stage, "secrets", "list", "dev", "--local", "--json"),
    ]
    assert not plain(stage).exists()
    assert "made the KMS key arn:aws:kms:" in told[0]
    assert "'hover-async local down' forgets the key" in told[1]
    assert json.loads(told[-2])["secrets"] == [
        {"name": name, "overrides_environment": name == "APP_NAME"} for name in SECRETS
    ]
    stage.manifest("- example:prepare", "- example:prepare\n  - secret:digest")
    told += ok(stage, "build", "dev", "--skip-tests", "--json")
    told += ok(stage, "deploy", "--local")
    run = stage.deploy()
    told += [json.dumps(run.events), run.stderr]

    digest = seen_by_a_page(run.result["url"])
    assert by_a_deploy_command(run.events) == digest
    assert by_an_invocation(stage) == digest
    assert by_a_job(run.result["url"]) == digest

    assert found_in(told, "secret:digest"), "the search finds what is there"
    assert not found_in(told, CANARY)
    containers = containers_of(stage)
    assert {"http", "cli", "queue"} <= {name.rpartition("-")[2] for name in containers.values()}
    for container in containers:
        require_unseen_in_container(container)
    logs = [docker("logs", container) for container in containers]
    assert found_in(logs, digest), "the search finds what a command printed"
    assert not found_in(logs, CANARY)
    require_unseen_in_image(f"dev:{run.result['build_id']}")
    require_unseen_on_aws(stage)
    require_unseen_on_disk(stage)


@pytest.mark.parametrize("command", ["decrypt", "list"])
def test_the_person_gets_them_back(stage: Stage, command: str) -> None:
    """Decrypting writes exactly what was encrypted, for the owner alone; listing shows names."""
    write_secrets(stage, SECRETS)
    ok(stage, "secrets", "encrypt", "dev", "--local", "--create-key")
    out, err = ok(stage, "secrets", command, "dev", "--local")
    assert CANARY not in out + err
    if command == "list":
        assert out.split() == ["SERVICE_TOKEN", "EMPTY_SECRET", "APP_NAME", *out.split()[3:]]
        return
    assert plain(stage).stat().st_mode & 0o777 == 0o600
    before = plain(stage).read_bytes()
    refused = stage.program.run("build", "dev")
    assert refused.returncode == 2
    assert "secrets encrypt dev" in refused.stderr
    ok(stage, "secrets", "encrypt", "dev", "--local")
    ok(stage, "secrets", "decrypt", "dev", "--local")
    assert plain(stage).read_bytes() == before


def test_secrets_that_do_not_open_never_go_live(stage: Stage) -> None:
    """Tampered, another stage's, a key that is off: the deploy fails at warming and says why."""
    write_secrets(stage, SECRETS)
    encrypted = json.loads(
        ok(stage, "secrets", "encrypt", "dev", "--local", "--create-key", "--json")[0]
    )
    good = json.loads(sealed(stage).read_text())
    stage.build("--skip-tests")
    assert stage.deploy().exit_code == 0
    live = stage.live()

    other = stage.project / ".hover"
    (other / "prod.yml").write_text((other / "dev.yml").read_text())
    write_secrets(stage, SECRETS)
    plain(stage).rename(other / "prod-secrets.plain.env")
    ok(stage, "secrets", "encrypt", "prod", "--local")
    prod = json.loads((other / "prod-secrets.json").read_text())
    sealed(stage).write_text(json.dumps(prod))
    refused = stage.program.run("build", "dev")
    assert (refused.returncode, "of stage 'prod', not of 'dev'" in refused.stderr) == (2, True)

    ciphertext = bytearray(b64decode(good["ciphertext"]))
    ciphertext[3] ^= 1
    tampered = {**good, "ciphertext": b64encode(ciphertext).decode()}
    kms = stage.client("kms")
    key = encrypted["key_id"]
    off, on = (lambda: kms.disable_key(KeyId=key)), (lambda: kms.enable_key(KeyId=key))
    broken: list[tuple[Mapping[str, Any], Callable[[], object], Callable[[], object], str]] = [
        (tampered, dict, dict, "the secrets of stage 'dev' do not decrypt"),
        ({**prod, "stage": "dev"}, dict, dict, "InvalidCiphertextException"),
        (good, off, on, "DisabledException"),
    ]
    for envelope, do, undo, message in broken:
        sealed(stage).write_text(json.dumps(envelope))
        stage.build("--skip-tests")
        do()
        run = stage.deploy()
        undo()
        (failure,) = run.of("Failed")
        assert (run.exit_code, failure["code"]) == (1, "warming-failed"), failure
        assert message in failure["message"]
        assert CANARY not in json.dumps(run.events) + run.stderr
        assert stage.live() == live


def ok(stage: Stage, *arguments: str) -> tuple[str, str]:
    """What the program wrote to stdout and stderr; it must succeed."""
    done = stage.program.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# Who must have them


def seen_by_a_page(url: str) -> str:
    """The digest that every other witness must give, once pages have shown the values right."""
    for name, value in SECRETS.items():
        seen = json.loads(fetch(f"{url}/secret/{name}").text)
        assert (seen["getenv"], seen["server"]) == (value, value), name
        assert seen["config"] == (value or None)
    witnessed = [SECRETS[name] for name in ("SERVICE_TOKEN", "APP_NAME", "EMPTY_SECRET")]
    as_php_writes_it = json.dumps(witnessed, separators=(",", ":")).replace("/", "\\/")
    return sha256(as_php_writes_it.encode()).hexdigest()


def by_a_deploy_command(events: Iterable[Mapping[str, Any]]) -> str:
    (output,) = [event["text"] for event in events if event.get("source") == "secret:digest"]
    return str(output).strip()


def by_an_invocation(stage: Stage) -> str:
    answer = stage.client("lambda").invoke(
        FunctionName=f"{stage.name}-cli",
        Qualifier="live",
        Payload=json.dumps({"command": ["secret:digest"]}),
    )
    return b64decode(json.load(answer["Payload"])["output"]).decode().strip()


def by_a_job(url: str) -> str:
    assert fetch(f"{url}/work", method="POST").status == 202
    deadline = time.monotonic() + 60
    while not (seen := json.loads(fetch(f"{url}/work").text)):
        assert time.monotonic() < deadline
        time.sleep(1)
    return str(seen["digest"])


# Where they must not be


def found_in(texts: Iterable[str], needle: str) -> bool:
    return any(needle in text for text in texts)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def containers_of(stage: Stage) -> dict[str, str]:
    """The stage's containers, with the name of the function that each belongs to."""
    found = {}
    for container in docker("ps", "--all", "--quiet", "--filter", "label=ministack").split():
        variables = docker("inspect", "--format", "{{json .Config.Env}}", container)
        name = re.search(r'"AWS_LAMBDA_FUNCTION_NAME=([^"]*)"', variables)
        if name and name[1].startswith(f"{stage.name}-"):
            found[container] = name[1]
    return found


def require_unseen_in_container(container: str) -> None:
    """Its description and every file in it, as root; its processes' memory is theirs."""
    assert CANARY not in docker("inspect", container)
    everywhere = "$(ls -d /* | grep -vxE '/(proc|sys|dev)') /dev/shm"
    search = f'grep -roaF -e "$1" -e "$2" {everywhere} 2>/dev/null || true'
    argv = ["exec", "--user", "0", container, "sh", "-c", search, "sh", CANARY, THERE]
    found = docker(*argv).splitlines()
    assert any(line.endswith(f"/Secrets.php:{THERE}") for line in found)
    assert [line for line in found if CANARY in line] == []


def require_unseen_in_image(image: str) -> None:
    """Its description, its history and every file of every layer."""
    assert CANARY not in docker("image", "inspect", image)
    assert CANARY not in docker("history", "--no-trunc", image)
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        found = in_tar(saving.stdout, [CANARY.encode(), THERE.encode()])
    assert found == {THERE.encode()}


def in_tar(stream: IO[bytes], needles: Sequence[bytes]) -> set[bytes]:
    """Which needles are in any file of a tar, in layers inside it too; compressed ones as well."""
    found = set()
    with tarfile.open(fileobj=stream, mode="r|") as outer:
        for member in outer:
            file = outer.extractfile(member)
            if file is None:
                continue
            start = file.read(2)
            content = start + file.read()
            content = gzip.decompress(content) if start == b"\x1f\x8b" else content
            found |= {needle for needle in needles if needle in content}
    return found


def require_unseen_on_aws(stage: Stage) -> None:
    """Template, functions' configuration, logs, and every object of the bucket."""
    template = stage.client("cloudformation").get_template(StackName=stage.name)
    lambdas = stage.client("lambda")
    functions = [
        lambdas.get_function(FunctionName=f"{stage.name}-{role}", Qualifier="live")
        for role in ("http", "cli", "jobs-queue")
    ]
    s3, bucket = stage.client("s3"), f"{stage.name}-assets"
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    objects = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    shown = [json.dumps([template, functions], default=str), stage.aws.log.read_text()]
    assert found_in(shown, f"{stage.name}-http")
    assert any(b"hover" in content for content in objects)
    assert not found_in(shown, CANARY)
    assert not any(CANARY.encode() in content for content in objects)


def require_unseen_on_disk(stage: Stage) -> None:
    """Every file of the project, `.hover/out` among them."""
    files = [path for path in stage.project.rglob("*") if path.is_file()]
    assert any(path.name == "secrets.json" for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
