"""Desert, beach and cave scenes."""

from __future__ import annotations

import math

from models.training.places import nature
from models.training.places.canvas import Canvas, Point
from models.training.places.place_colors import mix, rgb


def _dune(c: Canvas, x: float, y: float, half: float, high: float, depth: float) -> None:
    """Draw a dune with a lit face and a curving shaded face, its crest at (x, y - high)."""
    lit, dark = c.pal.at("sand", depth, -0.06), c.pal.at("sand", depth, 0.22)
    s, top = -c.side, y - high
    c.path(
        f"M{x - half:.1f} {y:.1f}Q{x - half * 0.45:.1f} {y - high * 0.2:.1f} {x:.1f} {top:.1f}"
        f"Q{x + half * 0.45:.1f} {y - high * 0.2:.1f} {x + half:.1f} {y:.1f}V{c.h:.1f}H{x - half:.1f}Z",
        lit,
    )
    c.path(
        f"M{x:.1f} {top:.1f}Q{x + s * half * 0.45:.1f} {y - high * 0.2:.1f} {x + s * half:.1f} {y:.1f}"
        f"H{x - s * half * 0.2:.1f}Q{x + s * half * 0.2:.1f} {y - high * 0.5:.1f} {x:.1f} {top:.1f}Z",
        dark,
    )


def _cactus(c: Canvas, x: float, y: float, size: float, depth: float) -> None:
    """Draw a saguaro with two arms."""
    green, w = c.pal.at("cactus", depth), max(8 * c.u, size * 0.19)
    c.line([(x, y), (x, y - size)], w, green)
    for s, a, b in ((-1, 0.38, 0.72), (1, 0.5, 0.86)):
        ex = x + s * size * 0.3
        c.line([(x, y - size * a), (ex, y - size * a), (ex, y - size * b)], w * 0.72, green)
    c.line(
        [(x + c.side * w * 0.2, y - size * 0.1), (x + c.side * w * 0.2, y - size)],
        w * 0.24,
        c.pal.at("cactus", depth, -0.2),
    )
    if c.snowy:
        c.oval(x, y - size - w * 0.3, w * 0.6, w * 0.36, c.pal.at("snow", depth))


def desert(c: Canvas) -> None:
    """Draw mesas or pyramids behind dunes, with a few cacti."""
    u, rng, x = c.u, c.rng, c.place.focus * c.w
    foot = c.horizon + 12 * u
    pyramids = rng.random() < 0.4
    for dx, k in (
        (0.0, 1.0),
        (rng.choice((-1, 1)) * rng.uniform(120, 170), 0.62),
        (260, 0.7),
        (-280, 0.8),
    ):
        mx, high = x + dx * u, rng.uniform(84, 110) * k * u
        lit, dark = c.pal.at("mesa", 0.5, -0.06), c.pal.at("mesa", 0.5, 0.24)
        s = c.side
        if pyramids:
            half = high * 1.05
            c.poly([(mx, foot - high), (mx + half, foot), (mx - half, foot)], lit)
            c.poly([(mx, foot - high), (mx - s * half * 0.3, foot), (mx - s * half, foot)], dark)
        else:
            w = rng.uniform(44, 70) * u * k
            top = foot - high * 0.85
            c.poly(
                [
                    (mx - w, top),
                    (mx + w, top),
                    (mx + w * 1.15, top + 30 * u * k),
                    (mx + w * 1.5, foot),
                    (mx - w * 1.5, foot),
                    (mx - w * 1.15, top + 30 * u * k),
                ],
                lit,
            )
            c.poly(
                [
                    (mx - s * w, top),
                    (mx - s * w * 0.45, top),
                    (mx - s * w * 0.7, foot),
                    (mx - s * w * 1.5, foot),
                    (mx - s * w * 1.15, top + 30 * u * k),
                ],
                dark,
            )
            if c.snowy:
                c.rect(mx - w - 2 * u, top - 5 * u, 2 * w + 4 * u, 11 * u, c.pal.at("snow", 0.6), 5 * u)
    c.mist(foot - 6 * u, 26 * u, 0.4)
    nature.hills(c, foot, 6 * u, 0.5, "sand", 300)
    n = max(2, round(c.w / (230 * u)))
    for dy, depth, high in ((30, 0.66, 44), (64, 0.84, 48)):
        shift = rng.uniform(0, 1)
        for i in range(-1, n + 2):
            _dune(
                c,
                (i + shift) * c.w / n,
                foot + dy * u,
                c.w / n * 0.9,
                high * rng.uniform(0.6, 1.1) * u,
                depth,
            )
    for k in (rng.uniform(0.06, 0.2), rng.uniform(0.78, 0.95), rng.uniform(0.35, 0.65)):
        _cactus(c, k * c.w, (0.775 + rng.uniform(-0.05, 0.01)) * c.h, rng.uniform(46, 84) * u, 0.94)
    nature.foreground(c, "sand")


