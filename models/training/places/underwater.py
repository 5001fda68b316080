"""Underwater: light from above, fish, corals and a sandy floor; there is no weather below the sea."""

from __future__ import annotations

from models.training.places.canvas import Canvas, Curve
from models.training.places.corals import coral_gardens
from models.training.places.place_colors import Colour, css, mix, rgb
from models.training.places.water import WATER, wet

_FISH = (("ff9a2c", "fff4e0"), ("ffd83c", "3a5fd0"), ("ff5d7a", "ffe0a0"))


def underwater(c: Canvas) -> None:
    """Draw the sea floor between corals, with fish and light from the surface."""
    u, seed = c.u, c.place.seed
    top, middle, low, ray = (rgb(code) for code in WATER[c.place.time])
    c.rect(0, 0, c.w, c.h, c.stops(((0.0, top, 1), (0.22, middle, 1), (0.85, low, 1))))
    _rays(c, ray)
    far, near = mix(low, (8, 20, 70), 0.16), mix(low, (8, 20, 60), 0.34)
    _reef(c, 0.66 * c.h, 70 * u, mix(far, middle, 0.25))
    _reef(c, 0.73 * c.h, 50 * u, near)
    _shoal(c, seed)
    floor = c.curve(0.755 * c.h, 9 * u, 460)
    sand = wet(c, rgb("f2dca6"))
    c.ground(floor, c.fade(mix(sand, top, 0.12), mix(sand, low, 0.3)))
    _ripples(c, floor, mix(sand, low, 0.34))
    coral_gardens(c, floor, seed)
    _bubbles(c, mix(ray, middle, 0.2))


def _rays(c: Canvas, ray: Colour) -> None:
    """Draw broad beams of light that spread from the sun above the surface."""
    u, x = c.u, c.sun_x
    strength = 0.2 if c.place.time == "night" else 0.34
    c.oval(
        x, -6 * u, 170 * u, 74 * u, c.stops(((0.0, ray, 0.95), (0.4, ray, 0.5), (1.0, ray, 0.0)), radial=True)
    )
    for k, w in ((-0.62, 34), (-0.2, 46), (0.24, 40), (0.66, 32)):
        foot = x + k * 460 * u
        c.poly(
            [
                (x + k * 90 * u - w * 0.3 * u, -4),
                (x + k * 90 * u + w * 0.3 * u, -4),
                (foot + w * 1.4 * u, 0.8 * c.h),
                (foot - w * 1.4 * u, 0.8 * c.h),
            ],
            c.stops(((0.0, ray, strength * 1.5), (0.6, ray, strength * 0.6), (1.0, ray, 0.0))),
        )


def _reef(c: Canvas, y: float, tall: float, colour: Colour) -> None:
    """Draw rounded rocks in the distance."""
    u = c.u
    n = max(4, round(c.w / (120 * u)))
    for i in range(n + 1):
        x = (i + c.rng.uniform(-0.3, 0.3)) * c.w / n
        h, half = tall * c.rng.uniform(0.5, 1.3), c.rng.uniform(46, 78) * u
        c.path(
            f"M{x - half:.1f} {c.h:.1f}V{y:.1f}C{x - half * 0.9:.1f} {y - h:.1f} {x - half * 0.3:.1f} "
            f"{y - h:.1f} {x:.1f} {y - h * 0.86:.1f}"
            f"S{x + half * 0.9:.1f} {y - h * 0.9:.1f} {x + half:.1f} {y:.1f}V{c.h:.1f}Z",
            colour,
        )


def _ripples(c: Canvas, floor: Curve, colour: Colour) -> None:
    """Draw ripples in the sand."""
    u = c.u
    for i in range(round(6 * c.w / (512 * u))):
        x = (i + c.rng.uniform(0.1, 0.9)) * c.w / round(6 * c.w / (512 * u))
        y, w = floor(x) + (26 + 46 * ((i * 0.62) % 1)) * u, c.rng.uniform(26, 40) * u
        c.path(
            f"M{x - w:.1f} {y:.1f}Q{x - w / 2:.1f} {y - 8 * u:.1f} {x:.1f} {y:.1f}T{x + w:.1f} {y:.1f}",
            "none",
            f'stroke="{css(colour)}" stroke-width="{5 * u:.1f}" stroke-linecap="round"',
        )


