"""Which names a secret may have, and how much the environment of a process holds."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from hover_async.errors import UsageError
from hover_async.manifest.fields import VariableName
from hover_async.values import Secret

MAX_VARIABLE_BYTES = 128 * 1024 - 1
"""Of `NAME=value`, to which a NUL is added: Linux takes no longer string (execve(2))."""
MAX_TOTAL_BYTES = 512 * 1024
"""Of all secrets and the manifest's `environment`. Linux gives arguments and environment together a
quarter of the stack's limit (execve(2)), 2 MiB at the usual 8; the rest is for everything else."""
OVERHEAD_BYTES = 10
"""Of a variable: `=`, a NUL, and the pointer to it."""

THE_RUNTIMES = frozenset(
    {
        "APP_CONFIG_CACHE",
        "APP_EVENTS_CACHE",
        "APP_PACKAGES_CACHE",
        "APP_ROUTES_CACHE",
        "APP_SERVICES_CACHE",
        "LARAVEL_STORAGE_PATH",
        "VIEW_COMPILED_PATH",
    }
)
"""What `runtime/src/Laravel.php` sets over every secret."""

_NAME: TypeAdapter[str] = TypeAdapter(VariableName)


def problem_of_name(name: str) -> str | None:
    """Why a secret cannot be called so, or None. What a manifest's variable may not be is one."""
    if name in THE_RUNTIMES:
        return "set by the runtime in every container: choose another name"
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])
    return None


def problem_of_value(name: str, value: str) -> str | None:
    """Why no process can be given it, or None; never shows it."""
    if "\0" in value:
        return "there is a NUL in it, which no variable may hold"
    size = len(f"{name}={value}".encode())
    if size > MAX_VARIABLE_BYTES:
        return f"{size:,} bytes with its name; a process takes {MAX_VARIABLE_BYTES:,} at most"
    return None


def require_room(secrets: Mapping[str, Secret], environment: Mapping[str, str]) -> None:
    """Raises `UsageError` when a process could not be given all of these variables."""
    together = {**environment, **{name: value.reveal() for name, value in secrets.items()}}
    size = sum(
        len(name.encode()) + len(value.encode()) + OVERHEAD_BYTES
        for name, value in together.items()
    )
    if size > MAX_TOTAL_BYTES:
        raise UsageError(
            f"the secrets and the manifest's environment are {size:,} bytes together; a process is "
            f"given {MAX_TOTAL_BYTES:,} at most",
            hint="keep large values in a store of yours, as AWS Secrets Manager or S3",
        )
