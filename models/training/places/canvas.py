"""A small SVG builder with the shapes that every scene shares."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from PIL import Image

from models.training.places.place_colors import Colour, Palette, css
from models.training.places.place_spec import Place
from models.training.raster import rasterise

Point = tuple[float, float]
Curve = Callable[[float], float]


class Canvas:
    """Collect SVG shapes; ``u`` is one design pixel (the height is 384 of them)."""

    def __init__(self, place: Place, width: int, height: int) -> None:
        self.place = place
        self.w = float(width)
        self.h = float(height)
        self.u = height / 384
        self.rng = random.Random(place.seed)
        self.snowy = place.weather == "snow" or place.kind == "snowy field"
        self.pal = Palette(place.time, place.weather, self.snowy)
        self.horizon = place.horizon * self.h
        self.sun_x = place.sun * self.w
        self.side = 1.0 if place.sun > 0.5 else -1.0
        self._defs: list[str] = []
        self._body: list[str] = []

    def fade(self, top: Colour, bottom: Colour, a: float = 1.0, b: float = 1.0) -> str:
        """Return a vertical gradient fill over a shape's own box."""
        return self.stops(((0.0, top, a), (1.0, bottom, b)))

    def stops(self, stops: Sequence[tuple[float, Colour, float]], radial: bool = False) -> str:
        """Return a gradient fill of (offset, colour, opacity) stops."""
        name = f"g{len(self._defs)}"
        inner = "".join(
            f'<stop offset="{o:.3f}" stop-color="{css(c)}" stop-opacity="{a:.3f}"/>' for o, c, a in stops
        )
        if radial:
            self._defs.append(f'<radialGradient id="{name}">{inner}</radialGradient>')
        else:
            self._defs.append(
                f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1">{inner}</linearGradient>'
            )
        return f"url(#{name})"

    def path(self, d: str, fill: Colour | str, extra: str = "") -> None:
        """Draw a filled path."""
        paint = fill if isinstance(fill, str) else css(fill)
        self._body.append(f'<path d="{d}" fill="{paint}" {extra}/>')

    def poly(self, points: Sequence[Point], fill: Colour | str, extra: str = "") -> None:
        """Draw a filled polygon."""
        self.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z", fill, extra)

    def rect(
        self, x: float, y: float, w: float, h: float, fill: Colour | str, r: float = 0, a: float = 1
    ) -> None:
        """Draw a filled rectangle with rounded corners of radius ``r``."""
        paint = fill if isinstance(fill, str) else css(fill)
        self._body.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0.1):.1f}" height="{max(h, 0.1):.1f}" '
            f'rx="{r:.1f}" fill="{paint}" fill-opacity="{a:.2f}"/>'
        )

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour | str, a: float = 1) -> None:
        """Draw a filled ellipse."""
        arc = f"a{rx:.1f} {ry:.1f} 0 1 1"
        self.path(
            f"M{x - rx:.1f} {y:.1f}{arc} {2 * rx:.1f} 0{arc} {-2 * rx:.1f} 0Z",
            fill,
            f'fill-opacity="{a:.2f}"',
        )

    def line(self, points: Sequence[Point], width: float, colour: Colour, a: float = 1) -> None:
        """Draw a round-ended stroke."""
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.path(
            d,
            "none",
            f'stroke="{css(colour)}" stroke-width="{width:.1f}" stroke-linecap="round" '
            f'stroke-linejoin="round" stroke-opacity="{a:.2f}"',
        )

    def curve(self, y: float, amp: float, length: float = 300.0) -> Curve:
        """Return a gently rolling height line around ``y``, with ``length`` design pixels per wave."""
        k = math.tau / (length * self.u)
        p, q = self.rng.uniform(0, math.tau), self.rng.uniform(0, math.tau)

        def height(x: float) -> float:
            return y - amp * (0.7 * math.sin(k * x + p) + 0.3 * math.sin(2.1 * k * x + q))

        return height

    def ground(self, line: Curve, fill: Colour | str, deep: float = 1e6) -> None:
        """Fill under a height line, ``deep`` pixels at most (nearer planes hide the rest)."""
        step = 8 * self.u
        n = int(self.w / step) + 2
        points = [(i * step, line(i * step)) for i in range(n)]
        low = min(self.h, max(y for _, y in points) + deep)
        self.poly([*points, (self.w + step, low), (0, low)], fill)

    def mist(self, y: float, half: float, strength: float = 0.35) -> None:
        """Draw a soft band of haze across the whole picture."""
        c = self.pal.haze
        if self.place.weather == "fog":
            strength = min(0.85, strength * 1.9)
            c = self.pal.mood.fog
        fill = self.stops(((0.0, c, 0.0), (0.5, c, strength), (1.0, c, 0.0)))
        self.rect(0, y - half, self.w, 2 * half, fill)

    def image(self) -> Image.Image:
        """Rasterise the picture."""
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.w:.0f}" height="{self.h:.0f}">'
            f"<defs>{''.join(self._defs)}</defs>{''.join(self._body)}</svg>"
        )
        return rasterise(svg, round(self.w), round(self.h))
