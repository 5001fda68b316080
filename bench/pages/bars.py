"""Draw bars labelled with their figures: one plot for a handful of contenders."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 26, 190, 70, 30
COLOURS = ("#8a8a8a", "#c4572b", "#0b6e99", "#4b8b3b")


def bars(title: str, figures: Mapping[str, float]) -> str:
    """Draw an SVG with a bar for each of `figures`, none of them negative, on one scale from zero."""
    most = max(figures.values(), default=0.0) or 1.0
    height = TOP + ROW * len(figures) + 8
    marks = [f'<text x="8" y="19" font-weight="bold">{escape(title)}</text>']
    for place, (name, value) in enumerate(figures.items()):
        y, width = TOP + ROW * place, (WIDTH - LEFT - RIGHT) * value / most
        colour = COLOURS[place % len(COLOURS)]
        marks += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{ROW - 8}" fill="{colour}"/>',
            f'<text x="{LEFT + width + 6:.1f}" y="{y + 15}">{value:.3g}</text>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        f' font-size="12" fill="#333">\n<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        + "\n".join(marks)
        + "\n</svg>\n"
    )
