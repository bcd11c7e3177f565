"""A chart as SVG: a lane for each step, its parts below the bar, seconds along the bottom."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from hover_async.timeline.chart import Chart, End, Lane, Part

WIDTH = 1080
LEFT, RIGHT = 108, 330
"""Room for the names on the left, and for seconds and summaries on the right."""
TOP, BOTTOM = 74, 62
PLOT = WIDTH - LEFT - RIGHT
BAR, GAP = 16, 12
THIN, THICK, BETWEEN = 4, 13, 2
"""Heights of a part without and with its label inside, and what keeps them apart."""
LEAST = 2.5
"""Width of what took no time to speak of."""
MOST_ROWS = 12
TICKS = 8
LETTER = 6.3
"""Width of a letter of 11 pixels, about: no renderer is asked."""
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML may not hold, lone halves of characters included."""

STYLE = """
text { font: 11px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.title { font-size: 16px; font-weight: 600; fill: #1f2328; }
.name, .seconds { fill: #1f2328; }
.strong { font-weight: 600; }
.seconds { text-anchor: end; font-variant-numeric: tabular-nums; }
.name { text-anchor: end; }
.tick { text-anchor: middle; }
.page { fill: #ffffff; stroke: #d0d7de; }
.band { fill: #f6f8fa; }
.grid { stroke: #d8dee4; }
.step { fill: #a7b8cc; }
.critical { fill: #2f6feb; }
.failed { fill: #d1242f; }
.cancelled { fill: url(#stripes); stroke: #afb8c1; stroke-dasharray: 3 2; }
.stripe { stroke: #afb8c1; stroke-width: 3; }
.part { fill: #8c9db3; }
.part.on { fill: #7aa5f5; }
.inside { font-size: 9px; fill: #ffffff; }
.curve { fill: none; stroke: #1f2328; stroke-opacity: .6; stroke-width: 1.4; }
.curve.on { stroke: #ffffff; stroke-opacity: .9; }
.path { fill: none; stroke: #2f6feb; stroke-width: 1.4; stroke-dasharray: 2 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .title, .name, .seconds { fill: #f0f6fc; }
  .page { fill: #0d1117; stroke: #3d444d; }
  .band { fill: #151b23; }
  .grid { stroke: #2a313c; }
  .step { fill: #4a5a6e; }
  .critical { fill: #4493f8; }
  .failed { fill: #f85149; }
  .cancelled { stroke: #656c76; }
  .stripe { stroke: #656c76; }
  .part { fill: #6d7f95; }
  .part.on { fill: #2f5fae; }
  .curve { stroke: #f0f6fc; }
  .path { stroke: #4493f8; }
}
"""


def draw_svg(chart: Chart) -> str:
    """The chart as an SVG document; whatever text is in it means nothing to XML."""
    return _Drawing(chart).document()


def text_of(text: str) -> str:
    """Text as it may stand between tags, on one line."""
    return escape(ILLEGAL.sub("\ufffd", text).replace("\n", " "))


