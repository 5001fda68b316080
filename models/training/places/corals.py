"""Corals, weed and a starfish on the sea floor."""

from __future__ import annotations

import math

from models.training.places.canvas import Canvas, Curve
from models.training.places.place_colors import Colour, css, mix, rgb
from models.training.places.water import wet

_CORALS = ("ff5d6c", "ff8f3c", "d86cf0", "ffc23c", "ff7fb4")


def coral_gardens(c: Canvas, floor: Curve, seed: int) -> None:
    """Draw large corals on both sides of a clear middle, and kelp behind them."""
    u, x = c.u, c.place.focus * c.w
    edges = ((0.1 * c.w, 1.0), (0.9 * c.w, 1.0))
    big = 0 if x < c.w * 0.4 else 1 if x > c.w * 0.6 else seed % 2
    for i, (px, _) in enumerate(edges):
        size = 1.0 if i == big else 0.72
        inward = 1 if i == 0 else -1
        for k, tall in ((-0.5, 190), (0.1, 240), (1.5, 150)):
            kx = px + inward * k * 34 * u
            _kelp(c, kx, floor(kx) + 12 * u, tall * size * u, 1 if (i + seed) % 2 else -1)
        a, b, d = (wet(c, rgb(_CORALS[(seed + i * 2 + j) % 5]), 0.08) for j in range(3))
        _branches(c, px + inward * 40 * u, floor(px) + 22 * u, 128 * size * u, a)
        _dome(c, px - inward * 20 * u, floor(px) + 30 * u, 50 * size * u, b)
        _tubes(c, px + inward * 92 * size * u, floor(px) + 26 * u, 58 * size * u, d)
    mx = c.w * (0.52 if big else 0.48)
    _dome(c, mx, floor(mx) + 8 * u, 26 * u, wet(c, rgb(_CORALS[(seed + 3) % 5]), 0.2))
    if c.w > 600 * u:
        kx = c.w * (0.34 if big else 0.66)
        _branches(c, kx, floor(kx) + 14 * u, 92 * u, wet(c, rgb(_CORALS[(seed + 4) % 5]), 0.2))
    sx = c.w * (0.36 if seed % 2 else 0.64)
    _starfish(c, sx, 0.9 * c.h, 19 * u, wet(c, rgb("ff7048"), 0.06))


def _kelp(c: Canvas, x: float, foot: float, tall: float, way: int) -> None:
    """Draw a broad ribbon of weed that sways."""
    w = 10 * c.u
    green = wet(c, rgb("3fae5e"), 0.22)
    bend = way * 18 * c.u
    y1, y2, y3 = foot - tall * 0.33, foot - tall * 0.66, foot - tall
    c.path(
        f"M{x - w:.1f} {foot:.1f}Q{x - w - bend:.1f} {(foot + y1) / 2:.1f} {x - w:.1f} {y1:.1f}"
        f"Q{x - w * 0.8 + bend:.1f} {(y1 + y2) / 2:.1f} {x - w * 0.7:.1f} {y2:.1f}"
        f"Q{x - w * 0.4 - bend * 0.6:.1f} {(y2 + y3) / 2:.1f} {x + bend * 0.5:.1f} {y3:.1f}"
        f"Q{x + w * 1.2 - bend * 0.5:.1f} {(y2 + y3) / 2:.1f} {x + w * 0.7:.1f} {y2:.1f}"
        f"Q{x + w * 0.9 + bend:.1f} {(y1 + y2) / 2:.1f} {x + w:.1f} {y1:.1f}"
        f"Q{x + w - bend:.1f} {(foot + y1) / 2:.1f} {x + w:.1f} {foot:.1f}Z",
        c.fade(green, mix(green, (10, 40, 60), 0.35)),
    )


def _branches(c: Canvas, x: float, foot: float, size: float, colour: Colour) -> None:
    """Draw a branching coral with thick round ends."""
    w = size * 0.15
    c.line([(x, foot), (x, foot - size * 0.85)], w * 1.15, colour)
    for s, a, b, reach in (
        (-1, 0.2, 0.62, 0.4),
        (1, 0.3, 0.78, 0.38),
        (-1, 0.52, 0.95, 0.2),
        (1, 0.6, 1.0, 0.17),
    ):
        ex = x + s * reach * size
        c.line(
            [(x, foot - size * a), (ex, foot - size * (a + 0.14)), (ex, foot - size * b)],
            w if reach > 0.3 else w * 0.85,
            colour,
        )
    light = mix(colour, (255, 255, 255), 0.32 if c.place.time != "night" else 0.16)
    c.line(
        [(x + c.side * w * 0.2, foot - size * 0.12), (x + c.side * w * 0.2, foot - size * 0.8)],
        w * 0.28,
        light,
    )


def _dome(c: Canvas, x: float, foot: float, r: float, colour: Colour) -> None:
    """Draw a round coral with three grooves."""
    dark = mix(colour, (40, 20, 90), 0.28)
    c.path(
        f"M{x - r:.1f} {foot:.1f}A{r:.1f} {r * 0.92:.1f} 0 0 1 {x + r:.1f} {foot:.1f}Z", c.fade(colour, dark)
    )
    for k in (-0.45, 0.0, 0.45):
        c.path(
            f"M{x + k * r * 1.3:.1f} {foot - r * 0.1:.1f}Q{x + k * r * 1.1:.1f} {foot - r * 0.5:.1f} "
            f"{x + k * r * 0.5:.1f} {foot - r * 0.78:.1f}",
            "none",
            f'stroke="{css(dark)}" stroke-width="{r * 0.1:.1f}" stroke-linecap="round"',
        )


def _tubes(c: Canvas, x: float, foot: float, size: float, colour: Colour) -> None:
    """Draw three tube sponges with dark mouths."""
    dark = mix(colour, (40, 20, 90), 0.45)
    for k, tall in ((-0.36, 0.75), (0.36, 0.66), (0.0, 1.1)):
        w, px, y = size * 0.2, x + k * size, foot - size * tall
        c.poly(
            [(px - w * 0.8, foot), (px - w, y), (px + w, y), (px + w * 0.8, foot)],
            mix(colour, dark, 0.16 if k else 0),
        )
        c.oval(px, y, w, w * 0.42, mix(colour, (255, 255, 255), 0.2))
        c.oval(px, y + 1 * c.u, w * 0.68, w * 0.26, dark)


def _starfish(c: Canvas, x: float, y: float, r: float, colour: Colour) -> None:
    """Draw a starfish that lies on the sand."""
    points = []
    for i in range(10):
        a, k = math.tau * i / 10 - 0.4, 1.0 if i % 2 == 0 else 0.46
        points.append((x + r * k * 1.3 * math.cos(a), y + r * k * 0.8 * math.sin(a)))
    c.poly(points, colour, f'stroke="{css(colour)}" stroke-width="{4 * c.u:.1f}" stroke-linejoin="round"')
