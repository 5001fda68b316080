"""The composition of each kind of place, far planes first."""

from __future__ import annotations

from collections.abc import Callable

from models.training.places import buildings as built
from models.training.places import nature
from models.training.places.canvas import Canvas, Curve
from models.training.places.garden import garden
from models.training.places.indoors import kitchen, room
from models.training.places.ship import ship
from models.training.places.spaceship import spaceship
from models.training.places.underwater import underwater
from models.training.places.wild import beach, cave, desert


def _spread(c: Canvas, spacing: float, jitter: float = 0.35) -> list[float]:
    """Return positions across the width about ``spacing`` design pixels apart."""
    n = max(2, round(c.w / (spacing * c.u)))
    return [(i + 0.5 + c.rng.uniform(-jitter, jitter)) * c.w / n for i in range(n)]


def _grove(c: Canvas, line: Curve, spacing: float, size: float, depth: float, firs: float) -> None:
    """Draw trees of mixed kinds along a height line."""
    for x in _spread(c, spacing):
        s = size * c.rng.uniform(0.75, 1.2) * c.u
        y = line(x) + 4 * c.u
        if c.rng.random() < firs:
            nature.conifer(c, x, y, s * 1.1, depth)
        else:
            nature.round_tree(c, x, y, s, depth, c.rng.choice(("leaf", "leaf", "leaf2")))


def castle(c: Canvas) -> None:
    """Draw a castle on its own hill in the chosen third."""
    u, x = c.u, c.place.focus * c.w
    if c.rng.random() < 0.4:
        nature.mountain_range(c, c.horizon + 20 * u, 96 * u, 0.3)
    else:
        nature.hills(c, c.horizon - 12 * u, 18 * u, 0.25)
    c.mist(c.horizon + 4 * u, 34 * u)
    back = nature.hills(c, c.horizon + 22 * u, 12 * u, 0.5, length=240)
    _grove(c, back, 46, 34, 0.5, 0.5)
    top = c.horizon + 14 * u
    half = c.rng.uniform(190, 230) * u
    fill = c.fade(c.pal.at("grass", 0.72, -0.04), c.pal.at("grass", 0.8, 0.12))
    c.path(
        f"M{x - half * 1.3:.1f} {c.h:.1f}C{x - half * 0.8:.1f} {c.h * 0.8:.1f} {x - half * 0.7:.1f} "
        f"{top:.1f} {x - half * 0.3:.1f} {top:.1f}L{x + half * 0.3:.1f} {top:.1f}"
        f"C{x + half * 0.7:.1f} {top:.1f} {x + half * 0.8:.1f} {c.h * 0.8:.1f} "
        f"{x + half * 1.3:.1f} {c.h:.1f}Z",
        fill,
    )
    built.castle(c, x, top + 8 * u)
    for s in (-1, 1):
        nature.bush(c, x + s * c.rng.uniform(100, 118) * u, top + 36 * u, 24 * u, 0.8)
    nature.foreground(c)
    nature.road(c, x, top + 13 * u)


def forest(c: Canvas) -> None:
    """Draw three or four layers of trees around a clearing."""
    u = c.u
    firs = c.rng.choice((0.25, 0.5, 0.8))
    for dy, size, depth, gap in ((-8, 92, 0.22, 38), (18, 128, 0.46, 58)):
        line = nature.hills(c, c.horizon + dy * u, 9 * u, depth, "leaf", 260)
        _grove(c, line, gap, size, depth, firs)
        c.mist(c.horizon + dy * u, 30 * u)
    line = nature.hills(c, c.horizon + 46 * u, 8 * u, 0.72, "leaf", 300)
    clear = c.place.focus * c.w
    for x in _spread(c, 84):
        if abs(x - clear) > 52 * u:
            s = c.rng.uniform(140, 190) * u
            (nature.conifer if c.rng.random() < firs else nature.round_tree)(c, x, line(x) + 6 * u, s, 0.76)
    nature.foreground(c)
    nature.road(c, clear, 0.72 * c.h)
    for x in (c.rng.uniform(-0.02, 0.06) * c.w, c.rng.uniform(0.94, 1.02) * c.w):
        w = c.rng.uniform(34, 46) * u
        c.rect(x - w / 2, -4, w, 0.82 * c.h, c.pal.at("trunk", 0.97, 0.25))
        c.rect(
            x + (w * 0.2 if c.side > 0 else -w / 2),
            -4,
            w * 0.3,
            0.82 * c.h,
            c.pal.at("trunk", 0.97),
        )
        nature.bush(c, x, 0.83 * c.h, 52 * u, 1.0)
        for dx, dy, r in ((-46, 6, 60), (48, 2, 62), (0, 26, 56)):
            c.oval(x + dx * u, dy * u, r * u, r * 0.8 * u, c.pal.at("leaf", 0.97, 0.2))


def mountains(c: Canvas) -> None:
    """Draw two jagged ranges above a fir-edged valley."""
    u = c.u
    nature.mountain_range(c, c.horizon + 16 * u, c.rng.uniform(165, 200) * u, 0.34)
    c.mist(c.horizon, 40 * u, 0.5)
    c.ground(lambda _x: c.horizon + 14 * u, c.pal.at("rock", 0.3), 60 * u)
    nature.mountain_range(c, c.horizon + 46 * u, c.rng.uniform(100, 128) * u, 0.64)
    c.mist(c.horizon + 36 * u, 26 * u, 0.4)
    line = nature.hills(c, c.horizon + 44 * u, 10 * u, 0.74, "pine", 240)
    for x in _spread(c, 44):
        if c.rng.random() < 0.75:
            nature.conifer(c, x, line(x) + 6 * u, c.rng.uniform(36, 62) * u, 0.78)
    nature.foreground(c)
    if c.rng.random() < 0.6:
        nature.road(c, c.place.focus * c.w, 0.76 * c.h)


