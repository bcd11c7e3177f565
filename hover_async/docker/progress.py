"""A build's output for people, in the form that `docker build --progress=plain` made familiar.

#3 [assets 2/4] RUN npm ci
#3 added 312 packages
#3 DONE
#4 CACHED [assets 3/4] COPY . .

A step out of the cache is one line, a step's command too; empty lines of its output are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hover_async.docker.lines import Lines
from hover_async.docker.trace import Log, Trace, Vertex
from hover_async.errors import ImageBuildFailed

TAIL_LINES = 60
_OWN_STEPS = ("[internal]", "copy /context /", "exporting")
"""How the context travels is the engine's business; nobody wrote these steps."""


@dataclass
class _Step:
    number: int
    name: str
    lines: Lines
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    announced: bool = False
    completed: bool = False
    error: str = ""


class BuildProgress:
    """Turns traces into lines for `on_output`, and keeps what a failure must show."""

    def __init__(self, on_output: Callable[[str], None]) -> None:
        self._on_output = on_output
        self._steps: dict[str, _Step] = {}

    def __call__(self, trace: Trace) -> None:
        for vertex in trace.vertexes:
            self._begin(vertex)
        for log in trace.logs:
            self._print(log)
        for vertex in trace.vertexes:
            self._end(vertex)

    def failure(self, message: str) -> ImageBuildFailed:
        """The error for a build that the engine ended with `message`."""
        failed = [step for step in self._steps.values() if step.error]
        if not failed:
            return ImageBuildFailed(
                f"the image cannot be built: {message}",
                hint="correct the Dockerfile; its messages are above",
            )
        step = failed[-1]
        return ImageBuildFailed(
            f"step '{step.name}' failed: {step.error}",
            output="\n".join(step.tail),
            hint="correct what the step's output above complains about, and build again",
        )

    def _begin(self, vertex: Vertex) -> None:
        step = self._steps.get(vertex.digest)
        if step is None:
            lines = Lines(partial(self._output, vertex.digest))
            step = _Step(len(self._steps) + 1, " ".join(vertex.name.split()), lines)
            self._steps[vertex.digest] = step
        if vertex.started and not step.announced:
            step.announced = True
            step.completed = vertex.cached and vertex.completed
            self._tell(step, f"CACHED {step.name}" if step.completed else step.name)

    def _print(self, log: Log) -> None:
        step = self._steps.get(log.vertex)
        if step is not None:
            step.lines.feed(log.text)

    def _output(self, digest: str, text: str) -> None:
        step = self._steps[digest]
        step.tail.append(text)
        if text.strip():
            self._tell(step, text)

    def _end(self, vertex: Vertex) -> None:
        step = self._steps[vertex.digest]
        if not vertex.completed or step.completed:
            return
        step.completed = True
        step.lines.end()
        if vertex.error and "context canceled" not in vertex.error:
            step.error = vertex.error
        outcome = f"ERROR: {vertex.error}" if vertex.error else "DONE"
        self._tell(step, "CACHED" if vertex.cached else outcome)

    def _tell(self, step: _Step, text: str) -> None:
        if not step.name.startswith(_OWN_STEPS):
            self._on_output(f"#{step.number} {text}")
