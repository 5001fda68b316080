"""The inside of a house: walls, floor and a window, through which time and weather show."""

from __future__ import annotations

from dataclasses import dataclass

from models.training.places import nature
from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix

FLOOR = 0.7
SIDE = 34.0
CEILING = 22.0


@dataclass(frozen=True)
class Opening:
    """The hole of a window in the back wall, in pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> float:
        return self.x + self.w / 2

    @property
    def foot(self) -> float:
        return self.y + self.h


def opening(c: Canvas) -> Opening:
    """Return where the window is."""
    wide, high = (190.0, 142.0) if c.place.kind == "room" else (150.0, 112.0)
    middle = c.w * (0.5 + (c.place.focus - 0.5) * 0.8)
    return Opening(middle - wide * c.u / 2, 0.09 * c.h, wide * c.u, high * c.u)


def look_out(c: Canvas) -> None:
    """Set the horizon and the sun so that they show through the window; call this before drawing the sky."""
    hole = opening(c)
    c.horizon = hole.y + 0.84 * hole.h
    c.sun_x = hole.middle + c.side * hole.w * 0.22


def outside(c: Canvas) -> None:
    """Draw the hills and the tree behind the window."""
    hole, u = opening(c), c.u
    nature.hills(c, c.horizon - 10 * u, 9 * u, 0.5, length=180)
    line = nature.hills(c, c.horizon + 6 * u, 6 * u, 0.8, length=220)
    x = hole.middle - c.side * hole.w * 0.28
    nature.round_tree(c, x, line(x) + 4 * u, 58 * u, 0.8)


def shell(c: Canvas, wall: Colour, floor: str) -> None:
    """Draw the back wall with a hole for the window, and the floor."""
    hole, foot = opening(c), FLOOR * c.h
    back = c.fade(mix(wall, (255, 255, 255), 0.06), mix(wall, c.pal.at("trunk", 1), 0.06))
    c.path(
        f"M0 0H{c.w:.1f}V{foot + 2:.1f}H0ZM{hole.x:.1f} {hole.y:.1f}V{hole.foot:.1f}"
        f"H{hole.x + hole.w:.1f}V{hole.y:.1f}Z",
        back,
        'fill-rule="evenodd"',
    )
    c.poly(
        [(0, foot), (c.w, foot), (c.w, c.h), (0, c.h)],
        c.fade(c.pal.at(floor, 1), c.pal.at(floor, 1, 0.14)),
    )


def side_walls(c: Canvas, wall: Colour) -> None:
    """Draw the ceiling and the two side walls."""
    side, top, foot = SIDE * c.u, CEILING * c.u, FLOOR * c.h
    dark = mix(wall, c.pal.at("trunk", 1, 0.4), 0.24)
    for x, way in ((0.0, 1), (c.w, -1)):
        c.poly([(x, 0), (x + way * side, top), (x + way * side, foot), (x, foot + 44 * c.u)], dark)
    c.poly([(0, 0), (c.w, 0), (c.w - side, top), (side, top)], c.pal.at("snow", 1, 0.08))


def skirting(c: Canvas) -> None:
    """Draw the white board along the foot of the walls."""
    u, foot, side, deep = c.u, FLOOR * c.h, SIDE * c.u, FLOOR * c.h + 44 * c.u
    white = c.pal.at("snow", 1, 0.06)
    c.rect(side, foot - 9 * u, c.w - 2 * side, 11 * u, white)
    for x, way in ((0.0, 1), (c.w, -1)):
        c.poly(
            [(x, deep - 13 * u), (x + way * side, foot - 9 * u), (x + way * side, foot + 2 * u), (x, deep)],
            c.pal.at("snow", 1, 0.22),
        )


def window_frame(c: Canvas, curtain: Colour | None) -> None:
    """Draw the window's frame with its cross and sill, and curtains on both sides."""
    u, o = c.u, opening(c)
    white, shade = c.pal.at("snow", 1), c.pal.at("snow", 1, 0.2)
    t = 9 * u
    for x, y, w, h in (
        (o.x - t, o.y - t, o.w + 2 * t, t),
        (o.x - t, o.y, t, o.h),
        (o.x + o.w, o.y, t, o.h),
        (o.middle - t / 2, o.y, t, o.h),
        (o.x, o.y + 0.42 * o.h, o.w, 0.8 * t),
    ):
        c.rect(x, y, w, h, white)
    c.rect(o.x - 2 * t, o.foot, o.w + 4 * t, 11 * u, white, 3 * u)
    c.rect(o.x - 2 * t, o.foot + 8 * u, o.w + 4 * t, 6 * u, shade, 3 * u)
    if curtain is None:
        return
    dark = mix(curtain, c.pal.at("trunk", 1, 0.5), 0.28)
    rail = o.y - 14 * u
    for x, way in ((o.x - 30 * u, 1), (o.x + o.w + 30 * u, -1)):
        c.path(
            f"M{x:.1f} {rail:.1f}H{x + way * 74 * u:.1f}Q{x + way * 66 * u:.1f} {o.y + 0.6 * o.h:.1f} "
            f"{x + way * 24 * u:.1f} {o.y + 0.7 * o.h:.1f}L{x + way * 34 * u:.1f} {o.foot + 30 * u:.1f}"
            f"H{x:.1f}Z",
            curtain,
        )
        c.path(
            f"M{x + way * 30 * u:.1f} {rail:.1f}H{x + way * 46 * u:.1f}Q{x + way * 40 * u:.1f} "
            f"{o.y + 0.5 * o.h:.1f} {x + way * 14 * u:.1f} {o.y + 0.7 * o.h:.1f}Z",
            dark,
        )
    c.rect(o.x - 46 * u, rail - 8 * u, o.w + 92 * u, 9 * u, c.pal.at("trunk", 1), 4 * u)