def _palm(c: Canvas, x: float, y: float, size: float, lean: float) -> None:
    """Draw a leaning palm with broad leaves."""
    u, d = c.u, 0.96
    tx, ty = x + lean * size * 0.32, y - size
    wood = c.pal.at("trunk", d, 0.05)
    w = 7 * u
    c.path(
        f"M{x - w:.1f} {y:.1f}Q{x - w * 0.4:.1f} {y - size * 0.6:.1f} {tx - w * 0.5:.1f} {ty:.1f}"
        f"H{tx + w * 0.5:.1f}Q{x + w * 1.2:.1f} {y - size * 0.55:.1f} {x + w * 1.2:.1f} {y:.1f}Z",
        wood,
    )
    for i, deg in enumerate((200, 340, 165, 15, 232, 308, 140, 40)):
        a = math.radians(deg)
        n = size * (0.46 if i < 4 else 0.38)
        ex, ey = tx + n * math.cos(a), ty + n * math.sin(a) * 0.7 + n * 0.22
        bx, by = tx + n * 0.55 * math.cos(a), ty + n * 0.7 * math.sin(a) - n * 0.34
        c.path(
            f"M{tx:.1f} {ty:.1f}Q{bx:.1f} {by:.1f} {ex:.1f} {ey:.1f}"
            f"Q{bx:.1f} {by + n * 0.34:.1f} {tx:.1f} {ty + 6 * u:.1f}Z",
            c.pal.at("leaf" if i % 2 else "pine", d, 0.1 if i < 4 else -0.04),
        )
    for dx in (-5, 5):
        c.oval(tx + dx * u, ty + 6 * u, 6 * u, 6 * u, c.pal.at("trunk", d, 0.3))


def beach(c: Canvas) -> None:
    """Draw sea under the sky, a glittering sun path, sand and palms."""
    u, rng, y0 = c.u, c.rng, c.horizon
    isle = c.w - c.place.focus * c.w
    for dx, r in ((0, 84), (70, 56)):
        c.oval(isle + dx * u, y0 + 4 * u, r * u, r * 0.5 * u, c.pal.at("leaf", 0.4))
    far, near = mix(c.pal.at("water", 0.55), c.pal.haze, 0.1), c.pal.at("water", 1.0)
    c.rect(0, y0, c.w, c.h - y0, c.stops(((0.0, far, 1), (0.4, near, 1), (1.0, near, 1))))
    bright = c.place.weather in ("clear", "cloudy")
    glint = mix(c.pal.mood.disc, c.pal.sky[2], 0.3)
    for i in range(5):
        w = (56 - 8 * i + rng.uniform(-4, 4)) * u
        c.rect(
            c.sun_x - w + (-1) ** i * 7 * u,
            y0 + (6 + 13 * i) * u,
            2 * w,
            6 * u,
            glint,
            3 * u,
            (0.8 if bright else 0.35) - 0.06 * i,
        )
    for _ in range(round(6 * c.w / (512 * u))):
        x = rng.uniform(0, 1) * c.w
        c.rect(
            x,
            y0 + rng.uniform(0.04, 0.14) * c.h,
            rng.uniform(40, 80) * u,
            4 * u,
            c.pal.at("water", 1, -0.3),
            2 * u,
            0.5,
        )
    line = c.curve(0.765 * c.h, 11 * u, 420)
    c.ground(lambda x: line(x) - 15 * u, c.pal.at("water", 1.0, -0.32))
    c.ground(lambda x: line(x) - 7 * u, c.pal.at("snow", 1.0))
    c.ground(line, c.fade(c.pal.at("sand", 1.0, 0.1), c.pal.at("sand", 1.0, -0.04)))
    side = -1 if c.place.focus < 0.5 else 1
    edge = 0.0 if side < 0 else c.w
    _palm(c, edge - side * rng.uniform(24, 60) * u, 0.83 * c.h, rng.uniform(180, 220) * u, -side)
    if rng.random() < 0.6:
        _palm(c, edge - side * rng.uniform(90, 130) * u, 0.81 * c.h, rng.uniform(120, 150) * u, -side)


