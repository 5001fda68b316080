"""Garden: a white fence, a rose arch, beds of large flowers and a lawn."""

from __future__ import annotations

from models.training.places import nature
from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, css, mix, rgb

_ROSES = ("ff5d7a", "ff5d7a", "ffb03c")
_BEDS = (("ff5d6e", "ffd23f"), ("b06cf0", "ff7fb0"), ("ff8a3d", "f5f0ff"))


def _hedge(c: Canvas, top: float, foot: float) -> None:
    """Draw a clipped hedge across the picture."""
    u = c.u
    green = c.pal.at("pine", 0.7, -0.04)
    step = 44 * u
    for i in range(int(c.w / step) + 2):
        c.oval(i * step, top + 6 * u, 30 * u, 16 * u, green)
    c.rect(0, top + 2 * u, c.w, foot - top, c.fade(green, c.pal.at("pine", 0.8, 0.16)))
    if c.snowy:
        for i in range(int(c.w / step) + 2):
            c.oval(i * step, top - 4 * u, 24 * u, 7 * u, c.pal.at("snow", 0.8))


def _fence(c: Canvas, foot: float, gap: tuple[float, float]) -> None:
    """Draw a white picket fence with a gap for the gate."""
    u = c.u
    white, shade = c.pal.at("snow", 0.97), c.pal.at("snow", 0.97, 0.2)
    step, wide, tall = 26 * u, 15 * u, 66 * u
    for y in (foot - 48 * u, foot - 20 * u):
        c.rect(0, y, gap[0], 9 * u, shade)
        c.rect(gap[1], y, c.w - gap[1], 9 * u, shade)
    for i in range(int(c.w / step) + 2):
        x = (i + 0.2) * step
        if gap[0] - wide < x < gap[1]:
            continue
        c.poly(
            [
                (x, foot),
                (x, foot - tall + 11 * u),
                (x + wide / 2, foot - tall),
                (x + wide, foot - tall + 11 * u),
                (x + wide, foot),
            ],
            white,
        )


def _arch(c: Canvas, x: float, foot: float, rose: Colour) -> None:
    """Draw an arch over the path, overgrown with leaves and roses."""
    u, half, tall = c.u, 56 * c.u, 150 * c.u
    leaf, dark = c.pal.at("leaf", 0.95, -0.02), c.pal.at("leaf", 0.95, 0.26)
    y = foot - tall + half
    for colour, thick in ((dark, 34 * u), (leaf, 22 * u)):
        c.path(
            f"M{x - half:.1f} {foot:.1f}V{y:.1f}A{half:.1f} {half:.1f} 0 0 1 {x + half:.1f} {y:.1f}"
            f"V{foot:.1f}",
            "none",
            f'stroke="{css(colour)}" stroke-width="{thick:.1f}" stroke-linecap="round"',
        )
    spots = [(-1.0, 0.18), (-1.0, 0.6), (-0.78, 1.15), (0.0, 1.52), (0.78, 1.15), (1.0, 0.6), (1.0, 0.18)]
    for k, up in spots:
        r = 12 * u
        px, py = x + k * half, foot - up * (tall - half) if up < 1 else y - (up - 1) * half * 1.9
        c.oval(px, py, r, r, rose)
        c.oval(px + c.side * 2 * u, py - 2 * u, r * 0.5, r * 0.5, mix(rose, c.pal.at("snow", 1), 0.4))
    if c.snowy:
        c.oval(x, y - half - 12 * u, 30 * u, 8 * u, c.pal.at("snow", 0.95))


