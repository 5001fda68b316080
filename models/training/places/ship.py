"""Ship: a sailing ship at sea, seen from a wooden quay."""

from __future__ import annotations

from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix, rgb

_BANDS = ("d9503f", "3a6fb5", "f0b23c")
_LAMP = rgb("ffcf5e")


def _sea(c: Canvas, foot: float) -> None:
    """Draw the sea with the sun's path and long waves."""
    u, rng, y0 = c.u, c.rng, c.horizon
    far, near = mix(c.pal.at("water", 0.55), c.pal.haze, 0.1), c.pal.at("water", 1.0, 0.06)
    c.rect(0, y0, c.w, foot - y0, c.stops(((0.0, far, 1), (0.6, near, 1), (1.0, near, 1))))
    glint = mix(c.pal.mood.disc, c.pal.sky[2], 0.3)
    bright = 0.75 if c.place.weather in ("clear", "cloudy") else 0.35
    for i in range(4):
        w = (54 - 8 * i) * u
        c.rect(c.sun_x - w, y0 + (6 + 13 * i) * u, 2 * w, 6 * u, glint, 3 * u, bright - 0.06 * i)
    for i in range(round(7 * c.w / (512 * u))):
        x, y = rng.uniform(0, 1) * c.w, y0 + (0.2 + 0.6 * ((i * 0.37) % 1)) * (foot - y0)
        c.rect(x, y, rng.uniform(44, 84) * u, 4.5 * u, c.pal.at("water", 1, -0.32), 2 * u, 0.55)


def _quay(c: Canvas, top: float) -> None:
    """Draw a wooden quay along the lower edge, its boards running to one point, with two bollards."""
    u = c.u
    c.rect(
        0, top - 2 * u, c.w, c.h - top + 2 * u, c.fade(c.pal.at("quay", 1, -0.06), c.pal.at("quay", 1, 0.2))
    )
    point = (c.w / 2, 0.3 * c.h)
    k = (top - point[1]) / (c.h - point[1])
    step = 96 * u
    n = int(c.w / step) + 3
    for i in range(-n, n + 1):
        x = c.w / 2 + (i + 0.5) * step
        c.line([(point[0] + (x - point[0]) * k, top), (x, c.h)], 3 * u, c.pal.at("quay", 1, 0.36))
    c.rect(0, top - 7 * u, c.w, 11 * u, c.pal.at("quay", 1, -0.2))
    c.rect(0, top + 4 * u, c.w, 5 * u, c.pal.at("quay", 1, 0.42))
    if c.snowy:
        c.rect(0, top - 10 * u, c.w, 8 * u, c.pal.at("snow", 1), 4 * u)
    for x in (0.06 * c.w, 0.94 * c.w):
        post = c.pal.at("trunk", 1, 0.3)
        c.rect(x - 15 * u, top - 40 * u, 30 * u, 62 * u, post, 6 * u)
        c.rect(x - 15 * u, top - 40 * u, 10 * u, 62 * u, c.pal.at("trunk", 1, 0.02), 5 * u)
        c.oval(x, top - 40 * u, 17 * u, 8 * u, c.pal.at("snow" if c.snowy else "trunk", 1, -0.06))
        c.rect(x - 18 * u, top - 18 * u, 36 * u, 9 * u, c.pal.at("wall", 1, 0.06), 4 * u)


def _sail(c: Canvas, x: float, y: float, w: float, h: float, way: float, band: Colour | None) -> None:
    """Draw a square sail that the wind fills towards ``way``; its yard is at ``y``."""
    u = c.u
    lit, dark = c.pal.at("sail", 0.97), c.pal.at("sail", 0.97, 0.22)
    belly = way * w * 0.16

    a, b = x - w * 0.44, x + w * 0.44
    d, e = x - w * 0.5, x + w * 0.5
    c.path(
        f"M{a:.1f} {y:.1f}H{b:.1f}Q{b + w * 0.04 + belly:.1f} {y + h * 0.55:.1f} {e:.1f} {y + h:.1f}"
        f"Q{x:.1f} {y + h * 0.82:.1f} {d:.1f} {y + h:.1f}"
        f"Q{a - w * 0.04 + belly:.1f} {y + h * 0.55:.1f} {a:.1f} {y:.1f}Z",
        lit,
    )
    if band is not None:
        c.path(
            f"M{a + belly * 0.5:.1f} {y + h * 0.36:.1f}H{b + belly * 0.6:.1f}"
            f"L{b + belly * 0.7:.1f} {y + h * 0.62:.1f}"
            f"H{a + belly * 0.6:.1f}Z",
            band,
        )
    s = c.side
    p, q = (a, d) if s > 0 else (b, e)
    c.path(
        f"M{p:.1f} {y:.1f}H{p + s * w * 0.2:.1f}Q{p + s * w * 0.2 + belly:.1f} {y + h * 0.55:.1f} "
        f"{q + s * w * 0.2:.1f} {y + h * 0.91:.1f}L{q:.1f} {y + h:.1f}"
        f"Q{p - s * w * 0.04 + belly:.1f} {y + h * 0.55:.1f} {p:.1f} {y:.1f}Z",
        dark,
        'fill-opacity="0.7"',
    )
    c.line([(a - 6 * u, y), (b + 6 * u, y)], 6 * u, c.pal.at("trunk", 0.97, 0.3))


