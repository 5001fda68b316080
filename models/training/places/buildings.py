"""Built things: castle, cottages, city blocks."""

from __future__ import annotations

from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix, rgb

LAMP = rgb("ffcf5e")


def _pane(c: Canvas, depth: float) -> Colour:
    """Return the window colour: lit after dark, cool glass by day."""
    if c.place.time == "night":
        return LAMP
    if c.place.time == "sunset":
        return mix(LAMP, c.pal.haze, 0.15)
    return c.pal.at("rock", depth, 0.45)


def window(c: Canvas, x: float, y: float, w: float, h: float, depth: float) -> None:
    """Draw an arched window centred at x, its top at y; it glows at night."""
    if c.place.time == "night":
        glow = c.stops(((0.0, LAMP, 0.4), (1.0, LAMP, 0.0)), radial=True)
        c.oval(x, y + h / 2, w * 1.7, h * 1.3, glow)
    c.rect(x - w / 2, y, w, h, _pane(c, depth), w * 0.45)


def _merlons(c: Canvas, x: float, y: float, w: float, fill: Colour) -> None:
    """Draw crenellations along the top of a wall."""
    size = 9 * c.u
    n = max(2, round(w / (2 * size)))
    step = w / (n - 0.5)
    for i in range(n):
        c.rect(x + i * step, y - size, step / 2, size + 1, fill)
        if c.snowy:
            c.rect(x + i * step, y - size - 2 * c.u, step / 2, 5 * c.u, c.pal.at("snow", 0.9), 2 * c.u)


def tower(c: Canvas, x: float, foot: float, w: float, h: float, cone: bool, roof: str) -> None:
    """Draw a round tower centred at x; a cone roof with a flag, or battlements."""
    u, d = c.u, 0.86
    stone, dark = c.pal.at("stone", d), c.pal.at("stone", d, 0.26)
    top = foot - h
    c.rect(x - w / 2, top, w, h, c.fade(stone, mix(stone, c.pal.haze, 0.18)))
    c.rect(x - w / 2 if c.side > 0 else x + w * 0.12, top, w * 0.38, h, dark)
    head = w * 1.22
    c.rect(x - head / 2, top - 4 * u, head, 16 * u, c.pal.at("stone", d, 0.08), 3 * u)
    if cone:
        tall = w * c.rng.uniform(1.2, 1.6)
        apex = top - 4 * u - tall
        base = top - 2 * u
        c.line([(x, apex - 18 * u), (x, apex + 6 * u)], 3.4 * u, dark)
        way = 24 * u * c.side
        c.poly(
            [(x, apex - 20 * u), (x + way, apex - 13 * u), (x, apex - 5 * u)],
            c.pal.at("flag", 0.95),
        )
        c.poly([(x, apex), (x + head * 0.6, base), (x - head * 0.6, base)], c.pal.at(roof, d))
        c.poly(
            [(x, apex), (x - c.side * head * 0.1, base), (x - c.side * head * 0.6, base)],
            c.pal.at(roof, d, 0.28),
        )
        if c.snowy:
            m = base - (base - apex) * 0.45
            e = head * 0.6 * 0.55
            c.poly(
                [
                    (x, apex),
                    (x + e, m),
                    (x + e * 0.3, m - 5 * u),
                    (x - e * 0.3, m + 6 * u),
                    (x - e, m),
                ],
                c.pal.at("snow", 0.95),
            )
    else:
        _merlons(c, x - head / 2, top - 3 * u, head, c.pal.at("stone", d, 0.08))
    for y in (top + 26 * u, top + 62 * u):
        if y + 24 * u < foot:
            window(c, x, y, 10 * u, 18 * u, d)


def castle(c: Canvas, x: float, foot: float) -> None:
    """Draw a castle of several towers around a keep, standing on ``foot``."""
    u, rng, d = c.u, c.rng, 0.86
    roof = rng.choice(("roof", "roof2", "roof"))
    k = rng.uniform(0.9, 1.08)
    span = rng.uniform(62, 84) * u * k
    tower(c, x - span * 0.42, foot, 34 * u * k, rng.uniform(112, 140) * u * k, True, roof)
    if rng.random() < 0.6:
        tower(c, x + span * 0.5, foot, 30 * u * k, rng.uniform(92, 118) * u * k, True, roof)
    keep = 62 * u * k
    tall = rng.uniform(82, 100) * u * k
    tower(c, x + span * 0.06, foot, keep, tall, rng.random() < 0.35, roof)
    wall = rng.uniform(44, 54) * u * k
    stone = c.pal.at("stone", d, -0.04)
    c.rect(x - span, foot - wall, span * 2, wall + 6 * u, c.fade(stone, c.pal.at("stone", d, 0.16)))
    _merlons(c, x - span, foot - wall, span * 2, stone)
    for s in (-1, 1):
        high = rng.uniform(66, 92) * u * k
        tower(c, x + s * span, foot + 4 * u, 36 * u * k, high, rng.random() < 0.7, roof)
    gate = 30 * u * k
    c.path(
        f"M{x - gate / 2:.1f} {foot + 6 * u:.1f}V{foot - gate * 0.7:.1f}"
        f"A{gate / 2:.1f} {gate / 2:.1f} 0 0 1 {x + gate / 2:.1f} {foot - gate * 0.7:.1f}"
        f"V{foot + 6 * u:.1f}Z",
        LAMP if c.place.time == "night" else c.pal.at("trunk", d, 0.3),
    )


