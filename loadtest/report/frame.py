"""Draw a plot's frame: axes, grid, legend, and the marks put into it. Colours are classes of style.css."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from .scales import Scale, label

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 30, 48
Point = tuple[float, float]


class Frame:
    """The frame of a plot. `x` and `y` are (low, high) in the values' own units."""

    def __init__(self, x: Point, y: Point, x_label: str, y_label: str, logarithmic_y: bool = False) -> None:
        self.x = Scale(*x, LEFT, WIDTH - RIGHT)
        self.y = Scale(*y, HEIGHT - BOTTOM, TOP, logarithmic_y)
        self._labels = x_label, y_label
        self._marks: list[str] = []
        self._legend: list[tuple[str, str]] = []
        self._uprights = 0

    def line(self, points: Iterable[Point], colour: str, name: str) -> None:
        places = " ".join(f"{self.x.px(x):.1f},{self.y.px(y):.1f}" for x, y in points)
        self._marks.append(f'<polyline class="line {colour}" points="{places}"/>')
        self._legend.append((colour, name))

    def steps(self, points: Sequence[Point], colour: str, name: str) -> None:
        """Draw a step line: each value holds until the next."""
        corners = [corner for (x, y), (to, _) in pairwise(points) for corner in ((x, y), (to, y))]
        self.line([*corners, points[-1]], colour, name)

    def dots(self, points: Iterable[Point], colour: str, name: str) -> None:
        path = "".join(f"M{self.x.px(x):.1f} {self.y.px(y):.1f}h0" for x, y in points)
        if path:
            self._marks.append(f'<path class="dots {colour}" d="{path}"/>')
            self._legend.append((colour, name))

    def bar(self, from_x: float, to_x: float, y: float, colour: str, title: str) -> None:
        left, right, top = self.x.px(from_x), self.x.px(to_x), self.y.px(y)
        width = max(right - left - 1, 0.5)
        self._marks.append(
            f'<rect class="bar {colour}" x="{left + 0.5:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{max(self.y.from_px - top, 0):.1f}"><title>{escape(title)}</title></rect>'
        )

    def upright(self, x: float, title: str) -> None:
        """Draw a vertical line through the plot at `x`, with its title beside it."""
        at, words = self.x.px(x), escape(title)
        # Near the right edge the title is to the left of the line.
        side, shift = ("end", -4) if at > WIDTH - 160 else ("start", 4)
        row = TOP + 10 + 14 * (self._uprights % 3)  # In rows, so that neighbours do not cover each other.
        self._uprights += 1
        self._marks.append(
            f'<line class="event" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="event" x="{at + shift:.1f}" y="{row}" text-anchor="{side}">{words}</text>'
        )

    def svg(self, title: str, x_names: dict[float, str] | None = None) -> str:
        """Return the SVG. `x_names` replace the ticks of the x axis."""
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
            f"{self._grid(x_names)}{''.join(self._marks)}{self._named()}</svg>"
        )

    def _grid(self, x_names: dict[float, str] | None) -> str:
        bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
        parts = []
        for tick in self.y.ticks():
            at = self.y.px(tick)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{label(tick)}</text>')
        names = x_names if x_names is not None else {tick: label(tick) for tick in self.x.ticks()}
        for tick, name in names.items():
            at = self.x.px(tick)
            parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(name)}</text>')
        x_label, y_label = map(escape, self._labels)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
        parts.append(
            f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{x_label}</text>"
        )
        parts.append(
            f'<text class="label" x="16" y="{middle}" text-anchor="middle" '
            f'transform="rotate(-90 16 {middle})">{y_label}</text>'
        )
        return "".join(parts)

    def _named(self) -> str:
        if len(self._legend) < 2:
            return ""
        parts, at = [], LEFT
        for colour, name in self._legend:
            parts.append(f'<rect class="bar {colour}" x="{at}" y="8" width="12" height="12" rx="2"/>')
            parts.append(f'<text x="{at + 17}" y="18">{escape(name)}</text>')
            at += 34 + 7 * len(name)
        return "".join(parts)
