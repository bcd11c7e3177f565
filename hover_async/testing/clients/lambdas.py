"""Lambda's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anyio import current_time

from hover_async.errors import Throttled
from hover_async.testing.clients.refusals import missing, refused
from hover_async.testing.clients.wire import Wire
from hover_async.testing.lambdas import FakeFunction, FakeFunctions, FakeVersion
from hover_async.values import LATEST, LIVE, FunctionName, Version

Answer = Mapping[str, Any]


class LambdaClient:
    """botocore's `lambda`, as far as a deploy uses it."""

    def __init__(self, lambdas: FakeFunctions, wire: Wire) -> None:
        self._lambdas = lambdas
        self._wire = wire

    async def get_function(self, **asked: Any) -> Answer:
        name, qualifier = asked["FunctionName"], asked.get("Qualifier", LATEST)
        async with self._wire.request("lambda.GetFunction", name):
            found = self._function(name)
            version = found.live.version if qualifier == LIVE else Version(qualifier)
            if version == LATEST:
                return _about(
                    name,
                    LATEST,
                    found.image_uri,
                    LastUpdateStatus=_last_update(found),
                    RevisionId=_revision(found),
                )
            published = self._version(found, name, version)
            return _about(name, version, published.image_uri, State=_state(published))

    async def get_function_configuration(self, **asked: Any) -> Answer:
        """As botocore's waiters ask: out of the control plane's quota, unlike GetFunction."""
        name = asked["FunctionName"]
        async with self._wire.request("lambda.GetFunctionConfiguration", name):
            published = self._version(self._function(name), name, Version(asked["Qualifier"]))
            return {"FunctionName": name, "State": _state(published)}

    async def publish_version(self, **asked: Any) -> Answer:
        name = asked["FunctionName"]
        async with self._wire.request("lambda.PublishVersion", name):
            found = self._function(name)
            if current_time() < found.updated_at_s:
                raise refused(
                    "ResourceConflictException",
                    409,
                    f"The operation cannot be performed at this time. An update is in progress for "
                    f"resource: {name}",
                )
            sha = asked.get("CodeSha256")
            if sha and sha != _sha(found.image_uri):
                raise refused(
                    "InvalidParameterValueException",
                    400,
                    f"CodeSHA256 ({sha}) is different from current CodeSHA256 in $LATEST",
                )
            version = self._publish(name, found, asked.get("Description", ""))
            state = _state(found.versions[version])
            return {"FunctionName": name, "Version": version, "State": state}

    async def update_function_code(self, **asked: Any) -> Answer:
        name = asked["FunctionName"]
        async with self._wire.request("lambda.UpdateFunctionCode", name):
            found = self._function(name)
            if current_time() < found.updated_at_s:
                raise refused("ResourceConflictException", 409, "An update is in progress")
            if asked.get("RevisionId", _revision(found)) != _revision(found):
                raise refused(
                    "PreconditionFailedException", 412, "The RevisionId provided does not match"
                )
            model = self._wire.model
            update_s = model.image_s(name) if model else self._lambdas.update_s
            found.image_uri, found.updates = asked["ImageUri"], found.updates + 1
            found.updated_at_s = current_time() + update_s
            return {"FunctionName": name, "RevisionId": _revision(found)}

    async def delete_function(self, **asked: Any) -> Answer:
        """Of a published version; without one Lambda would delete the function."""
        name, version = asked["FunctionName"], Version(asked["Qualifier"])
        async with self._wire.request("lambda.DeleteFunction", name):
            found = self._function(name)
            if found.live.version == version:
                raise refused(
                    "ResourceConflictException", 409, f"An alias points to version {version}"
                )
            self._version(found, name, version)
            del found.versions[version]
            return {}

    async def get_alias(self, **asked: Any) -> Answer:
        async with self._wire.request("lambda.GetAlias", asked["FunctionName"]):
            return self._alias(asked["FunctionName"], asked["Name"])

    async def update_alias(self, **asked: Any) -> Answer:
        name, to = asked["FunctionName"], Version(asked["FunctionVersion"])
        async with self._wire.request("lambda.UpdateAlias", name):
            found = self._function(name)
            if asked.get("RevisionId", str(found.live.revision)) != str(found.live.revision):
                raise refused(
                    "PreconditionFailedException", 412, "The RevisionId provided does not match"
                )
            if to != LATEST:
                self._version(found, name, to)
            found.live.version, found.live.revision = to, found.live.revision + 1
            return self._alias(name, asked["Name"])

    async def invoke(self, **asked: Any) -> Answer:
        name, version = FunctionName(asked["FunctionName"]), Version(asked["Qualifier"])
        async with self._wire.request("lambda.Invoke", name):
            published = self._version(self._function(name), name, version)
            if published.inactive:
                published.inactive = False
                raise refused("ResourceConflictException", 409, "The function is being restored")
            try:
                ran = await self._lambdas.run(name, version, asked["Payload"])
            except Throttled as error:
                raise refused(
                    "TooManyRequestsException",
                    429,
                    "Rate Exceeded.",
                    Reason="ConcurrentInvocationLimitExceeded",
                ) from error
            failed = {"FunctionError": ran.error} if ran.error else {}
            return {
                "StatusCode": 200,
                "Payload": ran.payload,
                "ExecutedVersion": ran.executed_version,
                **failed,
            }

    async def get_account_settings(self, **asked: Any) -> Answer:
        async with self._wire.request("lambda.GetAccountSettings"):
            free = self._lambdas.free_concurrency
            return {
                "AccountLimit": {
                    "ConcurrentExecutions": free,
                    "UnreservedConcurrentExecutions": free,
                }
            }

    def _publish(self, name: str, found: FakeFunction, description: str) -> Version:
        """Unchanged code gives the last version again."""
        last = max(found.versions, key=int, default=None)
        if last and found.versions[last].image_uri == found.image_uri:
            return last
        version = Version(str(int(last or 0) + 1))
        model = self._wire.model
        settle_s = model.activation_s(name) if model else self._lambdas.settle_s
        found.versions[version] = FakeVersion(
            found.image_uri, description, current_time() + settle_s
        )
        return version

    def _alias(self, name: str, alias: str) -> Answer:
        found = self._function(name)
        if alias != LIVE:
            raise missing(f"Cannot find alias arn: {name}:{alias}")
        return {
            "Name": alias,
            "FunctionVersion": found.live.version,
            "RevisionId": str(found.live.revision),
        }

    def _function(self, name: str) -> FakeFunction:
        found = self._lambdas.functions.get(FunctionName(name))
        if found is None:
            raise missing(f"Function not found: {name}")
        return found

    def _version(self, found: FakeFunction, name: str, version: Version) -> FakeVersion:
        published = found.versions.get(version)
        if published is None:
            raise missing(f"Function not found: {name}:{version}")
        return published


def _about(name: str, version: Version, image_uri: str, **more: str) -> Answer:
    configuration = {
        "FunctionName": name,
        "Version": version,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "CodeSha256": _sha(image_uri),
        **more,
    }
    code = {"ImageUri": image_uri, "ResolvedImageUri": image_uri}
    return {"Configuration": configuration, "Code": code}


def _last_update(found: FakeFunction) -> str:
    return "InProgress" if current_time() < found.updated_at_s else "Successful"


def _revision(found: FakeFunction) -> str:
    """It changes with an update, and once more when that is done."""
    return f"{found.updates}-{_last_update(found)}"


def _state(published: FakeVersion) -> str:
    if published.inactive:
        return "Inactive"
    return "Active" if current_time() >= published.active_at_s else "Pending"


def _sha(image_uri: str) -> str:
    return image_uri.rpartition(":")[2]
