"""Lambda: versions, aliases and invocations."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import Any

from anyio import fail_after

from hover_async.aws.errors import AnswerLost, Changed, hint_of
from hover_async.aws.retry import (
    COMMAND_REFUSED,
    FORGET,
    INVOKE_ONCE_MORE,
    INVOKE_REFUSED,
    MOVE_ALIAS,
    NEVER,
    PUBLISH,
    READ,
    UPDATE_CODE,
    Policy,
    repeated,
)
from hover_async.aws.service import Answer, Service
from hover_async.errors import Conflict, NotFound, OutcomeUnknown, Rejected
from hover_async.ports import Alias, FunctionState, Invocation, Repeatable
from hover_async.values import LATEST, FunctionName, Version

HASH = re.compile(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=")
"""SHA-256 as Lambda writes it: in hexadecimal for an image, in base64 for an archive."""


class LambdaFunctions:
    """`Functions` over Lambda.

    `invocations` is a service whose client waits longer than any function runs, and sends nothing
    twice of its own accord.
    """

    def __init__(self, lambdas: Service, invocations: Service) -> None:
        self._lambdas = lambdas
        self._invocations = invocations

    async def state(self, function: FunctionName, version: Version) -> FunctionState:
        answer = await self._call(READ, "GetFunction", function, version, Qualifier=version)
        about, code = answer["Configuration"], answer.get("Code", {})
        return FunctionState(
            version=Version(about.get("Version", version)),
            state=about.get("State", "Active"),
            state_reason=_reason(about, "StateReason"),
            last_update=about.get("LastUpdateStatus", "Successful"),
            last_update_reason=_reason(about, "LastUpdateStatusReason"),
            code_sha256=_code_sha256(about, code),
            image_uri=code.get("ImageUri", ""),
            revision=about.get("RevisionId", ""),
        )

    async def update_code(self, function: FunctionName, image_uri: str, *, revision: str) -> None:
        async def update() -> None:
            try:
                await self._call(
                    NEVER,
                    "UpdateFunctionCode",
                    function,
                    ImageUri=image_uri,
                    RevisionId=revision,
                )
            except (OutcomeUnknown, Changed) as error:
                await self._updated_after_all(function, image_uri, revision, error)

        await repeated(UPDATE_CODE, update)

    async def publish(
        self, function: FunctionName, *, code_sha256: str, description: str
    ) -> Version:
        try:
            answer = await self._call(
                PUBLISH, "PublishVersion", function, CodeSha256=code_sha256, Description=description
            )
        except Rejected as error:
            if (await self.state(function, LATEST)).code_sha256 == code_sha256:
                raise
            raise Conflict(  # the same code as for any wrong parameter, so the code itself is asked
                f"function '{function}' holds other code than {code_sha256}",
                operation=error.operation,
                aws_code=error.aws_code,
                request_id=error.request_id,
                hint=hint_of(Changed),
            ) from error
        return Version(answer["Version"])

    async def delete_version(self, function: FunctionName, version: Version) -> None:
        if not version.isdigit():  # without a qualifier Lambda would delete the function
            raise ValueError(f"no published version: {version!r}")
        with suppress(NotFound):
            await self._call(FORGET, "DeleteFunction", function, version, Qualifier=version)

    async def alias(self, function: FunctionName, name: str) -> Alias | None:
        try:
            return _alias(function, await self._call(READ, "GetAlias", function, name, Name=name))
        except NotFound:
            return None

    async def move_alias(self, alias: Alias, name: str, *, to: Version) -> Alias:
        async def move() -> Alias:
            try:
                answer = await self._call(
                    NEVER,
                    "UpdateAlias",
                    alias.function,
                    name,
                    Name=name,
                    FunctionVersion=to,
                    RevisionId=alias.revision,
                    # left out, weights that were there stay: Lambda changes only what is sent
                    RoutingConfig={"AdditionalVersionWeights": {}},
                )
            except (OutcomeUnknown, Changed) as error:
                return await self._moved_after_all(alias, name, to, error)
            return _alias(alias.function, answer)

        return await repeated(MOVE_ALIAS, move)

    async def invoke(
        self,
        function: FunctionName,
        version: Version,
        payload: bytes,
        *,
        timeout_s: float,
        repeatable: Repeatable,
    ) -> Invocation:
        async def send() -> Invocation:
            return await self._invoke(function, version, payload)

        try:
            with fail_after(timeout_s):
                if repeatable is Repeatable.NEVER:
                    return await repeated(COMMAND_REFUSED, send)
                return await repeated(INVOKE_ONCE_MORE, lambda: repeated(INVOKE_REFUSED, send))
        except TimeoutError as error:
            raise AnswerLost(
                f"Invoke of '{function}:{version}': no answer within {timeout_s:g} s",
                operation="Invoke",
                hint=hint_of(AnswerLost),
            ) from error

    async def unreserved_concurrency(self) -> int:
        answer = await self._lambdas.call(READ, "GetAccountSettings", "the account")
        return int(answer["AccountLimit"]["UnreservedConcurrentExecutions"])

    async def _updated_after_all(
        self,
        function: FunctionName,
        image_uri: str,
        revision: str,
        error: OutcomeUnknown | Changed,
    ) -> None:
        """Nothing if it has the image now. Unchanged raises `error` again, else `Conflict`."""
        now = await self.state(function, LATEST)
        if now.image_uri == image_uri:
            return
        if now.revision == revision and isinstance(error, OutcomeUnknown):
            raise error
        raise Conflict(
            f"function '{function}' changed since it was read: it holds image {now.image_uri}",
            operation=error.operation,
            aws_code=error.aws_code,
            request_id=error.request_id,
            hint=hint_of(Changed),
        ) from error

    async def _moved_after_all(
        self, alias: Alias, name: str, to: Version, error: OutcomeUnknown | Changed
    ) -> Alias:
        """The alias if it points to `to` now. Unchanged raises `error` again, else `Conflict`."""
        now = await self.alias(alias.function, name)
        if now and now.version == to and not now.has_routing:
            return now
        if now and now.revision == alias.revision and isinstance(error, OutcomeUnknown):
            raise error
        found = f"points to {now.version}" if now else "is gone"
        raise Conflict(
            f"alias '{name}' of '{alias.function}' changed since it was read: it {found}",
            operation=error.operation,
            aws_code=error.aws_code,
            request_id=error.request_id,
            hint=hint_of(Changed),
        ) from error

    async def _invoke(self, function: FunctionName, version: Version, payload: bytes) -> Invocation:
        answer = await self._invocations.call(
            NEVER,
            "Invoke",
            f"'{function}:{version}'",
            FunctionName=function,
            Qualifier=version,
            Payload=payload,
            LogType="Tail",
        )
        return Invocation(
            payload=answer["Payload"],
            error=answer.get("FunctionError"),
            log_tail=base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
            executed_version=answer.get("ExecutedVersion", ""),
        )

    async def _call(
        self,
        policy: Policy,
        operation: str,
        function: FunctionName,
        qualifier: str | None = None,
        /,
        **parameters: Any,
    ) -> Answer:
        subject = f"'{function}:{qualifier}'" if qualifier else f"'{function}'"
        return await self._lambdas.call(
            policy, operation, subject, FunctionName=function, **parameters
        )


def _alias(function: FunctionName, answer: Answer) -> Alias:
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
    return Alias(
        function=function,
        version=Version(answer["FunctionVersion"]),
        revision=answer["RevisionId"],
        has_routing=bool(weights),
    )


def _reason(about: Answer, name: str) -> str:
    """Lambda's words, with its code for what cannot be understood without one."""
    said, code = about.get(name, ""), about.get(f"{name}Code", "")
    return f"{code}: {said}" if code and said else said or code


def _code_sha256(about: Answer, code: Answer) -> str:
    """Lambda's hash of the code, of an image its digest; a local AWS may have no hash but that."""
    said: str = about.get("CodeSha256", "")
    if HASH.fullmatch(said):
        return said
    digest: str = code.get("ResolvedImageUri", "").partition("@sha256:")[2]
    return digest
