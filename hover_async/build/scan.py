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
_SYSTEM = re.compile(r"^(etc|usr(?!/src/)|lib|lib64)/")


@dataclass(frozen=True)
class Rule:
    """What a path looks like that must not be there, and what it is.

    `everywhere` holds for packages and the operating system too.
    """

    what: str
    path: re.Pattern[str]
    everywhere: bool = False


_HOVER = Rule("hover-async's own file", re.compile(r"(^|/)\.hover/"), everywhere=True)
_RULES: Sequence[Rule] = (
    Rule(
        "a stage's secrets",
        re.compile(r"(^|/)[^/]*-secrets(\.plain\.env|\.json)$"),
        everywhere=True,
    ),
    Rule(
        "an .env file",
        re.compile(r"(^|/)\.env(\.(?!example$|dist$|sample$|template$)[^/]*|rc)?$"),
    ),
    Rule("a git repository", re.compile(r"(^|/)\.git(/|$)")),
    Rule(
        "composer's credentials",
        re.compile(r"^var/task/auth\.json$|(^|/)\.composer/auth\.json$"),
    ),
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
    _HOVER,
)


def require_safe(layers: Mapping[str, Sequence[str]], image: str, *, allowed: Sequence[str]) -> int:
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
    if path.rpartition("/")[2].startswith(".wh."):
        return None
    brought_along = _PACKAGES.search(path) is not None or _SYSTEM.match(path) is not None
    for rule in _RULES:
        if not rule.path.search(path) or (brought_along and not rule.everywhere):
            continue
        if rule is not _HOVER or not _is_allowed(path, allowed):
            return rule.what
    return None


def _is_allowed(path: str, allowed: Sequence[str]) -> bool:
    return any(f"/{name}/" in f"/{path}/" for name in allowed)