def cottage(c: Canvas, x: float, foot: float, w: float, depth: float) -> None:
    """Draw a gabled cottage ``w`` wide, with chimney, door and windows."""
    u, rng = c.u, c.rng
    roof = rng.choice(("roof", "roof", "roof2", "mesa"))
    h = w * rng.uniform(0.5, 0.62)
    peak = w * rng.uniform(0.52, 0.66)
    wall = c.pal.at("wall", depth)
    top = foot - h
    side = rng.choice((-1, 1))
    c.rect(
        x + side * w * 0.24 - w * 0.07,
        top - peak * 0.92,
        w * 0.15,
        peak * 0.8,
        c.pal.at("mesa", depth, 0.25),
    )
    c.rect(x - w / 2, top - 1, w, h + 5 * u, c.fade(wall, c.pal.at("wall", depth, 0.14)))
    c.poly([(x - w * 0.5, top), (x, top - peak * 0.9), (x + w * 0.5, top)], wall)
    apex = top - peak
    for s in (-1, 1):
        shade = 0.0 if s == c.side else 0.24
        name = "snow" if c.snowy else roof
        eave = (x + s * w * 0.64, top + h * 0.14)
        c.poly(
            [
                (x, apex - 3 * u),
                eave,
                (eave[0] - s * w * 0.13, eave[1] + 4 * u),
                (x, apex + w * 0.17),
            ],
            c.pal.at(name, depth, shade),
        )
    size = max(10 * u, w * 0.17)
    window(c, x, top - peak * 0.36, size * 0.9, size * 0.95, depth)
    window(c, x - side * w * 0.25, top + h * 0.26, size, size * 1.15, depth)
    door = w * 0.22
    c.rect(
        x + side * w * 0.1,
        foot - h * 0.66,
        door,
        h * 0.66 + 5 * u,
        c.pal.at("trunk", depth, 0.12),
        door * 0.4,
    )


def skyline(c: Canvas, foot: float, tall: float, depth: float, panes: bool) -> None:
    """Draw a row of tower blocks across the picture."""
    u, rng = c.u, c.rng
    x = -rng.uniform(0, 30) * u
    last = 0.0
    while x < c.w:
        w = rng.uniform(44, 74) * u
        h = tall * rng.uniform(0.5, 1.0)
        if abs(h - last) < 0.12 * tall:
            h *= 0.78
        last = h
        block(c, x, foot, w, h, depth, panes)
        x += w + (rng.uniform(0, 16) * u if panes else -2 * u)


def block(c: Canvas, x: float, foot: float, w: float, h: float, depth: float, panes: bool) -> None:
    """Draw one tower block with a simple roof shape and a grid of windows."""
    u, rng = c.u, c.rng
    name = rng.choice(("tower", "tower2", "rock", "wall"))
    body = c.pal.at(name, depth, 0.08)
    dark = c.pal.at(name, depth, 0.26)
    top = foot - h
    style = rng.randrange(4)
    if style == 0:
        c.rect(x + w * 0.25, top - 14 * u, w * 0.5, 20 * u, dark)
    elif style == 1:
        c.line([(x + w / 2, top - 30 * u), (x + w / 2, top)], 4 * u, dark)
        c.rect(x + w * 0.3, top - 10 * u, w * 0.4, 14 * u, dark)
    elif style == 2:
        c.oval(x + w / 2, top, w / 2, 16 * u, body)
    c.rect(x, top, w, foot - top + 40 * u, c.fade(body, mix(body, c.pal.haze, 0.25)))
    edge = w * 0.22
    c.rect(x if c.side > 0 else x + w - edge, top, edge, h + 40 * u, dark)
    if c.snowy and style != 2:
        c.rect(x - 2 * u, top - 4 * u, w + 4 * u, 9 * u, c.pal.at("snow", depth), 4 * u)
    if not panes:
        return
    lit, off = _pane(c, depth), c.pal.at(name, depth, -0.3 if c.place.time == "noon" else 0.4)
    cols = 2 if w < 58 * u else 3
    left = x + (edge if c.side > 0 else 0)
    step = (w - edge) / cols
    y = top + 14 * u
    chance = 0.62 if c.place.time == "night" else 0.5
    while y < foot - 6 * u:
        for i in range(cols):
            on = rng.random() < chance
            c.rect(left + i * step + step / 2 - 5 * u, y, 10 * u, 13 * u, lit if on else off, 1.5 * u)
        y += 24 * u
