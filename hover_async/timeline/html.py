"""A chart as a page of its own: the drawing, and its figures as a table."""

from __future__ import annotations

from collections.abc import Iterator

from hover_async.timeline.chart import Chart
from hover_async.timeline.svg import draw_svg, text_of

STYLE = """
:root { color-scheme: light dark; }
body { font: 14px system-ui, sans-serif; max-width: 1080px; margin: 24px auto; padding: 0 12px; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin-top: 16px; }
th, td { text-align: left; padding: 3px 14px 3px 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.critical { font-weight: 600; }
"""


def draw_html(chart: Chart) -> str:
    """The chart as an HTML document that needs nothing from elsewhere."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{text_of(chart.title)}</title>",
            f"<style>{STYLE}</style></head><body>",
            draw_svg(chart),
            (
                "<table><tr><th>step</th><th>from s</th><th>to s</th><th>seconds</th><th>share</th>"
                "<th></th></tr>"
            ),
            *_rows(chart),
            "</table></body></html>\n",
        ]
    )


def _rows(chart: Chart) -> Iterator[str]:
    for lane in chart.lanes:
        kind = ' class="critical"' if lane.critical else ""
        numbers = "".join(
            f'<td class="number">{told}</td>'
            for told in (
                f"{lane.start_s:.2f}",
                f"{lane.end_s:.2f}",
                f"{lane.seconds:.2f}",
                f"{chart.share(lane):.0%}",
            )
        )
        summary = text_of(lane.summary or lane.end)
        yield f"<tr{kind}><td>{text_of(lane.name)}</td>{numbers}<td>{summary}</td></tr>"
