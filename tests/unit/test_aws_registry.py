"""What the ECR adapter makes of manifests, logins and missing rights."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio.testing

from hover_async.aws.registry import DOCKER_IMAGE, OCI_IMAGE, EcrRegistry, problem_of
from hover_async.errors import AwsError, Conflict, Rejected
from hover_async.values import Architecture, Digest
from tests.unit.scripted_aws import Answer, Scripted, lost, refused

pytestmark = pytest.mark.anyio

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
EXISTS = refused("RepositoryAlreadyExistsException")
NO_REPOSITORY = refused("RepositoryNotFoundException")
NO_POLICY = refused("RepositoryPolicyNotFoundException")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def adapter(**script: list[Answer]) -> tuple[EcrRegistry, Scripted]:
    client = Scripted(script)
    registry = EcrRegistry(
        client.service(),
        "shop",
        host="42.dkr.ecr.eu-central-1.amazonaws.com",
        functions_arn="arn:aws:lambda:eu-central-1:42:function:*",
        architecture=Architecture.ARM64,
        tags={"a": "b"},
    )
    return registry, client


def image(kind: str, **manifest: Any) -> dict[str, Any]:
    return {
        "imageId": {"imageDigest": "sha256:1", "imageTag": "b1"},
        "imageManifest": json.dumps(manifest),
        "imageManifestMediaType": kind,
    }


async def test_a_new_repository_lets_lambda_read() -> None:
    """A new repository is tagged, and this account's functions may read its images."""
    registry, client = adapter(
        DescribeRepositories=[NO_REPOSITORY],
        CreateRepository=[{}],
        GetRepositoryPolicy=[NO_POLICY],
        SetRepositoryPolicy=[{}],
    )
    assert await registry.ensure_repository() == "42.dkr.ecr.eu-central-1.amazonaws.com/shop"
    assert client.asked[1][1]["tags"] == [{"Key": "a", "Value": "b"}]
    policy = json.loads(client.asked[-1][1]["policyText"])
    assert policy["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert "function:*" in json.dumps(policy["Statement"][0]["Condition"])


async def test_a_policy_that_is_there_stays() -> None:
    """A repository that is there is not created again, and its own policy is not touched."""
    registry, client = adapter(DescribeRepositories=[{}], GetRepositoryPolicy=[{"policyText": ""}])
    await registry.ensure_repository()
    assert client.count("CreateRepository") == 0
    assert client.count("SetRepositoryPolicy") == 0


async def test_created_but_the_answer_was_lost() -> None:
    """'Already exists' after a lost answer is a success."""
    registry, _ = adapter(
        DescribeRepositories=[NO_REPOSITORY],
        CreateRepository=[lost(), EXISTS],
        GetRepositoryPolicy=[{}],
    )
    await registry.ensure_repository()


@pytest.mark.parametrize(
    "policy",
    [
        {"GetRepositoryPolicy": [refused("AccessDeniedException")]},
        {
            "GetRepositoryPolicy": [NO_POLICY],
            "SetRepositoryPolicy": [refused("AccessDeniedException")],
        },
    ],
)
async def test_who_may_not_set_a_policy_may_deploy(policy: dict[str, list[Answer]]) -> None:
    """Without the right to policies the rest goes on: Lambda may add its own."""
    registry, client = adapter(DescribeRepositories=[{}], **policy)
    await registry.ensure_repository()
    assert client.left() == {}


async def test_too_many_repositories() -> None:
    """Any other refusal of a creation is one."""
    registry, _ = adapter(
        DescribeRepositories=[NO_REPOSITORY], CreateRepository=[refused("LimitExceededException")]
    )
    with pytest.raises(Rejected):
        await registry.ensure_repository()
    registry, _ = adapter(
        DescribeRepositories=[NO_REPOSITORY],
        CreateRepository=[refused("ImageAlreadyExistsException")],
    )
    with pytest.raises(Conflict):
        await registry.ensure_repository()


async def test_login() -> None:
    """The token is a user and a password, which may have colons."""
    token = base64.b64encode(b"AWS:pass:word").decode()
    registry, _ = adapter(
        GetAuthorizationToken=[{"authorizationData": [{"authorizationToken": token}]}]
    )
    login = await registry.login()
    assert (login.username, login.password.reveal()) == ("AWS", "pass:word")


@pytest.mark.parametrize(
    "answer", [{"authorizationData": []}, {"authorizationData": [{"authorizationToken": "?"}]}]
)
async def test_a_login_that_is_none(answer: dict[str, Any]) -> None:
    """A token that cannot be understood is an error of ours that does not show it."""
    registry, _ = adapter(GetAuthorizationToken=[answer])
    with pytest.raises(AwsError, match="no usable login"):
        await registry.login()


async def test_find() -> None:
    """An image is found by its tag with its digest; both kinds of manifest are asked for."""
    registry, client = adapter(BatchGetImage=[{"images": [image(OCI_IMAGE, layers=[])]}])
    found = await registry.find("b1")
    assert found is not None
    assert (found.digest, found.problem) == ("sha256:1", None)
    assert {OCI_IMAGE, DOCKER_IMAGE, INDEX} < set(client.asked[0][1]["acceptedMediaTypes"])


async def test_not_found() -> None:
    """No image and no repository are None; another failure of the batch is an error."""
    missing = {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}
    broken = {"images": [], "failures": [{"failureCode": "KmsError", "failureReason": "no key"}]}
    registry, _ = adapter(BatchGetImage=[missing, refused("RepositoryNotFoundException"), broken])
    assert await registry.find("b1") is None
    assert await registry.find("b1") is None
    with pytest.raises(AwsError, match="no key"):
        await registry.find("b1")


def test_deployable() -> None:
    """Lambda gets the image by digest."""
    registry, _ = adapter()
    expected = "42.dkr.ecr.eu-central-1.amazonaws.com/shop@sha256:1"
    assert registry.deployable(Digest("sha256:1")) == expected


@pytest.mark.parametrize(
    ("kind", "manifest", "problem"),
    [
        (OCI_IMAGE, {"layers": [{"mediaType": GZIP}]}, None),
        (DOCKER_IMAGE, {"layers": []}, None),
        (INDEX, {"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}, "amd64"),
        (INDEX, {}, "index of images"),
        ("", {"manifests": [{}]}, "?/?"),
        ("application/vnd.docker.distribution.manifest.v1+json", {}, "type"),
        (OCI_IMAGE, {"layers": [{"mediaType": GZIP.replace("gzip", "zstd")}]}, "zstd"),
        (OCI_IMAGE, {"layers": [{}]}, "?"),
    ],
)
def test_problems(kind: str, manifest: dict[str, Any], problem: str | None) -> None:
    """Lambda takes one single image with gzip layers, and nothing else."""
    found = problem_of(kind, manifest, Architecture.ARM64)
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")