def _mouth(c: Canvas, grow: float, depth: float, shade: float) -> None:
    """Draw a sheet of rock with a ragged opening, hung with stalactites."""
    u, rng = c.u, c.rng
    cx = c.w * (0.5 + (c.place.focus - 0.5) * 0.3)
    half = min(c.w * 0.4, 260 * u) + grow * u
    floor, top = 0.78 * c.h, (46 - grow * 0.5) * u
    left: list[Point] = [(cx - half * 1.04, floor + 30 * u)]
    left += [(cx - half * rng.uniform(0.94, 1.06), floor - k * c.h) for k in (0.12, 0.26)]
    left.append((cx - half * rng.uniform(0.84, 0.92), floor - 0.42 * c.h))
    right: list[Point] = [(cx + half * rng.uniform(0.84, 0.92), floor - 0.42 * c.h)]
    right += [(cx + half * rng.uniform(0.94, 1.06), floor - k * c.h) for k in (0.26, 0.12)]
    right.append((cx + half * 1.04, floor + 30 * u))
    n = max(5, round(half / (42 * u)))
    roof: list[Point] = []
    for i in range(n):
        t = (i + 0.5) / n * 2 - 1
        x, base = cx + t * half * 0.8, top + 62 * u * t * t
        tooth = rng.uniform(14, 52) * u
        roof += [(x - half * 0.62 / n, base), (x, base + tooth), (x + half * 0.62 / n, base)]
    hole = [*left, *roof, *right]
    d = f"M0 0H{c.w:.1f}V{c.h:.1f}H0ZM" + "L".join(f"{x:.1f} {y:.1f}" for x, y in hole) + "Z"
    rock = c.pal.at("cave", depth, shade)
    c.path(d, rock, 'fill-rule="evenodd"')


def _crystals(c: Canvas, x: float, y: float, size: float) -> None:
    """Draw a cluster of glowing crystals."""
    hue = rgb(("7fe9ff", "d79bff", "8dffc9")[c.place.seed % 3])
    glow = c.stops(((0.0, hue, 0.5), (1.0, hue, 0.0)), radial=True)
    c.oval(x, y - size * 0.4, size * 1.5, size * 1.2, glow)
    light, dark = mix(hue, c.pal.haze, 0.1), mix(hue, (40, 50, 110), 0.4)
    for dx, lean, k in ((-0.34, -0.3, 0.7), (0.36, 0.34, 0.62), (0.0, 0.04, 1.0)):
        bx, w, h = x + dx * size, size * 0.2, size * k
        tx = bx + lean * size
        c.poly(
            [(bx - w, y), (tx - w, y - h * 0.7), (tx, y - h), (tx + w, y - h * 0.7), (bx + w, y)],
            dark,
        )
        c.poly([(bx, y), (tx, y - h), (tx + c.side * w, y - h * 0.7), (bx + c.side * w, y)], light)


def cave(c: Canvas) -> None:
    """Draw the view out of a cave at the sky and a far range."""
    u, rng = c.u, c.rng
    if rng.random() < 0.5:
        nature.mountain_range(c, c.horizon + 30 * u, 110 * u, 0.34)
    else:
        nature.hills(c, c.horizon - 8 * u, 22 * u, 0.3, length=280)
    c.mist(c.horizon + 12 * u, 30 * u)
    line = nature.hills(c, c.horizon + 30 * u, 10 * u, 0.62, length=260)
    for _ in range(4):
        x = rng.uniform(0.25, 0.75) * c.w
        nature.conifer(c, x, line(x) + 4 * u, rng.uniform(40, 60) * u, 0.66)
    for grow, depth, shade in ((-30, 0.74, 0.2), (4, 0.9, 0.42), (46, 1.0, 0.62)):
        _mouth(c, grow, depth, shade)
    floor = c.curve(0.78 * c.h, 7 * u, 400)
    c.ground(floor, c.fade(c.pal.at("cave", 0.95, 0.1), c.pal.at("cave", 1.0, 0.45)))
    for k in (rng.uniform(0.05, 0.13), rng.uniform(0.87, 0.95)):
        _crystals(c, k * c.w, floor(k * c.w) + 12 * u, rng.uniform(44, 66) * u)
