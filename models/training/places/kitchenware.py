"""Things that stand and hang in the kitchen: few, large shapes."""

from __future__ import annotations

from models.training.places.buildings import LAMP
from models.training.places.canvas import Canvas
from models.training.places.furniture import METAL, in_light, in_shade, lamps_are_lit
from models.training.places.place_colors import Colour, rgb


def worktop(c: Canvas, left: float, right: float, base: float, h: float, front: Colour) -> None:
    """Draw a row of cupboards under a worktop."""
    u, top = c.u, base - h
    c.rect(left, top + 10 * u, right - left, h - 10 * u, front)
    c.rect(left, base - 9 * u, right - left, 9 * u, in_shade(c, front, 0.6))
    n = max(3, round((right - left) / (76 * u)))
    step = (right - left) / n
    for i in range(n):
        x = left + i * step
        c.rect(x + 6 * u, top + 22 * u, step - 12 * u, h - 38 * u, in_light(c, front, 0.16), 5 * u)
        knob = x + step - 16 * u if i % 2 == 0 else x + 16 * u
        c.oval(knob, top + 38 * u, 4.5 * u, 4.5 * u, c.pal.lit(rgb("fff0c0")))
    c.rect(left - 2 * u, top, right - left + 4 * u, 13 * u, c.pal.lit(rgb("c98f5a")), 2 * u)
    c.rect(left, top + 13 * u, right - left, 5 * u, in_shade(c, front, 0.34))


def stove(c: Canvas, x: float, base: float, h: float, pot: bool) -> None:
    """Draw a stove with an oven door, a pot or a pan and its hood."""
    u, w, top = c.u, 94 * c.u, base - h - 3 * c.u
    white, metal = c.pal.at("snow", 1, 0.06), c.pal.lit(METAL)
    hood = c.pal.lit(rgb("aeb7c4"))
    c.rect(x - 19 * u, 22 * u, 38 * u, 60 * u, c.fade(hood, in_shade(c, hood, 0.1)))
    c.poly(
        [(x - 19 * u, 74 * u), (x + 19 * u, 74 * u), (x + 56 * u, 112 * u), (x - 56 * u, 112 * u)],
        hood,
    )
    c.rect(x - 56 * u, 110 * u, 112 * u, 11 * u, in_shade(c, hood, 0.3), 3 * u)
    c.rect(x - w / 2, top, w, base - top, white, 3 * u)
    c.rect(x - w / 2, top, w, 9 * u, in_shade(c, metal, 0.35))
    for k in (-0.32, -0.11, 0.11, 0.32):
        c.oval(x + k * w, top + 19 * u, 5.5 * u, 5.5 * u, metal)
    c.rect(x - w * 0.38, top + 34 * u, w * 0.76, 44 * u, in_shade(c, metal, 0.45), 6 * u)
    warm = LAMP if lamps_are_lit(c) else c.pal.lit(rgb("f0a35a"))
    c.rect(x - w * 0.29, top + 46 * u, w * 0.58, 24 * u, warm, 4 * u)
    c.rect(x - w * 0.36, top + 30 * u, w * 0.72, 6 * u, metal, 3 * u)
    red = c.pal.lit(rgb("dd4a3c"))
    if pot:
        c.rect(x - 32 * u, top - 34 * u, 64 * u, 35 * u, red, 7 * u)
        c.rect(x - 43 * u, top - 27 * u, 86 * u, 8 * u, in_shade(c, red), 4 * u)
        c.rect(x - 35 * u, top - 40 * u, 70 * u, 9 * u, in_light(c, red), 4 * u)
        c.oval(x, top - 43 * u, 6 * u, 5 * u, in_shade(c, red, 0.5))
    else:
        blue = c.pal.lit(rgb("3f74b0"))
        c.path(
            f"M{x - 30 * u:.1f} {top:.1f}Q{x - 38 * u:.1f} {top - 46 * u:.1f} {x:.1f} {top - 46 * u:.1f}"
            f"Q{x + 38 * u:.1f} {top - 46 * u:.1f} {x + 30 * u:.1f} {top:.1f}Z",
            blue,
        )
        c.path(
            f"M{x - 20 * u:.1f} {top - 40 * u:.1f}C{x - 24 * u:.1f} {top - 72 * u:.1f} {x + 24 * u:.1f} "
            f"{top - 72 * u:.1f} {x + 20 * u:.1f} {top - 40 * u:.1f}",
            "none",
            f'stroke="#3a3f4a" stroke-width="{6 * u:.1f}"',
        )
        c.line([(x + 28 * u, top - 18 * u), (x + 48 * u, top - 36 * u)], 9 * u, blue)
        c.oval(x, top - 47 * u, 6 * u, 5 * u, in_shade(c, blue, 0.5))


def fridge(c: Canvas, x: float, base: float, w: float, h: float, colour: Colour) -> None:
    """Draw a rounded fridge with two doors."""
    u, top = c.u, base - h
    c.rect(x - w / 2, top, w, h, colour, 14 * u)
    edge = w * 0.2
    c.rect(
        x - w / 2 if c.side > 0 else x + w / 2 - edge,
        top + 10 * u,
        edge,
        h - 16 * u,
        in_shade(c, colour, 0.14),
    )
    c.rect(x - w / 2, top + h * 0.34, w, 5 * u, in_shade(c, colour, 0.4))
    handle = x + c.side * w * 0.26 - 4 * u
    for y, tall in ((top + h * 0.16, 32 * u), (top + h * 0.44, 48 * u)):
        c.rect(handle, y, 8 * u, tall, c.pal.lit(METAL), 4 * u)


def hanging_pans(c: Canvas, x: float, y: float, w: float) -> None:
    """Draw two pans that hang from a rail."""
    u, metal = c.u, c.pal.lit(METAL)
    c.rect(x - w / 2, y, w, 7 * u, c.pal.at("trunk", 1), 3 * u)
    copper = c.pal.lit(rgb("d07a3e"))
    for k, r, fill in ((-0.26, 23, copper), (0.27, 20, in_shade(c, metal, 0.2))):
        c.rect(x + k * w - 4 * u, y + 4 * u, 8 * u, 34 * u, in_shade(c, fill, 0.3), 3 * u)
        c.oval(x + k * w, y + (36 + r) * u, r * u, r * u, fill)
        c.oval(x + k * w, y + (36 + r) * u, r * 0.68 * u, r * 0.68 * u, in_light(c, fill, 0.2))


def shelf(c: Canvas, x: float, y: float, w: float) -> None:
    """Draw two boards with plates and jars."""
    u = c.u
    for row, dy in enumerate((38, 88)):
        base = y + dy * u
        for j, k in enumerate((-0.3, 0.02, 0.33)):
            colour = c.pal.lit(rgb(("e8604c", "f0b23c", "fdf3df", "5a9ed0")[(j + 2 * row) % 4]))
            if (j + row) % 2:
                c.rect(x + k * w - 12 * u, base - 30 * u, 24 * u, 30 * u, colour, 5 * u)
                c.rect(x + k * w - 10 * u, base - 35 * u, 20 * u, 8 * u, in_shade(c, colour, 0.4), 3 * u)
            else:
                c.oval(x + k * w, base - 16 * u, 16 * u, 16 * u, colour)
                c.oval(x + k * w, base - 16 * u, 9 * u, 9 * u, in_light(c, colour, 0.4))
        c.rect(x - w / 2, base, w, 8 * u, c.pal.at("trunk", 1), 2 * u)
