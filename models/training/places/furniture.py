"""Furniture and lamps: few, large shapes."""

from __future__ import annotations

from models.training.places.buildings import LAMP
from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix, rgb

_SPINES = ("d9503f", "f0b23c", "3a6fb5", "2f9a76", "f3e4c4", "8a5aa8")
METAL = rgb("6d7684")
_WARM = rgb("ffab52")


def in_shade(c: Canvas, colour: Colour, share: float = 0.3) -> Colour:
    """Return the colour in shadow."""
    return mix(colour, c.pal.lit((40, 24, 60)), share)


def in_light(c: Canvas, colour: Colour, share: float = 0.22) -> Colour:
    """Return the colour in light."""
    return mix(colour, c.pal.at("snow", 1), share)


def lamps_are_lit(c: Canvas) -> bool:
    """Return whether lamps are lit."""
    return c.place.time in ("night", "sunset")


def sofa(c: Canvas, x: float, foot: float, w: float, cloth: Colour) -> None:
    """Draw a sofa ``w`` wide, seen from the front."""
    u, h = c.u, 92 * c.u
    top, shaded = foot - h, in_shade(c, cloth)
    c.oval(x, foot - 1 * u, w * 0.56, 9 * u, c.pal.at("plank", 1, 0.4), 0.6)
    for s in (-1, 1):
        c.rect(x + s * w * 0.4 - 6 * u, foot - 14 * u, 12 * u, 14 * u, c.pal.at("trunk", 1, 0.2))
    c.rect(x - w * 0.45, top, w * 0.9, h * 0.8, cloth, 20 * u)
    c.rect(x - 2 * u, top + 8 * u, 4 * u, h * 0.5, shaded)
    c.rect(x - w * 0.42, foot - 52 * u, w * 0.84, 42 * u, shaded, 6 * u)
    for s in (-1, 1):
        c.rect(
            x + (s - 1) * w * 0.2 + 1 * u, foot - 54 * u, w * 0.4 - 2 * u, 24 * u, in_light(c, cloth), 9 * u
        )
    for s in (-1, 1):
        c.rect(x + s * w * 0.45 - 17 * u, foot - 62 * u, 34 * u, 54 * u, cloth, 15 * u)
        c.oval(x + s * w * 0.45, foot - 47 * u, 12 * u, 11 * u, in_light(c, cloth))
    pillow = c.pal.lit(rgb("ffd65a"))
    px = x - c.side * w * 0.24
    c.poly(
        [
            (px - 20 * u, foot - 84 * u),
            (px + 16 * u, foot - 88 * u),
            (px + 21 * u, foot - 53 * u),
            (px - 16 * u, foot - 50 * u),
        ],
        pillow,
        f'stroke="#000000" stroke-opacity="0" stroke-width="{6 * u:.1f}" stroke-linejoin="round"',
    )


def floor_lamp(c: Canvas, x: float, foot: float, h: float) -> None:
    """Draw a tall lamp, lit in the evening."""
    u, top = c.u, foot - h
    if lamps_are_lit(c):
        glow = c.stops(((0.0, LAMP, 0.7), (0.4, _WARM, 0.32), (1.0, _WARM, 0.0)), radial=True)
        c.oval(x, top + 30 * u, 150 * u, 140 * u, glow)
    c.oval(x, foot, 24 * u, 6 * u, c.pal.at("trunk", 1, 0.4))
    c.rect(x - 3 * u, top + 20 * u, 6 * u, h - 20 * u, c.pal.at("trunk", 1, 0.3))
    shade = mix(LAMP, (255, 255, 255), 0.3) if lamps_are_lit(c) else c.pal.at("wall", 1, 0.05)
    c.poly(
        [
            (x - 18 * u, top - 6 * u),
            (x + 18 * u, top - 6 * u),
            (x + 35 * u, top + 44 * u),
            (x - 35 * u, top + 44 * u),
        ],
        shade,
    )
    c.rect(x - 35 * u, top + 38 * u, 70 * u, 7 * u, mix(shade, c.pal.at("flag", 1), 0.6))


def ceiling_lamp(c: Canvas, x: float, y: float) -> None:
    """Draw a lamp that hangs from the ceiling, lit."""
    u = c.u
    glow = c.stops(((0.0, LAMP, 0.7), (0.4, _WARM, 0.32), (1.0, _WARM, 0.0)), radial=True)
    c.oval(x, y + 60 * u, 170 * u, 150 * u, glow)
    c.rect(x - 2 * u, y, 4 * u, 34 * u, c.pal.at("trunk", 1, 0.4))
    shade = c.pal.lit(rgb("dd4a3c"))
    c.oval(x, y + 58 * u, 13 * u, 12 * u, mix(LAMP, (255, 255, 255), 0.5))
    c.path(
        f"M{x - 36 * u:.1f} {y + 58 * u:.1f}Q{x - 30 * u:.1f} {y + 30 * u:.1f} {x:.1f} {y + 30 * u:.1f}"
        f"Q{x + 30 * u:.1f} {y + 30 * u:.1f} {x + 36 * u:.1f} {y + 58 * u:.1f}Z",
        shade,
    )


