"""What a build must know of a Dockerfile before Docker reads it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FROM_AS = re.compile(r"FROM\s+(?:--\S+\s+)*\S+\s+AS\s+(?P<name>\S+)", re.IGNORECASE)


def targets(dockerfile: str) -> Sequence[str]:
    """The names of its stages, in lower case as Docker compares them."""
    lines = [line.strip() for line in dockerfile.replace("\\\n", " ").splitlines()]
    found = [_FROM_AS.match(line) for line in lines]
    return [match["name"].lower() for match in found if match]
