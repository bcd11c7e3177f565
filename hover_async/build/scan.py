"""What must not be in an image that goes live, in none of its layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hover_async.errors import ImageUnsafe

SHOWN = 10

# Paths that packages bring along: their fixtures and sample keys are published anyway.
_PACKAGES = re.compile(r"(^|/)(vendor|node_modules)/")
# Directories of the operating system, which the base image fills and no project is copied into.
_SYSTEM = re.compile(r"^(etc|usr|lib|lib64|sbin|bin|opt/aws|proc|sys|dev)/")


@dataclass(frozen=True)
class Rule:
    """What a path looks like that must not be there, and what it is."""

    what: str
    path: re.Pattern[str]
    also_in_packages: bool = False


_RULES: Sequence[Rule] = (
    Rule("a stage's secrets", re.compile(r"(^|/)[^/]*-secrets(\.plain\.env|\.json)$"), True),
    Rule("an .env file", re.compile(r"(^|/)\.env(\.(?!example$|dist$|sample$|template$)[^/]*|rc)?$")),
    Rule("a git repository", re.compile(r"(^|/)\.git(/|$)")),
    Rule("hover-async's own file", re.compile(r"(^|/)\.hover/"), True),
    Rule("composer's credentials", re.compile(r"^var/task/auth\.json$|(^|/)\.composer/auth\.json$")),
    Rule(
        "somebody's credentials",
        re.compile(r"(^|/)(\.aws/credentials|\.netrc|\.git-credentials|\.docker/config\.json)$"),
    ),
    Rule(
        "a private key",
        re.compile(
            r"(^|/)(id_(rsa|dsa|ecdsa|ed25519)|oauth-private\.key|privkey\.pem"
            r"|[^/]*[-_.]key\.pem|[^/]*private[^/]*\.(pem|key)|[^/]*\.(p12|pfx|ppk))$"
        ),
    ),
)


def require_safe(
    layers: Mapping[str, Sequence[str]], image: str, *, allowed: Sequence[str]
) -> int:
    """Look at every file of every layer; how many there are. Raises `ImageUnsafe`.

    `allowed` are files and directories of `.hover` that a build puts into the context itself.
    """
    findings = [
        f"{path} ({what})"
        for paths in layers.values()
        for path in paths
        if (what := _finding(path, allowed))
    ]
    if findings:
        more = f" and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
        raise ImageUnsafe(
            f"image {image} carries {', '.join(findings[:SHOWN])}{more}",
            hint="keep it out with .dockerignore, and out of every COPY and RUN of the Dockerfile: "
            "a layer keeps what a later step deletes",
        )
    return sum(len(paths) for paths in layers.values())


def _finding(path: str, allowed: Sequence[str]) -> str | None:
    """What is wrong with `path`, or None. A layer's mark that hides a file is no file."""
    if _SYSTEM.match(path) or path.rpartition("/")[2].startswith(".wh."):
        return None
    in_package = _PACKAGES.search(path) is not None
    for rule in _RULES:
        if rule.path.search(path) and (rule.also_in_packages or not in_package):
            return None if _is_allowed(path, allowed) else rule.what
    return None


def _is_allowed(path: str, allowed: Sequence[str]) -> bool:
    return any(f"/{path}/".find(f"/{name}/") >= 0 for name in allowed)
