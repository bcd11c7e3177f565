"""Which secrets there are, where they could be seen, and what a search has found there."""

from __future__ import annotations

import base64
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from urllib.parse import quote

_DRAWN = [secrets.token_hex(6) for _ in range(8)]
CONTROL = f"c0ntrol{_DRAWN[7]}"
"""Put into names and messages: what is meant to be seen."""


class Secret(StrEnum):
    """What is never to be shown; the values are drawn anew in each process."""

    ACCESS_KEY = f"c4n4ryKEY/wJalr{_DRAWN[0]}+UtnFEMI/K7"
    SESSION_TOKEN = f"IQoJb3JpZ2luX2VjE/c4n4ry{_DRAWN[1]}+Q=="
    REGISTRY_PASSWORD = f"c4n4ryECR.eyJwYXlsb2FkIjoi{_DRAWN[2]}"
    DATA_KEY = f"c4n4ry-of-32-bytes: {_DRAWN[3]}"
    PROXY_PASSWORD = f"c4n4ry~proxy~{_DRAWN[4]}"
    ENVIRONMENT = f"c4n4ry env value {_DRAWN[5]} $5"
    STAGE_SECRET = f"c4n4ry secret value 'q' {_DRAWN[6]}"

    @property
    def what(self) -> str:
        return _TITLES[self]

    @property
    def forms(self) -> frozenset[bytes]:
        """As it is; quoted for URLs, JSON and HTML; in hex; in base64 at each offset."""
        raw = self.encode()
        plain = {raw, quote(self, safe="").encode(), json.dumps(self)[1:-1].encode()}
        plain |= {escape(self).encode(), raw.hex().encode(), self.replace("/", "\\/").encode()}
        encoded = [base64.b64encode(bytes(offset) + raw)[:-4] for offset in range(3)]
        inside = {one[4:] for one in encoded}
        return frozenset(plain | inside | {one.translate(_FOR_URLS) for one in inside})


_FOR_URLS = bytes.maketrans(b"+/", b"-_")
_TITLES = {
    Secret.ACCESS_KEY: "AWS secret access key",
    Secret.SESSION_TOKEN: "AWS session token",
    Secret.REGISTRY_PASSWORD: "registry password",
    Secret.DATA_KEY: "KMS data key",
    Secret.PROXY_PASSWORD: "proxy password",
    Secret.ENVIRONMENT: "manifest environment",
    Secret.STAGE_SECRET: "stage secrets",
}


class Surface(StrEnum):
    """Where somebody who must not know a secret may look."""

    LINES = "stdout and stderr, plain"
    LANES = "progress on a terminal"
    JSON_LINES = "stdout, JSON lines"
    EVENTS = "events of the library"
    ERRORS = "errors: text, hint, details"
    TRACEBACKS = "tracebacks, causes, their fields"
    LOGGING = "logging at DEBUG, all libraries"
    ARGV = "arguments of child processes"
    TEMPORARY = "temporary files left"
    PROJECT = "files of the build and the project"
    IMAGE = "build arguments, labels, files of the image"
    RECORDS = "lock, records and ledgers in the bucket"
    OBJECTS = "assets in the bucket, their headers"
    STACK = "stack: template, parameters, tags"
    CHANGE_SETS = "change sets"
    FUNCTIONS = "functions, versions, queues, log groups"
    TIMELINE = "timeline, SVG and HTML"
    PLAN = "plan, text and JSON"
    DOCTOR = "doctor, text and JSON"
    RELEASES = "releases, text and JSON"
    POLICIES = "iam policies"
    SECRETS = "what secrets encrypt, list, decrypt tell"


@dataclass
class Search:
    """What was searched, by surface; where a secret was found; where the control word was."""

    texts: Counter[Surface] = field(default_factory=Counter)
    size_bytes: Counter[Surface] = field(default_factory=Counter)
    control: Counter[Surface] = field(default_factory=Counter)
    runs: set[str] = field(default_factory=set)
    found: set[tuple[Secret, Surface, str]] = field(default_factory=set)
    handled: set[Secret] = field(default_factory=set)
    """Those that were seen where they belong: a search for what is nowhere finds nothing."""

    def __post_init__(self) -> None:
        self._forms = [(secret, form) for secret in Secret for form in secret.forms]

    def look(self, run: str, surface: Surface, *texts: str | bytes) -> None:
        self.runs.add(run)
        for text in texts:
            data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
            self.texts[surface] += 1
            self.size_bytes[surface] += len(data)
            self.control[surface] += CONTROL.encode() in data
            self.found |= {(name, surface, run) for name, form in self._forms if form in data}

    def blind(self) -> list[str]:
        """Why nothing follows from what was not found; empty where it does."""
        unseen = [f"the control word is not in '{one}'" for one in Surface if not self.control[one]]
        unhandled = [f"{each.what}: not handled" for each in Secret if each not in self.handled]
        return unseen + unhandled + list(missed())

    def hits(self, secret: Secret, surface: Surface) -> int:
        return sum((one, where) == (secret, surface) for one, where, _ in self.found)

    def table(self) -> str:
        titles = " | ".join(secret.what for secret in Secret)
        lines = [f"| surface | texts | kB | control word | {titles} |", "|---|" + "--:|" * 10]
        for surface in Surface:
            hits = " | ".join(str(self.hits(secret, surface)) for secret in Secret)
            sizes = f"{self.texts[surface]:,} | {self.size_bytes[surface] // 1000:,}"
            lines.append(f"| {surface} | {sizes} | {self.control[surface]:,} | {hits} |")
        return "\n".join(lines)

    def told(self) -> str:
        seen = sum(self.control[surface] > 0 for surface in Surface)
        leaks_of_each = len(list(leaks(Secret.ACCESS_KEY)))
        forms = sum(len(secret.forms) for secret in Secret)
        return (
            f"**{len(Secret)} secrets x {len(Surface)} surfaces: {len(self.found)} found.** "
            f"{self.texts.total():,} texts from {len(self.runs)} sources (deploys, commands, "
            f"single calls, loggers), searched for {forms} forms of the secrets (as it is, in "
            "URLs, JSON, HTML, hex, base64), whose values are drawn anew each time. Each was seen "
            "where it belongs: signing, at the registry, at the proxy, in the image, opened. The "
            "control word stands in names and messages that are meant to be seen (in the log, a "
            "child's arguments and a temporary file it was put on purpose); the same search finds "
            f"it in {seen} of {len(Surface)} surfaces, and each secret in each of {leaks_of_each} "
            "ways to leak it. Real images, containers and their logs are searched by "
            "`tests/e2e/test_secrets.py`.\n\n"
            f"{self.table()}"
        )


def leaks(secret: Secret) -> Iterator[bytes]:
    """Texts that show it in the ways that texts are written, with something on either side."""
    whole = f"a{secret}b"
    yield from (whole.encode(), json.dumps({"x": [whole]}).encode(), repr([whole]).encode())
    yield from (
        quote(whole, safe="").encode(),
        escape(whole).encode(),
        whole.encode().hex().encode(),
    )
    for beside in ("AWS:", "AWS: ", "AWS::x"):
        sides = f"{beside}{secret}{beside}".encode()
        yield from (base64.b64encode(sides), base64.urlsafe_b64encode(sides))


def missed() -> Iterator[str]:
    """The search's own test: each leak must be found."""
    for secret in Secret:
        for number, leak in enumerate(leaks(secret)):
            search = Search()
            search.look("leak", Surface.LINES, leak)
            if search.hits(secret, Surface.LINES) != 1:
                yield f"{secret.what}: leak {number} is not found"
