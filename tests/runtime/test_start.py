"""The start of a container: its environment and its secrets, or what is wrong with it."""

import base64
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.runtime.aws_api import AwsApi, AwsCall
from tests.runtime.conftest import Start
from tests.runtime.containers import BUILD_ID, MANIFEST, Function, docker

PLAIN = "s3cr3t-\u00fc-$(id)-'quoted'\nsecond line"
KEY = os.urandom(32)
Sealed = Callable[..., dict[str, str]]
WRAPPED = base64.b64encode(b"wrapped by kms").decode()


SEAL = """
[, $key, $nonce, $plain, $aad] = array_map(base64_decode(...), $argv);
$sealed = openssl_encrypt($plain, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $nonce, $tag, $aad);
echo base64_encode($sealed . $tag);
"""


@pytest.fixture(scope="session")
def sealed(cli: Function) -> Sealed:
    """Makes a stage's secrets, as a build puts them into the image."""

    def made(stage: str = "dev", aad_stage: str = "dev") -> dict[str, str]:
        nonce = os.urandom(12)
        plain = json.dumps({"API_TOKEN": PLAIN, "FROM_MANIFEST": "secret wins"}).encode()
        parts = (KEY, nonce, plain, f"hover-async secrets v1 {aad_stage}".encode())
        arguments = [base64.b64encode(part).decode() for part in parts]
        envelope = {
            "version": 1,
            "stage": stage,
            "key_id": "alias/hover",
            "key": WRAPPED,
            "nonce": arguments[1],
            "ciphertext": cli.run("php", "-r", SEAL, *arguments),
        }
        return {"hover_runtime/secrets.json": json.dumps(envelope)}

    return made


def kms(call: AwsCall) -> tuple[int, Any]:
    """KMS, which gives the data key to the right stage only."""
    right = {
        "CiphertextBlob": WRAPPED,
        "KeyId": "alias/hover",
        "EncryptionContext": {"hover-stage": "dev"},
    }
    if call.target == "TrentService.Decrypt" and call.json == right:
        return 200, {"Plaintext": base64.b64encode(KEY).decode()}
    return 400, {"__type": "InvalidCiphertextException", "message": "no"}


def env(web: Function, name: str) -> Any:
    return json.loads(web.http(f"/env/{name}")["body"])


@pytest.mark.every_base
def test_environment_of_a_page(web: Function) -> None:
    """Build id, stage, manifest and paths are visible to getenv, $_SERVER and Laravel's env()."""
    expected = {
        "HOVER_BUILD_ID": BUILD_ID,
        "APP_ENV": "testing",
        "FROM_MANIFEST": "yes",
        "LOG_CHANNEL": "stderr",
        "SQS_SUFFIX": "-probe",
        "ASSET_URL": f"https://d111.cloudfront.net/{BUILD_ID}",
        "MIX_ASSET_URL": f"https://d111.cloudfront.net/{BUILD_ID}",
    }
    for name, value in expected.items():
        assert env(web, name) == {"getenv": value, "server": value, "env": value}
    assert env(web, "DEBUGGING") == {"getenv": "false", "server": "false", "env": False}


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("d1.cloudfront.net", f"https://d1.cloudfront.net/{BUILD_ID}"),
        ("http://d1.cloudfront.net:4566/", f"http://d1.cloudfront.net:4566/{BUILD_ID}"),
    ],
)
def test_asset_url_is_of_the_build(function: Start, domain: str, url: str) -> None:
    """The distribution's domain, with its scheme if it has one, and the build's directory."""
    assert env(function(HOVER_ASSET_DOMAIN=domain), "ASSET_URL")["env"] == url


def test_asset_url_of_the_manifest_wins(function: Start) -> None:
    """What the user set explicitly is not composed."""
    environment = {"ASSET_URL": "https://cdn.example"}
    web = function(manifest=MANIFEST | {"environment": environment}, HOVER_ASSET_DOMAIN="d1.x")
    assert env(web, "ASSET_URL")["env"] == "https://cdn.example"
    assert env(web, "MIX_ASSET_URL")["env"] == f"https://d1.x/{BUILD_ID}"