def bookcase(c: Canvas, x: float, foot: float, w: float, h: float) -> None:
    """Draw a bookcase with three shelves of thick books."""
    u, top, wood = c.u, foot - h, c.pal.at("trunk", 1, -0.04)
    c.rect(x - w / 2, top, w, h, wood, 4 * u)
    c.rect(x - w / 2 + 8 * u, top + 8 * u, w - 16 * u, h - 16 * u, c.pal.at("trunk", 1, 0.5))
    step = (h - 16 * u) / 3
    for i in range(3):
        base = top + 8 * u + (i + 1) * step - 8 * u
        left, n = x - w / 2 + 10 * u, 5
        each = (w - 20 * u) / n
        for j in range(n):
            if (i, j) == (1, 4):
                c.oval(left + (j + 0.5) * each, base - 10 * u, 9 * u, 10 * u, c.pal.lit(rgb("f3e4c4")))
                continue
            tall = step - (14 + 7 * ((i + 2 * j) % 3)) * u
            spine = c.pal.lit(rgb(_SPINES[(i * 2 + j) % len(_SPINES)]))
            c.rect(left + j * each + 0.6 * u, base - tall, each - 1.2 * u, tall, spine, 2 * u)
        c.rect(x - w / 2 + 4 * u, base, w - 8 * u, 8 * u, wood)


def fireplace(c: Canvas, x: float, foot: float, w: float) -> None:
    """Draw a chimney breast of brick with a fire."""
    u, brick = c.u, c.pal.lit(rgb("b5583f"))
    h = 122 * u
    top = foot - h
    c.rect(x - w * 0.36, 22 * u, w * 0.72, top - 20 * u, c.fade(in_light(c, brick, 0.1), brick))
    c.rect(x - w * 0.36, 22 * u, w * 0.16, top - 20 * u, in_shade(c, brick, 0.16))
    c.rect(x - w / 2, top, w, h, brick)
    c.rect(x - w / 2 - 8 * u, top - 12 * u, w + 16 * u, 16 * u, c.pal.at("stone", 1, -0.1), 3 * u)
    c.rect(x - w / 2 - 8 * u, foot - 5 * u, w + 16 * u, 12 * u, c.pal.at("stone", 1, 0.14), 3 * u)
    half, arch = w * 0.33, foot - 84 * u
    c.path(
        f"M{x - half:.1f} {foot - 5 * u:.1f}V{arch + 30 * u:.1f}Q{x - half:.1f} {arch:.1f} {x:.1f} {arch:.1f}"
        f"Q{x + half:.1f} {arch:.1f} {x + half:.1f} {arch + 30 * u:.1f}V{foot - 5 * u:.1f}Z",
        mix(c.pal.lit(rgb("3a2226")), (0, 0, 0), 0.15),
    )
    glow = c.stops(((0.0, LAMP, 0.6), (1.0, rgb("ff7a2a"), 0.0)), radial=True)
    c.oval(x, foot - 26 * u, w * 0.42, 52 * u, glow)
    for code, k in (("ff6a2a", 1.0), ("ffc23c", 0.62)):
        tall, wide = 58 * u * k, 27 * u * k
        y = foot - 9 * u
        c.path(
            f"M{x - wide:.1f} {y - tall * 0.2:.1f}Q{x - wide:.1f} {y - tall * 0.6:.1f} {x - wide * 0.5:.1f} "
            f"{y - tall * 0.74:.1f}Q{x - wide * 0.3:.1f} {y - tall * 0.5:.1f} {x:.1f} {y - tall:.1f}"
            f"Q{x + wide * 0.4:.1f} {y - tall * 0.5:.1f} {x + wide * 0.62:.1f} {y - tall * 0.66:.1f}"
            f"Q{x + wide * 1.1:.1f} {y - tall * 0.4:.1f} {x + wide:.1f} {y - tall * 0.18:.1f}"
            f"Q{x:.1f} {y + tall * 0.16:.1f} {x - wide:.1f} {y - tall * 0.2:.1f}Z",
            rgb(code),
        )
    log = c.pal.at("trunk", 1, 0.2)
    c.line([(x - 26 * u, foot - 10 * u), (x + 26 * u, foot - 10 * u)], 9 * u, log)


def plant(c: Canvas, x: float, foot: float, h: float) -> None:
    """Draw a pot plant with five big leaves."""
    u, green = c.u, c.pal.lit(rgb("3f9d55"))
    pot = c.pal.lit(rgb("cf6f45"))
    base = foot - h * 0.34
    for i, (dx, k) in enumerate(((-0.46, 0.7), (0.46, 0.72), (-0.24, 0.95), (0.26, 0.92), (0.0, 1.1))):
        tx, ty = x + dx * h * 0.9, base - h * 0.62 * k
        bend = h * 0.16
        c.path(
            f"M{x:.1f} {base:.1f}Q{(x + tx) / 2 - bend:.1f} {ty + bend:.1f} {tx:.1f} {ty:.1f}"
            f"Q{(x + tx) / 2 + bend:.1f} {ty + bend * 1.6:.1f} {x:.1f} {base:.1f}Z",
            green if i % 2 else in_shade(c, green, 0.2),
        )
    c.poly(
        [(x - 22 * u, base - 2 * u), (x + 22 * u, base - 2 * u), (x + 16 * u, foot), (x - 16 * u, foot)], pot
    )
    c.rect(x - 25 * u, base - 6 * u, 50 * u, 10 * u, in_light(c, pot), 3 * u)


def wall_picture(c: Canvas, x: float, y: float, w: float, colour: Colour) -> None:
    """Draw a framed landscape on the wall."""
    u, h = c.u, w * 0.8
    c.rect(x - w / 2, y, w, h, c.pal.at("trunk", 1), 3 * u)
    ix, iy, iw, ih = x - w / 2 + 7 * u, y + 7 * u, w - 14 * u, h - 14 * u
    c.rect(ix, iy, iw, ih, c.pal.lit(rgb("bfe3f0")))
    c.poly(
        [(ix, iy + ih), (ix + iw * 0.36, iy + ih * 0.3), (ix + iw * 0.66, iy + ih)],
        mix(colour, c.pal.at("rock", 1), 0.5),
    )
    c.rect(ix, iy + ih * 0.74, iw, ih * 0.26, c.pal.lit(rgb("6fb54e")))