def _shoal(c: Canvas, seed: int) -> None:
    """Draw two large fish and a few small ones, all swimming one way."""
    u, way = c.u, 1 if c.place.focus < 0.5 or (c.place.focus < 0.6 and seed % 2) else -1
    first, second = _FISH[seed % 3], _FISH[(seed + 1) % 3]
    x = c.w * (0.5 + (c.place.focus - 0.5) * 0.5)
    _fish(c, x, 0.33 * c.h, 52 * u, way, first)
    _fish(c, c.w / 2 - (x - c.w / 2) * 0.7 + way * 50 * u, 0.53 * c.h, 36 * u, way, second)
    for dx, dy in ((-150, -20), (-190, 16), (-118, 34)):
        _fish(c, x + way * dx * u, 0.26 * c.h + dy * u, 17 * u, way, first)
    if c.w > 600 * u:
        _fish(c, (x + 0.45 * c.w) % c.w, 0.2 * c.h, 32 * u, way, second)


def _fish(c: Canvas, x: float, y: float, r: float, way: int, colours: tuple[str, str]) -> None:
    """Draw a fish ``r`` from the middle to the nose, swimming towards ``way``."""
    body, band = (wet(c, rgb(code), 0.06) for code in colours)
    dark = mix(body, (90, 20, 60), 0.28)
    c.poly(
        [
            (x - way * r * 0.72, y),
            (x - way * r * 1.5, y - r * 0.56),
            (x - way * r * 1.28, y),
            (x - way * r * 1.5, y + r * 0.56),
        ],
        dark,
        f'stroke="{css(dark)}" stroke-width="{r * 0.12:.1f}" stroke-linejoin="round"',
    )
    c.path(
        f"M{x + way * r * 0.4:.1f} {y - r * 0.5:.1f}Q{x:.1f} {y - r * 1.05:.1f} "
        f"{x - way * r * 0.6:.1f} {y - r * 0.86:.1f}"
        f"L{x - way * r * 0.4:.1f} {y - r * 0.3:.1f}Z",
        dark,
    )
    c.path(
        f"M{x + way * r:.1f} {y:.1f}C{x + way * r * 0.5:.1f} {y - r * 0.85:.1f} "
        f"{x - way * r * 0.5:.1f} {y - r * 0.8:.1f} "
        f"{x - way * r:.1f} {y:.1f}C{x - way * r * 0.5:.1f} {y + r * 0.8:.1f} "
        f"{x + way * r * 0.5:.1f} {y + r * 0.85:.1f} "
        f"{x + way * r:.1f} {y:.1f}Z",
        body,
    )
    c.path(
        f"M{x + way * r * 0.16:.1f} {y - r * 0.6:.1f}Q{x + way * r * 0.34:.1f} {y:.1f} "
        f"{x + way * r * 0.16:.1f} {y + r * 0.62:.1f}"
        f"L{x - way * r * 0.2:.1f} {y + r * 0.63:.1f}Q{x - way * r * 0.04:.1f} {y:.1f} "
        f"{x - way * r * 0.2:.1f} {y - r * 0.62:.1f}Z",
        band,
    )
    c.oval(x + way * r * 0.56, y - r * 0.14, r * 0.18, r * 0.18, (255, 255, 255))
    c.oval(x + way * r * 0.6, y - r * 0.13, r * 0.1, r * 0.1, (24, 24, 50))


def _bubbles(c: Canvas, colour: Colour) -> None:
    """Draw two strings of rising bubbles."""
    u = c.u
    for k in (0.24, 0.7) if c.place.seed % 2 else (0.3, 0.78):
        for i, r in enumerate((6, 8, 11)):
            x, y = k * c.w + (-1) ** i * 9 * u, (0.62 - 0.1 * i) * c.h
            c.oval(x, y, r * u, r * u, colour, 0.55)
            c.oval(x - r * 0.3 * u, y - r * 0.3 * u, r * 0.3 * u, r * 0.3 * u, (255, 255, 255), 0.8)
