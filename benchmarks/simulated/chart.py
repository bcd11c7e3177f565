"""A chart of makespan against the number of functions, as SVG, in a few lines of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 40, 52
COLOURS = ("#444444", "#0b6e99", "#c0561f", "#7a4da0")


def chart(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> str:
    """Each line's points as (x, y), named at its right end."""
    xs = sorted({point[0] for points in lines.values() for point in points})
    most_x, most_y = max(xs), max(point[1] for points in lines.values() for point in points)
    step = next(size for size in (10, 20, 50, 100, 200, 500, 1000) if most_y / size <= 7)
    top = step * -(-most_y // step)

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / most_x

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 22, title, weight="bold"),
    ]
    for number in range(int(top // step) + 1):
        at = down(number * step)
        parts.append(
            f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#dddddd"/>'
        )
        parts.append(_text(LEFT - 8, at + 4, f"{number * step:,}", anchor="end"))
    labels = [value for value in xs if value == xs[0] or across(value) - across(xs[0]) > 28]
    parts += [_text(across(value), HEIGHT - BOTTOM + 20, f"{value:g}") for value in labels]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x, anchor="middle"))
    parts.append(_text(LEFT, TOP - 4, y))
    ends: list[float] = []
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        path = " ".join(f"{across(a):.1f},{down(b):.1f}" for a, b in points)
        dashes = ' stroke-dasharray="5 4"' if "bound" in name else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
        )
        parts += [
            f'<circle cx="{across(a):.1f}" cy="{down(b):.1f}" r="3" fill="{colour}"/>'
            for a, b in points
        ]
        last = down(points[-1][1]) + 4
        while any(abs(last - other) < 15 for other in ends):
            last += 15
        ends.append(last)
        parts.append(_text(across(points[-1][0]) + 10, last, name, fill=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(
    x: float,
    y: float,
    said: str,
    *,
    anchor: str = "start",
    fill: str = "#222222",
    weight: str = "normal",
) -> str:
    said = said.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-family="sans-serif" font-weight="{weight}">{said}</text>'
    )