def _hull(c: Canvas, x: float, y: float, half: float, way: float, band: Colour) -> None:
    """Draw a wooden hull whose bow points to ``way``; y is the water."""
    u = c.u
    wood, dark = c.pal.at("hull", 0.97), c.pal.at("hull", 0.97, 0.32)
    deck, keel = y - 52 * u, y + 10 * u
    stern, bow = x - way * half, x + way * half

    def along(k: float) -> float:
        return x + way * half * k

    c.path(
        f"M{stern:.1f} {deck - 34 * u:.1f}H{along(-0.62):.1f}V{deck:.1f}H{along(0.66):.1f}"
        f"L{along(0.72):.1f} {deck - 16 * u:.1f}L{bow + way * 10 * u:.1f} {deck - 20 * u:.1f}"
        f"Q{along(0.94):.1f} {keel - 12 * u:.1f} {along(0.74):.1f} {keel:.1f}H{along(-0.84):.1f}"
        f"Q{along(-0.98):.1f} {keel - 20 * u:.1f} {stern:.1f} {deck - 34 * u:.1f}Z",
        c.fade(wood, dark),
    )
    c.path(
        f"M{along(-0.975):.1f} {deck + 6 * u:.1f}H{along(0.95):.1f}L{along(0.92):.1f} {deck + 17 * u:.1f}"
        f"H{along(-0.955):.1f}Z",
        band,
    )
    c.rect(
        min(stern, along(-0.6)) - 4 * u, deck - 38 * u, abs(along(-0.6) - stern) + 8 * u, 9 * u, dark, 3 * u
    )
    c.rect(min(along(-0.62), along(0.7)), deck - 3 * u, abs(along(0.7) - along(-0.62)), 7 * u, dark, 3 * u)
    for k in (-0.44, -0.14, 0.16, 0.46):
        lamp = _LAMP if c.place.time in ("night", "sunset") else c.pal.at("hull", 0.97, 0.62)
        c.rect(along(k) - 7 * u, deck + 24 * u, 14 * u, 14 * u, lamp, 3 * u)
    c.rect(
        along(-0.81) - 9 * u,
        deck - 22 * u,
        18 * u,
        16 * u,
        _LAMP if c.place.time in ("night", "sunset") else dark,
        3 * u,
    )
    c.line(
        [(along(0.84), deck - 14 * u), (bow + way * 62 * u, deck - 50 * u)],
        7 * u,
        c.pal.at("trunk", 0.97, 0.2),
    )


def ship(c: Canvas) -> None:
    """Draw a sailing ship with bellied sails, seen from a wooden quay."""
    u, seed = c.u, c.place.seed
    top = 0.765 * c.h
    _sea(c, top)
    way = -1.0 if c.place.focus > 0.6 or (c.place.focus > 0.4 and seed % 2) else 1.0
    x = c.w * (0.5 + (c.place.focus - 0.5) * 0.75)
    water = c.horizon + 46 * u
    half = (134 if seed % 2 else 146) * u
    colour = c.pal.lit(rgb(_BANDS[seed % 3]))
    striped = colour if seed % 3 != 1 else None
    deck = water - 52 * u
    masts = ((-0.6, 0.82), (0.0, 1.0), (0.56, 0.86)) if seed % 2 == 0 else ((-0.42, 0.9), (0.32, 1.0))
    wide = 88 * u if len(masts) == 3 else 112 * u
    head = deck - 26 * u
    tall = head - 0.075 * c.h
    bow = x + way * (half + 60 * u)
    last = x + way * half * masts[-1][0]
    c.poly(
        [(last + way * 8 * u, deck - tall * 0.8), (bow, deck - 46 * u), (last + way * 22 * u, deck - 30 * u)],
        c.pal.at("sail", 0.97, 0.1),
    )
    for k, size in masts:
        mx, high = x + way * half * k, tall * size
        c.rect(mx - 4 * u, deck - high - 24 * u, 8 * u, high + 26 * u, c.pal.at("trunk", 0.97, 0.2), 3 * u)
        c.path(
            f"M{mx:.1f} {deck - high - 25 * u:.1f}L{mx + way * 34 * u:.1f} {deck - high - 14 * u:.1f}"
            f"L{mx:.1f} {deck - high - 4 * u:.1f}Z",
            c.pal.at("flag", 0.97),
        )
        upper, lower = high * 0.4, high * 0.5
        _sail(c, mx, deck - high + 4 * u, wide * 0.74 * size, upper, way, None)
        _sail(c, mx, deck - high + upper + 8 * u, wide * size, lower, way, striped)
    _hull(c, x, water, half, way, colour)
    foam = c.pal.at("snow", 0.95)
    c.rect(x - half * 0.98, water + 4 * u, half * 1.9, 8 * u, c.pal.at("water", 1, 0.2), 4 * u)
    c.rect(x + way * half * 0.78 - 34 * u, water + 2 * u, 68 * u, 9 * u, foam, 4 * u)
    c.rect(x - way * half * 0.8 - 22 * u, water + 6 * u, 44 * u, 7 * u, foam, 3 * u, 0.8)
    _quay(c, top)