class _Drawing:
    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._second = PLOT / chart.seconds if chart.seconds > 0 else 0.0
        self._tops: dict[str, float] = {}
        self._rows = {lane.name: _packed(lane.parts) for lane in chart.lanes}
        y = float(TOP)
        for lane in chart.lanes:
            self._tops[lane.name] = y
            y += self._height(lane) + GAP
        self._floor = y
        self._total = y + BOTTOM

    def document(self) -> str:
        total = math.ceil(self._total)
        about = text_of(f"{self._chart.title}: {self._chart.ended}")
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" '
                f'width="{WIDTH}" height="{total}" role="img">'
            ),
            f"<title>{about}</title>",
            f"<style>{STYLE}</style>",
            (
                '<defs><pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" '
                'patternTransform="rotate(45)"><path class="stripe" d="M0 0V6"/></pattern></defs>'
            ),
            f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{total - 1}" rx="10"/>',
            *self._head(),
            *self._axis(),
            *self._bands(),
            *self._path(),
            *(line for lane in self._chart.lanes for line in self._lane(lane)),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _x(self, at_s: float) -> float:
        return LEFT + at_s * self._second

    def _height(self, lane: Lane) -> float:
        rows = self._rows[lane.name]
        each = THICK if lane.name == "commands" else THIN
        return BAR + (BETWEEN + 1 + len(rows) * (each + BETWEEN) if rows else 0)

    def _head(self) -> Iterator[str]:
        chart = self._chart
        yield _text(chart.title, 24, 34, "title")
        shares = ", ".join(
            f"{lane.name} {chart.share(lane):.0%}"
            for lane in sorted(chart.path, key=lambda lane: -lane.seconds)[:5]
        )
        path = [f"critical path: {shares}"] if shares else []
        yield _text("; ".join([chart.ended, *path]), 24, 54)

    def _axis(self) -> Iterator[str]:
        step_s = _tick(self._chart.seconds)
        count = int(self._chart.seconds / step_s + 1e-9) if self._second else 0
        for number in range(count + 1):
            at_s = number * step_s
            x = self._x(at_s)
            yield f'<path class="grid" d="M{x:.1f} {TOP - 8}V{self._floor:.1f}"/>'
            yield _text(f"{at_s:g} s", x, self._floor + 16, "tick")

    def _bands(self) -> Iterator[str]:
        for lane in self._chart.lanes[::2]:
            y, height = self._tops[lane.name] - GAP / 2, self._height(lane) + GAP
            yield (
                f'<rect class="band" x="12" y="{y:.1f}" width="{WIDTH - 24}" '
                f'height="{height:.1f}" rx="4" fill-opacity=".6"/>'
            )

    def _lane(self, lane: Lane) -> Iterator[str]:
        y, baseline = self._tops[lane.name], self._tops[lane.name] + BAR - 4
        strong = " strong" if lane.critical else ""
        yield _text(lane.name, LEFT - 12, baseline, f"name{strong}")
        kind = {End.FAILED: "failed", End.CANCELLED: "cancelled"}.get(
            lane.end, "critical" if lane.critical else "step"
        )
        about = f"{lane.name}: {lane.start_s:.2f} s to {lane.end_s:.2f} s"
        yield self._box(kind, lane.start_s, lane.end_s, y, BAR, about, round_by=3)
        yield from self._curve(lane, y)
        yield from self._parts(lane, y + BAR + BETWEEN + 1)
        right = LEFT + PLOT + 56
        yield _text(f"{lane.seconds:.2f} s", right, baseline, f"seconds{strong}")
        summary = lane.summary or ("" if lane.end is End.DONE else lane.end)
        room = int((WIDTH - right - 34) / LETTER)
        yield _text(_fit(summary, room), right + 14, baseline)

    def _parts(self, lane: Lane, top: float) -> Iterator[str]:
        labelled = lane.name == "commands"
        height = THICK if labelled else THIN
        on = " on" if lane.critical else ""
        for row, parts in enumerate(self._rows[lane.name]):
            y = top + row * (height + BETWEEN)
            for part in parts:
                kind = "failed" if part.failed else f"part{on}"
                end_s = part.end_s - 1 / self._second if self._second else part.end_s
                yield self._box(kind, part.start_s, end_s, y, height, part.label, round_by=1.5)
                room = int(((part.end_s - part.start_s) * self._second - 8) / (LETTER * 0.85))
                if labelled and room > 2:  # noqa: PLR2004 - a letter and an ellipsis say nothing
                    x, baseline = self._x(part.start_s) + 5, y + height - 3.5
                    yield _text(_fit(part.label, room), x, baseline, "inside")

    def _curve(self, lane: Lane, y: float) -> Iterator[str]:
        """How far the step was, from the bar's lower edge to its upper one."""
        if len(lane.progress) > 1:
            points = [(lane.start_s, 0.0), *lane.progress]
            floor, rise = y + BAR - 2, BAR - 4
            told = " ".join(
                f"{self._x(at_s):.1f},{floor - share * rise:.1f}" for at_s, share in points
            )
            on = " on" if lane.critical else ""
            yield f'<polyline class="curve{on}" points="{told}"/>'

    def _path(self) -> Iterator[str]:
        """From the end of each step of the critical path to the beginning of the next."""
        for before, after in zip(self._chart.path, self._chart.path[1:], strict=False):
            x, to = self._x(before.end_s), self._x(after.start_s)
            y = self._tops[before.name] + BAR
            below = self._tops[after.name] + BAR / 2
            yield f'<path class="path" d="M{x:.1f} {y:.1f}V{below:.1f}H{to:.1f}"/>'

    def _box(
        self, kind: str, start_s: float, end_s: float, y: float, height: float, about: str,
        *, round_by: float,
    ) -> str:  # fmt: skip
        x = self._x(start_s)
        width = max((end_s - start_s) * self._second, LEAST)
        rounded = min(round_by, width / 4)
        return (
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:g}" rx="{rounded:.1f}"><title>{text_of(about)}</title></rect>'
        )

    def _legend(self) -> Iterator[str]:
        y, x = self._floor + 42.0, float(LEFT)
        shown = {lane.end for lane in self._chart.lanes}
        entries = [("critical", "on the critical path"), ("step", "beside it")]
        entries += [("failed", "failed")] if End.FAILED in shown else []
        entries += [("cancelled", "cancelled")] if End.CANCELLED in shown else []
        for kind, told in entries:
            yield f'<rect class="{kind}" x="{x:.1f}" y="{y - 9:.1f}" width="18" height="9" rx="2"/>'
            yield _text(told, x + 25, y)
            x += 25 + len(told) * LETTER + 22


def _text(text: str, x: float, y: float, kind: str = "") -> str:
    of = f' class="{kind}"' if kind else ""
    return f'<text{of} x="{x:.1f}" y="{y:.1f}">{text_of(text)}</text>'


def _packed(parts: Sequence[Part]) -> Sequence[Sequence[Part]]:
    """Parts in rows in which none covers another; what needs more rows goes into the last one."""
    rows: list[list[Part]] = []
    for part in sorted(parts, key=lambda part: (part.start_s, part.end_s)):
        free = (row for row in rows if part.is_instant or row[-1].end_s <= part.start_s)
        row = next(free, None)
        if row is None and len(rows) < MOST_ROWS:
            rows.append([part])
        else:
            (row or rows[-1]).append(part)
    return rows


def _tick(seconds: float) -> float:
    """A round number of seconds of which about `TICKS` make the whole."""
    rough = max(seconds / TICKS, 1e-3)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _fit(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"
