"""ECR's client."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from hover_async.testing.clients.refusals import refused
from hover_async.testing.clients.wire import Wire
from hover_async.testing.images import FakeRegistry

Answer = Mapping[str, Any]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


class EcrClient:
    """botocore's `ecr`, as far as a deploy uses it."""

    def __init__(self, registry: FakeRegistry, wire: Wire) -> None:
        self._registry = registry
        self._wire = wire

    async def describe_repositories(self, **asked: Any) -> Answer:
        async with self._wire.request("ecr.DescribeRepositories", asked["repositoryNames"][0]):
            if not self._registry.exists:
                raise refused("RepositoryNotFoundException")
            return {"repositories": [{"repositoryName": asked["repositoryNames"][0]}]}

    async def create_repository(self, **asked: Any) -> Answer:
        async with self._wire.request("ecr.CreateRepository", asked["repositoryName"]):
            if self._registry.exists:
                raise refused("RepositoryAlreadyExistsException")
            self._registry.exists = True
            return {}

    async def get_repository_policy(self, **asked: Any) -> Answer:
        async with self._wire.request("ecr.GetRepositoryPolicy", asked["repositoryName"]):
            if self._registry.policy is None:
                raise refused("RepositoryPolicyNotFoundException")
            return {"policyText": self._registry.policy}

    async def set_repository_policy(self, **asked: Any) -> Answer:
        async with self._wire.request("ecr.SetRepositoryPolicy", asked["repositoryName"]):
            self._registry.policy = asked["policyText"]
            return {}

    async def get_authorization_token(self, **asked: Any) -> Answer:
        async with self._wire.request("ecr.GetAuthorizationToken"):
            token = base64.b64encode(f"AWS:{self._registry.password}".encode()).decode()
            return {"authorizationData": [{"authorizationToken": token}]}

    async def batch_get_image(self, **asked: Any) -> Answer:
        tag = asked["imageIds"][0]["imageTag"]
        async with self._wire.request("ecr.BatchGetImage", tag):
            found = self._registry.images.get(tag)
            if found is None:
                return {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}
            kind = INDEX if found.problem else MANIFEST
            image = {
                "imageId": {"imageDigest": found.digest, "imageTag": tag},
                "imageManifest": json.dumps({"mediaType": kind, "layers": [{"mediaType": LAYER}]}),
                "imageManifestMediaType": kind,
            }
            return {"images": [image]}

    async def batch_delete_image(self, **asked: Any) -> Answer:
        tags = [image["imageTag"] for image in asked["imageIds"]]
        async with self._wire.request("ecr.BatchDeleteImage", tags[0]):
            gone = {tag: self._registry.images.pop(tag, None) for tag in tags}
            failures = [
                {"failureCode": "ImageNotFound", "imageId": {"imageTag": tag}}
                for tag, image in gone.items()
                if image is None
            ]
            return {"failures": failures}
