"""Spaceship: a rocket on the ground of another planet, and that planet's sky."""

from __future__ import annotations

from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix, rgb

_LAMP = rgb("ffcf5e")

_PLANETS = ("f0a36a", "e88fb0", "8fd0c0")


def ringed_planet(c: Canvas) -> None:
    """Draw a large planet with a ring in the sky of another planet, on the side without the sun."""
    s = -c.side
    x, y, r = c.w * (0.5 + s * 0.33), 0.22 * c.h, 44 * c.u
    base = mix(c.pal.lit(rgb(_PLANETS[c.place.seed % 3])), c.pal.sky[1], 0.15)
    ring = mix(c.pal.at("sail", 1), c.pal.sky[1], 0.15)

    def arc(upper: bool) -> None:
        a, b, k = 1.85 * r, 0.5 * r, 0 if upper else 1
        c.path(
            f"M{-a:.1f} 0A{a:.1f} {b:.1f} 0 0 {1 - k} {a:.1f} 0L{a * 0.78:.1f} 0"
            f"A{a * 0.74:.1f} {b * 0.55:.1f} 0 0 {k} {-a * 0.78:.1f} 0Z",
            ring,
            f'transform="translate({x:.1f} {y:.1f}) rotate({s * 16})"',
        )

    arc(True)
    c.oval(x, y, r, r, c.fade(mix(base, c.pal.at("snow", 1), 0.25), mix(base, (60, 20, 90), 0.2)))
    arc(False)


def _craters(c: Canvas, y: float, depth: float, size: float, count: int) -> None:
    """Draw flat craters along a height."""
    u = c.u
    for i in range(count):
        x = (i + c.rng.uniform(0.2, 0.8)) * c.w / count
        r = size * c.rng.uniform(0.8, 1.25) * u
        dy = y + c.rng.uniform(-5, 5) * u
        c.oval(x, dy, r, r * 0.28, c.pal.at("moon", depth, -0.3))
        c.oval(x, dy + 3 * u, r * 0.84, r * 0.2, c.pal.at("moon", depth, 0.36))


def _rocks(c: Canvas, base: float, depth: float, tall: float) -> None:
    """Draw pointed rocks along the horizon of another planet."""
    u = c.u
    n = max(4, round(c.w / (110 * u)))
    for i in range(n + 1):
        x = (i + c.rng.uniform(-0.3, 0.3)) * c.w / n
        h, w = tall * c.rng.uniform(0.4, 1.0) * u, c.rng.uniform(26, 42) * u
        lean = c.rng.uniform(-10, 10) * u
        c.poly(
            [
                (x - w, base),
                (x - w * 0.3 + lean, base - h),
                (x + w * 0.3 + lean, base - h * 0.9),
                (x + w, base),
            ],
            c.pal.at("moon", depth),
        )
        s = -c.side
        c.poly(
            [
                (x + lean, base - h * 0.95),
                (x + s * w * 0.3 + lean, base - h * (1.0 if s < 0 else 0.9)),
                (x + s * w, base),
                (x + s * w * 0.1, base),
            ],
            c.pal.at("moon", depth, 0.24),
        )


def spaceship(c: Canvas) -> None:
    """Draw a rocket on its fins on the ground of another planet."""
    u, seed = c.u, c.place.seed
    _rocks(c, c.horizon + 24 * u, 0.5, 96)
    c.mist(c.horizon + 10 * u, 34 * u)
    line = c.curve(c.horizon + 18 * u, 7 * u, 300)
    c.ground(line, c.fade(c.pal.at("moon", 0.7), c.pal.at("moon", 0.86)))
    _craters(c, c.horizon + 40 * u, 0.8, 26, max(4, round(c.w / (120 * u))))
    near = c.curve(0.745 * c.h, 6 * u, 480)
    c.ground(near, c.fade(c.pal.at("moon", 1, -0.1), c.pal.at("moon", 1, 0.2)))
    x = c.w * (0.5 + (c.place.focus - 0.5) * 0.85)
    _craters(c, 0.9 * c.h, 1.0, 46, max(3, round(c.w / (200 * u))))
    _rocket(
        c,
        x,
        0.775 * c.h,
        (1.0, 0.92, 1.06)[seed % 3],
        c.pal.lit(rgb(("e8463c", "2f74c8", "f08a2c")[seed % 3])),
    )


