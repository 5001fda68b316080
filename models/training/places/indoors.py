"""Room and kitchen."""

from __future__ import annotations

from models.training.places.canvas import Canvas
from models.training.places.furniture import (
    bookcase,
    ceiling_lamp,
    fireplace,
    floor_lamp,
    plant,
    sofa,
    wall_picture,
)
from models.training.places.interior import (
    FLOOR,
    SIDE,
    checks,
    opening,
    planks,
    shell,
    side_walls,
    skirting,
    sunlight,
    window_frame,
)
from models.training.places.kitchenware import fridge, hanging_pans, shelf, stove, worktop
from models.training.places.place_colors import mix, rgb

_ROOM_WALLS = ("f2d3a0", "a9d8c8", "efb9a4")
_SOFAS = ("d9503f", "3a6fb5", "2f9a76")
_KITCHEN_WALLS = ("fbe9b4", "f7dccb", "e4f0d4")
_CUPBOARDS = ("4fb0a5", "5a86c8", "d96a54")


def room(c: Canvas) -> None:
    """Draw a living room: sofa under the window, lamp, bookcase or fireplace, rug."""
    u, o, seed = c.u, opening(c), c.place.seed
    foot = FLOOR * c.h
    c.pal = c.pal.indoors()
    wall = c.pal.lit(rgb(_ROOM_WALLS[seed % 3]))
    cloth = c.pal.lit(rgb(_SOFAS[(seed + seed // 3) % 3]))
    curtain = c.pal.lit(rgb(_SOFAS[(seed + seed // 3 + 1) % 3]))
    shell(c, wall, "plank")
    planks(c)
    side_walls(c, wall)
    skirting(c)
    window_frame(c, curtain)
    rug = mix(cloth, c.pal.at("wall", 1), 0.45)
    rx = c.w * 0.5 + (o.middle - c.w * 0.5) * 0.4
    c.oval(rx, 0.865 * c.h, 196 * u, 36 * u, mix(rug, c.pal.at("trunk", 1), 0.3))
    c.oval(rx, 0.86 * c.h, 192 * u, 34 * u, rug)
    c.oval(rx, 0.86 * c.h, 156 * u, 25 * u, mix(rug, c.pal.at("snow", 1), 0.3))
    sunlight(c)
    way = 1 if o.middle < c.w / 2 - 4 * u else -1 if o.middle > c.w / 2 + 4 * u else int(c.side)
    far = c.w / 2 + way * (c.w / 2 - 100 * u)
    if seed % 2:
        fireplace(c, far, foot + 8 * u, 128 * u)
    else:
        bookcase(c, far, foot + 8 * u, 104 * u, 196 * u)
    sofa(c, o.middle, foot + 26 * u, 178 * u, cloth)
    side = SIDE * u
    near = o.middle - way * 128 * u
    if side + 20 * u < near < c.w - side - 20 * u:
        floor_lamp(c, near, foot + 22 * u, 176 * u)
    else:
        floor_lamp(c, o.middle + way * 122 * u, foot + 22 * u, 176 * u)
    for x in (c.w / 2 - way * (c.w / 2 - 84 * u), c.w / 2 + way * 60 * u):
        if abs(x - o.middle) > 190 * u and abs(x - far) > 110 * u:
            plant(c, x, foot + 20 * u, 92 * u)
            wall_picture(c, x, 0.2 * c.h, 74 * u, cloth)


def kitchen(c: Canvas) -> None:
    """Draw a kitchen: worktop under the window, stove with its hood, fridge, pans on the wall."""
    u, o, seed = c.u, opening(c), c.place.seed
    foot = FLOOR * c.h
    c.pal = c.pal.indoors()
    wall = c.pal.lit(rgb(_KITCHEN_WALLS[seed % 3]))
    front = c.pal.lit(rgb(_CUPBOARDS[(seed + seed // 3) % 3]))
    shell(c, wall, "wall")
    checks(c)
    side_walls(c, wall)
    window_frame(c, None)
    sunlight(c)
    way = 1 if o.middle < c.w / 2 - 4 * u else -1 if o.middle > c.w / 2 + 4 * u else int(c.side)
    base, side = foot + 12 * u, SIDE * u
    worktop(c, side, c.w - side, base, 92 * u, front)
    stove_x = o.middle + way * 142 * u
    stove(c, stove_x, base, 92 * u, seed % 2 == 0)
    fridge_x = c.w / 2 + way * (c.w / 2 - side - 46 * u)
    if abs(fridge_x - stove_x) < 96 * u:
        fridge_x = c.w - fridge_x
    taken = [o.middle, stove_x]
    if seed % 3 != 1:
        fridge(c, fridge_x, base + 6 * u, 86 * u, 214 * u, mix(front, c.pal.at("snow", 1), 0.62))
        taken.append(fridge_x)
    things = [hanging_pans, shelf] if seed % 2 else [shelf, hanging_pans]
    for k in (0.17, 0.83, 0.3, 0.7, 0.42, 0.58):
        if min(abs(k * c.w - t) for t in taken) > 134 * u:
            things[len(taken) % 2](c, k * c.w, 0.17 * c.h, 100 * u)
            taken.append(k * c.w)
    if c.place.time in ("night", "sunset"):
        ceiling_lamp(c, o.middle - way * 104 * u, 22 * u)