def _bed(c: Canvas, left: float, right: float, foot: float, colours: tuple[str, str]) -> None:
    """Draw a bed of earth with a row of tall flowers."""
    u = c.u
    if right - left < 40 * u:
        return
    earth = c.pal.at("trunk", 1, 0.16)
    c.rect(left, foot - 14 * u, right - left, 24 * u, earth, 11 * u)
    n = max(1, round((right - left) / (40 * u)))
    step = (right - left) / n
    for i in range(n):
        x = left + (i + 0.5) * step
        tall = (44 if i % 2 else 32) * u
        green = c.pal.at("leaf", 1.0, 0.1)
        c.line([(x, foot - 8 * u), (x, foot - 8 * u - tall)], 5 * u, green)
        for s in (-1, 1):
            c.oval(x + s * 9 * u, foot - 16 * u, 10 * u, 6 * u, green)
        bloom = c.pal.lit(rgb(colours[i % 2]))
        y = foot - 12 * u - tall
        for dx, dy in ((0, -1), (0.95, -0.31), (0.59, 0.81), (-0.59, 0.81), (-0.95, -0.31)):
            c.oval(x + dx * 9 * u, y + dy * 9 * u, 8.5 * u, 8.5 * u, bloom)
        c.oval(x, y, 6.5 * u, 6.5 * u, c.pal.lit(rgb("ffc83a" if colours[i % 2] != "ffd23f" else "a85a2a")))


def _apple_tree(c: Canvas, x: float, foot: float, size: float) -> None:
    """Draw a round tree with apples."""
    nature.round_tree(c, x, foot, size, 0.82)
    red = c.pal.lit(rgb("e8463c"))
    for dx, dy in ((-0.18, 0.7), (0.12, 0.82), (0.2, 0.56), (-0.06, 0.5)):
        c.oval(x + dx * size, foot - dy * size, 7 * c.u, 7 * c.u, red)


def _flagstones(c: Canvas, x: float, top: float) -> None:
    """Draw a straight path from the arch to the lower edge."""
    u = c.u
    x1 = x + (c.w / 2 - x) * 0.35
    c.poly(
        [(x - 34 * u, top), (x + 34 * u, top), (x1 + 92 * u, c.h), (x1 - 92 * u, c.h)],
        c.fade(c.pal.at("path", 0.9), c.pal.at("path", 1.0, 0.06)),
    )
    joint = c.pal.at("path", 1.0, 0.26)
    for k in (0.28, 0.62):
        y = top + k * (c.h - top)
        m, half = x + (x1 - x) * k, (34 + 58 * k) * u
        c.line([(m - half, y), (m + half, y)], 4 * u, joint)


def garden(c: Canvas) -> None:
    """Draw a garden with a fence, a rose arch and beds of flowers on both sides of a path."""
    u, seed = c.u, c.place.seed
    x = c.w * (0.5 + (c.place.focus - 0.5) * 0.9)
    nature.hills(c, c.horizon - 12 * u, 16 * u, 0.3, length=340)
    c.mist(c.horizon, 30 * u)
    fence = 0.68 * c.h
    for k in (0.1, 0.34, 0.66, 0.9) if c.w < 600 * u else (0.07, 0.24, 0.42, 0.6, 0.78, 0.94):
        if abs(k * c.w - x) > 82 * u:
            _apple_tree(c, k * c.w + c.rng.uniform(-16, 16) * u, fence - 34 * u, c.rng.uniform(112, 140) * u)
    _hedge(c, fence - 78 * u, fence)
    line = c.curve(fence - 4 * u, 1.5 * u, 520)
    c.ground(line, c.fade(c.pal.at("grass", 1.0, -0.1), c.pal.at("grass", 1.0, 0.2)))
    _flagstones(c, x, fence - 4 * u)
    _fence(c, fence + 4 * u, (x - 58 * u, x + 58 * u))
    _arch(c, x, fence + 8 * u, c.pal.lit(rgb(_ROSES[seed % 3])))
    colours = _BEDS[(seed + seed // 3) % 3]
    foot = 0.765 * c.h
    _bed(c, 14 * u, x - 84 * u, foot, colours)
    _bed(c, x + 84 * u, c.w - 14 * u, foot, colours)