@pytest.mark.every_base
@pytest.mark.parametrize("role", ["http", "cli"])
def test_secrets_reach_the_application_and_nothing_else(
    function: Start, sealed: Sealed, role: str
) -> None:
    """Secrets are in FPM's and artisan's environment; in no file, no log, no docker inspect."""
    with AwsApi(kms) as aws:
        one = function(role=role, files=sealed(), AWS_ENDPOINT_URL=aws.endpoint)
        if role == "http":
            assert env(one, "API_TOKEN")["env"] == PLAIN
            assert env(one, "FROM_MANIFEST")["env"] == "secret wins"
        else:
            answer = one.api.invoke({"command": ["probe:env", "API_TOKEN"]}).answer()
            # The output is for the caller; this one command prints the secret as it was asked to.
            assert json.loads(base64.b64decode(answer["output"])) == PLAIN
        assert aws.calls[0].is_signed("kms", "eu-central-1")
    needle = "s3cr3t-"
    assert one.run("sh", "-c", f"grep -rl {needle} /tmp /var/task || true") == ""
    assert needle not in docker("inspect", one.name)
    if role == "http":
        assert needle not in docker("logs", one.name)


def test_secrets_of_another_stage_do_not_open(function: Start, sealed: Sealed) -> None:
    """KMS refuses the key of another stage: the container does not start, and says so."""
    with AwsApi(kms) as aws:
        one = function(files=sealed(stage="prod"), AWS_ENDPOINT_URL=aws.endpoint)
        message = one.api.start_failure()["errorMessage"]
    assert "TrentService.Decrypt" in message
    assert "InvalidCiphertextException" in message


def test_tampered_secrets_do_not_open(function: Start, sealed: Sealed) -> None:
    """Secrets sealed for another stage's data do not decrypt with the right key."""
    with AwsApi(kms) as aws:
        one = function(files=sealed(aad_stage="prod"), AWS_ENDPOINT_URL=aws.endpoint)
        assert "do not decrypt" in one.api.start_failure()["errorMessage"]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"role": "teapot"}, "HOVER_ROLE is 'teapot'; a function is http, cli or queue"),
        ({"manifest": {"name": "x"}}, "no build_details.id"),
        ({"files": {"hover_runtime/manifest.json": "{"}}, "manifest.json is not JSON"),
        ({"role": "queue", "HOVER_QUEUE": "none"}, "the manifest has no queue 'none'"),
    ],
    ids=["role", "build id", "manifest", "queue"],
)
def test_container_that_cannot_start_says_why(
    function: Start, wishes: dict[str, Any], message: str
) -> None:
    """The runtime API's init/error gets the message, and so does the log; then the process ends."""
    one = function(**wishes)
    failure = one.api.start_failure()
    assert message in failure["errorMessage"]
    assert failure["errorType"] == "Hover.RuntimeError"
    assert docker("wait", one.name).strip() == "1"
    assert any(message in line for line in one.messages())


@pytest.mark.parametrize(
    "refusal",
    [(400, {"__type": "ThrottlingException", "message": "slow down"}), (503, {}), (429, {})],
    ids=["throttled", "unavailable", "too many"],
)
def test_busy_kms_is_asked_again(
    function: Start, sealed: Sealed, refusal: tuple[int, dict[str, str]]
) -> None:
    """Two refusals for lack of capacity do not keep a container from starting."""
    refusals = [refusal, refusal]

    def busy(call: AwsCall) -> tuple[int, Any]:
        return refusals.pop() if refusals else kms(call)

    with AwsApi(busy) as aws:
        one = function(files=sealed(), AWS_ENDPOINT_URL=aws.endpoint)
        assert env(one, "API_TOKEN")["env"] == PLAIN
        assert len(aws.calls) == 3
