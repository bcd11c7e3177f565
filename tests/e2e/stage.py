"""A stage of the example application, deployed by the real program to the tests' local AWS."""

from __future__ import annotations

import json
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import botocore.session

from hover_async.local import LocalAws
from hover_async.local.places import Instance
from tests.e2e.conftest import HoverAsync, copy_of_the_example, users_environment

ENDS_WITHIN_S = 120
LOOK_EVERY_S = 0.5
INSTANCE_FILE = "/tmp/hover/instance"  # noqa: S108 - in the container
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """A `deploy --json` that has ended: its exit code, its events, and what it wrote to stderr."""

    exit_code: int
    events: Sequence[Mapping[str, Any]]
    stderr: str

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def result(self) -> Mapping[str, Any]:
        assert self.exit_code == 0, self.stderr
        return self.of("Deployed")[0]


@dataclass(frozen=True)
class Container:
    """A running container of a function: of which version, and the name it gave itself."""

    version: str
    instance: str


@dataclass(frozen=True)
class Stage:
    """A project with a name of its own on AWS, and what AWS says about it."""

    name: str
    project: Path
    program: HoverAsync
    aws: LocalAws

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Change a file of the project; it must become another one."""
        file = self.project / path
        before = file.read_text()
        after = change(before)
        assert after != before, f"{path} has nothing to change"
        file.write_text(after)

    def manifest(self, pattern: str, replacement: str) -> None:
        """Replace what matches in the manifest."""
        self.edit(
            ".hover/dev.yml", lambda text: re.sub(pattern, replacement, text, flags=re.MULTILINE)
        )

    def build(self, *options: str) -> str:
        """The build id."""
        return self.program.ok("build", "dev", *options).split()[0]

    def deploy(self, *options: str, interrupt_at: str | None = None) -> Run:
        """Deploy with `--json`; `interrupt_at` sends SIGINT when that step starts."""
        events = []
        with self.program.start("deploy", "--local", "--json", *options) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            for line in running.stdout:
                event = json.loads(line)
                events.append(event)
                if event["event"] == "StepStarted" and event["step"] == interrupt_at:
                    running.send_signal(signal.SIGINT)
            return Run(running.wait(ENDS_WITHIN_S), events, running.stderr.read())

    def client(self, service: str) -> Any:
        return botocore.session.get_session().create_client(
            service,
            region_name=self.aws.region,
            endpoint_url=self.aws.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - what every local AWS takes
        )

    def live(self) -> dict[str, str]:
        """Where each function's `live` alias points, asked of AWS."""
        lambdas = self.client("lambda")
        return {
            role: lambdas.get_alias(FunctionName=f"{self.name}-{role}", Name="live")[
                "FunctionVersion"
            ]
            for role in ("http", "cli", "jobs-queue")
        }

    def running(self, role: str) -> list[Container]:
        """The containers that Docker runs for a function, of all its versions."""
        label = f"ministack.instance={Instance(self.aws.instance).label}:{self.aws.port}"
        ids = _docker("ps", "--quiet", "--filter", f"label={label}").split()
        found = []
        for about in json.loads(_docker("inspect", *ids)) if ids else []:
            told = dict(line.split("=", 1) for line in about["Config"]["Env"])
            if told.get("AWS_LAMBDA_FUNCTION_NAME") == f"{self.name}-{role}":
                instance = _docker("exec", about["Id"], "cat", INSTANCE_FILE)
                found.append(Container(told["AWS_LAMBDA_FUNCTION_VERSION"], instance))
        return found

    def open_uploads(self) -> Sequence[object]:
        found = self.client("s3").list_multipart_uploads(Bucket=f"{self.name}-assets")
        return list(found.get("Uploads", []))


def new_stage(name: str, directory: Path, aws: LocalAws) -> Stage:
    """The example in `directory`, as a stage of its own; its base image must be there."""
    project = copy_of_the_example(directory)
    stage = Stage(name, project, HoverAsync(project, users_environment()), aws)
    stage.manifest(r"hover-example(?!-base)", name)
    return stage


def own_name(test: str) -> str:
    """A stage's name for a test, and for no earlier run of it: a local AWS remembers."""
    words = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower())[:24].strip("-")
    return f"{words}-{secrets.token_hex(2)}"


def eventually(look: Callable[[], T | None], *, within_s: float) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + within_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(LOOK_EVERY_S)
    return found


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def containers() -> set[str]:
    """Every container on the engine that is not one of the local AWS' functions."""
    listed = _docker("ps", "--all", "--format", "{{.ID}} {{.Names}} {{.Labels}}")
    return {line for line in listed.splitlines() if "ministack" not in line}
