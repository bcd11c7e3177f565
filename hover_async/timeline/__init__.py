"""Where the time of a deploy went, as a picture: made of its events alone, SVG or HTML.

    recording = Recording(report)
    try:
        await hover_async.deploy(report=recording)
    finally:
        Path("deploy.svg").write_text(draw_svg(recording.chart()), encoding="utf-8")

`chart()` is what has happened until then, so a deploy that failed has a picture, too. It needs
nothing from elsewhere (no font, script or style sheet) and is readable on light and on dark.

recording.py   the reporter that keeps what is drawn
chart.py       what is drawn, in seconds
svg.py         the drawing
html.py        the same as a page, with its table
"""

from hover_async.timeline.chart import Chart
from hover_async.timeline.html import draw_html
from hover_async.timeline.recording import Recording
from hover_async.timeline.svg import draw_svg

__all__ = ["Chart", "Recording", "draw_html", "draw_svg"]
