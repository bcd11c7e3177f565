"""Lambda: functions, their versions and their aliases."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hover_async.values import FunctionName, Version


@dataclass(frozen=True)
class FunctionState:
    """A function or one version of it. `code_sha256` of an image function is the image's digest.

    `revision` changes with every change, and once more when an update is done.
    """

    version: Version
    state: str
    state_reason: str
    last_update: str
    last_update_reason: str
    code_sha256: str
    image_uri: str
    revision: str = ""


@dataclass(frozen=True)
class Alias:
    """Where an alias points. `revision` changes with every change: compare and set with it."""

    function: FunctionName
    version: Version
    revision: str
    has_routing: bool = False


@dataclass(frozen=True)
class Invocation:
    """An answered invocation. `error` is set when the function itself failed (not the service)."""

    payload: bytes
    error: str | None
    log_tail: str
    executed_version: str


class Repeatable(StrEnum):
    """Whether an invocation may be sent again when its answer is lost."""

    ONCE = "once"
    NEVER = "never"


class Functions(Protocol):
    async def state(self, function: FunctionName, version: Version) -> FunctionState: ...

    async def update_code(self, function: FunctionName, image_uri: str, *, revision: str) -> None:
        """Give `$LATEST` the image if its revision is still `revision`; no version is made.

        Accepted when it returns: the update is done when the state says so. Raises `Conflict` when
        something else changed it. An answer that was lost is looked up: done if it has the image.
        """

    async def publish(
        self, function: FunctionName, *, code_sha256: str, description: str
    ) -> Version:
        """Publish `$LATEST`, guarded by its code; unchanged code gives the last version again."""

    async def delete_version(self, function: FunctionName, version: Version) -> None:
        """Delete one published version; gone already counts as done.

        Raises `Conflict` when an alias reaches it.
        """

    async def alias(self, function: FunctionName, name: str) -> Alias | None: ...

    async def move_alias(self, alias: Alias, name: str, *, to: Version) -> Alias:
        """Point the alias to `to`, with no routing weights, if its revision is still `alias`'s.

        Raises `Conflict` when it is not. An answer that was lost is looked up: success if the
        alias points to `to`.
        """

    async def invoke(
        self,
        function: FunctionName,
        version: Version,
        payload: bytes,
        *,
        timeout_s: float,
        repeatable: Repeatable,
    ) -> Invocation:
        """Invoke and wait. Raises `Throttled` when concurrency is used up, `OutcomeUnknown`
        when the answer was lost and `repeatable` forbids another try."""

    async def unreserved_concurrency(self) -> int:
        """How many environments this account may run at once outside every reserve."""
