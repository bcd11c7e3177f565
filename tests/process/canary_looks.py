"""What of a run is looked at: events, errors, what is kept on AWS, files."""

from __future__ import annotations

import io
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from hover_async.aws.concealment import family
from hover_async.cli.lanes import LanesReporter
from hover_async.cli.main import fail
from hover_async.cli.plain import JsonReporter, PlainReporter
from hover_async.cli.summary import print_summary
from hover_async.deploy.deployment import Deployment
from hover_async.errors import HoverError
from hover_async.events import Event, as_json
from tests.process.canary_search import Search, Surface
from tests.process.stage import Stage


def look_at_events(
    search: Search,
    run: str,
    events: list[Event],
    failure: BaseException | None,
    deployment: Deployment | None,
) -> None:
    """What each reporter makes of the events, with the command's last words."""
    plain, lines, lanes = io.StringIO(), io.StringIO(), io.StringIO()
    with redirect_stdout(plain), redirect_stderr(plain):
        for event in events:
            PlainReporter()(event)
        if deployment:
            print_summary(deployment)
    with LanesReporter(Console(file=lanes, force_terminal=True, width=200)) as reporter:
        for event in events:
            reporter(event)
    with redirect_stdout(lines):
        as_lines = JsonReporter()
        for event in events:
            as_lines(event)
        if isinstance(failure, HoverError):
            as_lines.write({"event": "Failed", **failure.details()})
        if deployment:
            as_lines.write({"event": "Deployed", **deployment.as_json()})
    search.look(run, Surface.LINES, plain.getvalue())
    search.look(run, Surface.LANES, lanes.getvalue())
    search.look(run, Surface.JSON_LINES, lines.getvalue())
    search.look(run, Surface.EVENTS, *(repr(one) for one in events))
    search.look(run, Surface.EVENTS, *(json.dumps(as_json(one), default=str) for one in events))


def look_at_error(search: Search, run: str, failure: BaseException) -> None:
    """The error and all it came from: their words, what they hold, and the traceback."""
    search.look(run, Surface.TRACEBACKS, "".join(traceback.format_exception(failure)))
    for error in family(failure):
        search.look(run, Surface.TRACEBACKS, str(error), repr(error), repr(vars(error)))
    if not isinstance(failure, HoverError):
        return
    told = json.dumps(failure.details(), default=str)
    search.look(run, Surface.ERRORS, failure.message, failure.hint or "", told)
    page = io.StringIO()
    with redirect_stderr(page), suppress(SystemExit):
        fail(failure)
    search.look(run, Surface.LINES, page.getvalue())


def look_at_aws(search: Search, run: str, stage: Stage) -> None:
    """All that is kept on AWS, the image apart, which is where the environment belongs."""
    cloud = stage.cloud
    documents = cloud.documents.documents
    search.look(run, Surface.RECORDS, *documents, *(one.body for one in documents.values()))
    for key, stored in cloud.assets.objects.items():
        search.look(run, Surface.OBJECTS, key, stored.body, repr(stored.headers))
    for stack in cloud.stacks.stacks.values():
        search.look(run, Surface.STACK, stack.body, repr(vars(stack)))
    beside = (cloud.lambdas.functions, cloud.queues.queues, cloud.logs.groups)
    search.look(run, Surface.FUNCTIONS, *(repr(one) for one in beside))
    search.look(run, Surface.FUNCTIONS, repr(cloud.registry.images), repr(cloud.registry.policy))


def drawn(draw: Callable[[Any, Console], None], found: object) -> str:
    page = io.StringIO()
    draw(found, Console(file=page, width=300))
    return page.getvalue()


def files_of(root: Path) -> Iterator[bytes]:
    """Every file but those where a secret belongs: the manifest and its copies, plain secrets."""
    own = {"dev.yml", "manifest.yml", "manifest.json", "dev-secrets.plain.env"}
    for path in sorted(root.rglob("*")):
        yield str(path.relative_to(root)).encode()
        if path.is_file() and path.name not in own:
            yield path.read_bytes()