def village(c: Canvas) -> None:
    """Draw cottages clustered on a rise."""
    u, x = c.u, c.place.focus * c.w
    nature.hills(c, c.horizon - 26 * u, 26 * u, 0.26, length=340)
    c.mist(c.horizon, 34 * u)
    line = nature.hills(c, c.horizon + 8 * u, 14 * u, 0.5, length=280)
    _grove(c, line, 52, 48, 0.52, 0.3)
    for dx in _spread(c, 120):
        built.cottage(c, dx, c.horizon + 40 * u, c.rng.uniform(46, 56) * u, 0.66)
    c.mist(c.horizon + 44 * u, 20 * u, 0.3)
    front = nature.hills(c, c.horizon + 48 * u, 7 * u, 0.82, length=320)
    clear = x + c.rng.uniform(-10, 10) * u
    for dx in _spread(c, 112, 0.2):
        if abs(dx - clear) < 30 * u:
            continue
        if c.rng.random() < 0.82:
            built.cottage(c, dx, front(dx) + 16 * u, c.rng.uniform(68, 84) * u, 0.94)
        else:
            nature.round_tree(c, dx, front(dx) + 14 * u, 84 * u, 0.9)
    nature.foreground(c)
    nature.road(c, clear, c.horizon + 56 * u)


def snowy_field(c: Canvas) -> None:
    """Draw white rolling ground with winter trees."""
    u = c.u
    nature.hills(c, c.horizon - 22 * u, 22 * u, 0.3, "rock", 320)
    c.mist(c.horizon, 30 * u)
    for dy, depth, size, gap in ((6, 0.5, 52, 48), (36, 0.74, 84, 96)):
        line = c.curve((c.horizon + dy * u), 11 * u, 300)
        white = c.pal.at("snow", depth)
        c.ground(line, c.fade(white, c.pal.at("snow", depth, 0.16)))
        for x in _spread(c, gap):
            if c.rng.random() < 0.25:
                continue
            kind = nature.conifer if c.rng.random() < 0.6 else nature.bare_tree
            kind(c, x, line(x) + 5 * u, size * c.rng.uniform(0.8, 1.2) * u, depth + 0.06)
    nature.foreground(c, "snow")
    x = c.rng.choice((0.06, 0.94)) * c.w
    nature.conifer(c, x, 0.84 * c.h, c.rng.uniform(150, 190) * u, 0.97)


def city(c: Canvas) -> None:
    """Draw two skylines behind a tree-lined road."""
    u = c.u
    built.skyline(c, c.horizon + 20 * u, 150 * u, 0.3, panes=False)
    c.mist(c.horizon - 10 * u, 50 * u, 0.45)
    built.skyline(c, 0.73 * c.h, c.rng.uniform(160, 200) * u, 0.84, panes=True)
    nature.hills(c, 0.735 * c.h, 3 * u, 0.92)
    for x in _spread(c, 84):
        nature.round_tree(c, x, 0.76 * c.h, c.rng.uniform(40, 56) * u, 0.95)
    c.rect(0, 0.755 * c.h, c.w, 0.25 * c.h, c.fade(c.pal.at("wall", 1, 0.1), c.pal.at("wall", 1, 0.2)))
    c.rect(0, 0.79 * c.h, c.w, 0.21 * c.h, c.fade(c.pal.at("road", 1), c.pal.at("road", 1, 0.26)))
    for x in _spread(c, 110, 0):
        c.rect(x - 28 * u, 0.872 * c.h, 56 * u, 7 * u, c.pal.at("wall", 1, -0.1), 3 * u, 0.8)


def meadow(c: Canvas) -> None:
    """Draw rolling green with big flowers and a lone tree."""
    u, rng = c.u, c.rng
    nature.hills(c, c.horizon - 20 * u, 24 * u, 0.26, length=360)
    c.mist(c.horizon, 34 * u)
    nature.hills(c, c.horizon + 10 * u, 20 * u, 0.5, "leaf2", 320)
    line = nature.hills(c, c.horizon + 42 * u, 16 * u, 0.76, length=340)
    x = c.place.focus * c.w
    nature.round_tree(c, x, line(x) + 6 * u, rng.uniform(92, 128) * u, 0.82)
    nature.bush(c, c.w - x, line(c.w - x) + 8 * u, 30 * u, 0.8, "leaf2")
    palette = rng.sample(nature.FLOWERS, 3)
    for bx in _spread(c, 46):
        tint = c.pal.lit(rng.choice(palette))
        c.oval(bx, line(bx) + rng.uniform(16, 30) * u, 6 * u, 5 * u, tint)
    nature.foreground(c, top=0.775)
    for bx in _spread(c, 54, 0.42):
        y = rng.uniform(0.775, 0.83) * c.h
        nature.flower(c, bx, y, rng.uniform(10, 15) * u, rng.choice(palette))


SCENES: dict[str, Callable[[Canvas], None]] = {
    "castle": castle,
    "forest": forest,
    "mountains": mountains,
    "village": village,
    "desert": desert,
    "beach": beach,
    "snowy field": snowy_field,
    "city": city,
    "cave": cave,
    "meadow": meadow,
    "room": room,
    "kitchen": kitchen,
    "garden": garden,
    "ship": ship,
    "spaceship": spaceship,
    "underwater": underwater,
}