def _rocket(c: Canvas, x: float, foot: float, k: float, colour: Colour) -> None:
    """Draw a rocket: white body, coloured nose and fins, a round window."""
    u = c.u * k
    white, shade = c.pal.at("snow", 0.98), c.pal.at("snow", 0.98, 0.28)
    dark = mix(colour, c.pal.lit((40, 10, 60)), 0.34)
    top, base, half, s = foot - 266 * u, foot - 34 * u, 50 * u, -c.side
    c.oval(x, foot + 1 * u, 104 * u, 13 * u, c.pal.at("moon", 1, 0.5), 0.75)
    c.poly(
        [
            (x - 24 * u, base - 4 * u),
            (x + 24 * u, base - 4 * u),
            (x + 34 * u, foot - 12 * u),
            (x - 34 * u, foot - 12 * u),
        ],
        c.pal.lit(rgb("59606e")),
    )
    for way in (-1, 1):
        fill = dark if way == s else colour
        c.path(
            f"M{x + way * half * 0.86:.1f} {base - 84 * u:.1f}Q{x + way * 104 * u:.1f} {base - 46 * u:.1f} "
            f"{x + way * 98 * u:.1f} {foot:.1f}Q{x + way * 82 * u:.1f} {base - 6 * u:.1f} "
            f"{x + way * half * 0.6:.1f} {base:.1f}Z",
            fill,
        )
    body = (
        f"M{x:.1f} {top:.1f}C{x + half * 0.62:.1f} {top + 34 * u:.1f} {x + half * 1.16:.1f} "
        f"{top + 92 * u:.1f} {x + half * 1.12:.1f} {top + 146 * u:.1f}Q{x + half * 1.08:.1f} "
        f"{base - 40 * u:.1f} {x + half * 0.68:.1f} {base:.1f}H{x - half * 0.68:.1f}"
        f"Q{x - half * 1.08:.1f} {base - 40 * u:.1f} "
        f"{x - half * 1.12:.1f} {top + 146 * u:.1f}C{x - half * 1.16:.1f} {top + 92 * u:.1f} "
        f"{x - half * 0.62:.1f} {top + 34 * u:.1f} {x:.1f} {top:.1f}Z"
    )
    c.path(body, white)
    c.path(
        f"M{x:.1f} {top:.1f}C{x + s * half * 0.62:.1f} {top + 34 * u:.1f} "
        f"{x + s * half * 1.16:.1f} {top + 92 * u:.1f} "
        f"{x + s * half * 1.12:.1f} {top + 146 * u:.1f}Q{x + s * half * 1.08:.1f} {base - 40 * u:.1f} "
        f"{x + s * half * 0.68:.1f} {base:.1f}H{x + s * half * 0.1:.1f}"
        f"Q{x + s * half * 0.62:.1f} {top + 130 * u:.1f} {x:.1f} {top:.1f}Z",
        shade,
    )
    c.path(
        f"M{x:.1f} {top:.1f}C{x + half * 0.46:.1f} {top + 25 * u:.1f} "
        f"{x + half * 0.8:.1f} {top + 54 * u:.1f} "
        f"{x + half * 0.96:.1f} {top + 82 * u:.1f}Q{x:.1f} {top + 100 * u:.1f} {x - half * 0.96:.1f} "
        f"{top + 82 * u:.1f}C{x - half * 0.8:.1f} {top + 54 * u:.1f} "
        f"{x - half * 0.46:.1f} {top + 25 * u:.1f} "
        f"{x:.1f} {top:.1f}Z",
        colour,
    )
    c.path(
        f"M{x - half * 0.9:.1f} {base - 26 * u:.1f}Q{x:.1f} {base - 12 * u:.1f} {x + half * 0.9:.1f} "
        f"{base - 26 * u:.1f}L{x + half * 0.7:.1f} {base:.1f}H{x - half * 0.7:.1f}Z",
        colour,
    )
    y = top + 134 * u
    if c.place.time == "night":
        c.oval(x, y, 62 * u, 62 * u, c.stops(((0.0, _LAMP, 0.5), (1.0, _LAMP, 0.0)), radial=True))
    c.oval(x, y, 29 * u, 29 * u, dark)
    glass = _LAMP if c.place.time in ("night", "sunset") else c.pal.lit(rgb("7fd4f0"))
    c.oval(x, y, 20 * u, 20 * u, glass)
    c.oval(x + c.side * 7 * u, y - 7 * u, 6 * u, 6 * u, mix(glass, (255, 255, 255), 0.6))
    c.rect(x - 6 * u, base - 60 * u, 12 * u, 88 * u, dark, 6 * u)