def sunlight(c: Canvas) -> None:
    """Draw the light from the window on the floor, on a bright day."""
    if c.place.time == "night" or c.place.weather not in ("clear", "cloudy"):
        return
    u, o, way = c.u, opening(c), -c.side
    y0, y1 = FLOOR * c.h + 30 * u, c.h - 16 * u
    light = mix(c.pal.mood.glow, (255, 255, 255), 0.2)
    for k in (-0.5, 0.04):
        a = o.middle + k * o.w + way * 24 * u
        b = a + 0.46 * o.w
        spread = (a - c.w / 2) * 0.1, (b - c.w / 2) * 0.1
        shift = way * 70 * u
        c.poly(
            [(a, y0), (b, y0), (b + shift + spread[1], y1), (a + shift + spread[0], y1)],
            light,
            'fill-opacity="0.3"',
        )


def planks(c: Canvas) -> None:
    """Draw the joints of a wooden floor, running to one point."""
    u, y0 = c.u, FLOOR * c.h
    point, step = (c.w / 2, 0.18 * c.h), 104 * u
    n = int(c.w / step) + 4
    k = (y0 - point[1]) / (c.h - point[1])
    for i in range(-n, n + 1):
        x = point[0] + (i + 0.5) * step
        c.line(
            [(point[0] + (x - point[0]) * k, y0 + 3 * u), (x, c.h)],
            2.6 * u,
            c.pal.at("plank", 1, 0.24),
        )


def checks(c: Canvas) -> None:
    """Draw the large squares of a kitchen's floor."""
    u, y0 = c.u, FLOOR * c.h
    top, rows = 0.12 * c.h, (0.0, 0.2, 0.5, 1.0)
    step = 118 * u
    n = int(c.w / step) + 4
    dark = c.pal.at("tile", 1)
    for j in range(3):
        ya, yb = (y0 + rows[k] * (c.h - y0) for k in (j, j + 1))
        ka, kb = ((y - top) / (c.h - top) for y in (ya, yb))
        for i in range(-n, n):
            if (i + j) % 2:
                x0, x1 = i * step, (i + 1) * step
                m = c.w / 2
                c.poly([(m + x0 * ka, ya), (m + x1 * ka, ya), (m + x1 * kb, yb), (m + x0 * kb, yb)], dark)
