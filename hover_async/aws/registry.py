"""ECR: the stage's image repository, and what Lambda would make of an image in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hover_async.aws.retry import CREATE, FORGET, READ, SETTLE, Policy
from hover_async.aws.service import Answer, Service
from hover_async.errors import AccessDenied, AwsError, Conflict, NotFound, Rejected
from hover_async.ports import PushedImage, RegistryLogin
from hover_async.values import Architecture, Digest, Secret

DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
IMAGES = frozenset({DOCKER_IMAGE, OCI_IMAGE})
INDEXES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    }
)
LAYERS = frozenset(
    {
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    }
)
"""What Lambda unpacks; zstd and plain tar it does not."""


UNTAGGED_AT_ONCE = 100
"""ECR's most."""


class EcrRegistry:
    """`Registry` over one repository, of which `host` serves the images.

    `functions_arn` says which functions may read them.
    """

    def __init__(
        self,
        ecr: Service,
        repository: str,
        *,
        host: str,
        functions_arn: str,
        architecture: Architecture,
        tags: Mapping[str, str],
    ) -> None:
        self._ecr = ecr
        self._name = repository
        self._functions_arn = functions_arn
        self._uri = f"{host}/{repository}"
        self._architecture = architecture
        self._tags = tags

    async def ensure_repository(self) -> str:
        # Looked up first: whoever may not create one can still deploy to one that was made.
        try:
            await self._ecr.call(
                READ,
                "DescribeRepositories",
                f"repository '{self._name}'",
                repositoryNames=[self._name],
            )
        except NotFound:
            await self._create()
        await self._let_lambda_read()
        return self._uri

    async def _create(self) -> None:
        try:
            await self._call(
                CREATE,
                "CreateRepository",
                tags=[{"Key": key, "Value": value} for key, value in self._tags.items()],
            )
        except Conflict as error:
            if error.aws_code != "RepositoryAlreadyExistsException":
                raise

    async def login(self) -> RegistryLogin:
        answer = await self._ecr.call(READ, "GetAuthorizationToken", "the registry")
        try:
            token = answer["authorizationData"][0]["authorizationToken"]
            username, password = base64.b64decode(token).decode().split(":", 1)
        except (LookupError, ValueError) as error:
            raise Rejected(
                "GetAuthorizationToken answered no usable login", operation="GetAuthorizationToken"
            ) from error
        return RegistryLogin(username, Secret(password))

    async def find(self, tag: str) -> PushedImage | None:
        try:
            answer = await self._call(
                READ,
                "BatchGetImage",
                imageIds=[{"imageTag": tag}],
                acceptedMediaTypes=sorted(IMAGES | INDEXES),
            )
        except NotFound:
            return None
        images = answer.get("images", [])
        if not images:
            _check_missing(answer, self._name, tag)
            return None
        image = images[0]
        manifest = json.loads(image.get("imageManifest") or "{}")
        kind = image.get("imageManifestMediaType") or manifest.get("mediaType", "")
        digest = Digest(image["imageId"]["imageDigest"])
        return PushedImage(digest, problem_of(kind, manifest, self._architecture))

    async def untag(self, tags: Sequence[str]) -> None:
        for at in range(0, len(tags), UNTAGGED_AT_ONCE):
            batch = tags[at : at + UNTAGGED_AT_ONCE]
            answer = await self._call(
                FORGET, "BatchDeleteImage", imageIds=[{"imageTag": tag} for tag in batch]
            )
            _check_missing(answer, self._name, batch[0], operation="BatchDeleteImage")

    def deployable(self, digest: Digest) -> str:
        return f"{self._uri}@{digest}"

    async def _let_lambda_read(self) -> None:
        """Write the policy that Lambda would write itself, if whoever updates the stack may not.

        A policy that is there is somebody's decision and stays. Without the right to set one,
        Lambda still adds its own when it is let.
        """
        try:
            await self._call(READ, "GetRepositoryPolicy")
        except NotFound:
            pass
        except AccessDenied:
            return
        else:
            return
        try:
            await self._call(
                SETTLE, "SetRepositoryPolicy", policyText=json.dumps(self._lambda_policy())
            )
        except AccessDenied:
            return

    def _lambda_policy(self) -> dict[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "LambdaECRImageRetrievalPolicy",
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                    "Condition": {"StringLike": {"aws:sourceArn": self._functions_arn}},
                }
            ],
        }

    async def _call(self, policy: Policy, operation: str, **parameters: Any) -> Answer:
        return await self._ecr.call(
            policy,
            operation,
            f"repository '{self._name}'",
            repositoryName=self._name,
            **parameters,
        )


def problem_of(kind: str, manifest: Mapping[str, Any], architecture: Architecture) -> str | None:
    """Why Lambda would refuse an image of this manifest, if it would."""
    if kind in INDEXES or "manifests" in manifest:
        return (
            f"is an index of {_platforms(manifest)}; Lambda takes a single image for "
            f"{architecture.docker_name} (build without provenance attestations)"
        )
    if kind not in IMAGES:
        return f"has a manifest of type '{kind}'; Lambda takes {DOCKER_IMAGE} or {OCI_IMAGE}"
    odd = sorted({layer.get("mediaType", "?") for layer in manifest.get("layers", ())} - LAYERS)
    if odd:
        return f"has layers of type {', '.join(odd)}; Lambda takes gzip"
    return None


def _platforms(manifest: Mapping[str, Any]) -> str:
    found = [
        "/".join(str(entry.get("platform", {}).get(part, "?")) for part in ("os", "architecture"))
        for entry in manifest.get("manifests", ())
    ]
    return ", ".join(found) or "images"


def _check_missing(
    answer: Answer, repository: str, tag: str, *, operation: str = "BatchGetImage"
) -> None:
    """No image under the tag is an answer; any other failure of the batch is an error."""
    for failure in answer.get("failures", ()):
        if failure.get("failureCode") not in {"ImageNotFound", "ImageTagDoesNotMatchDigest"}:
            raise AwsError(
                f"{operation} of '{repository}:{tag}': {failure.get('failureCode')}: "
                f"{failure.get('failureReason', '')}",
                operation=operation,
                aws_code=str(failure.get("failureCode", "")),
            )
