"""Natural things: ranges, trees, bushes, flowers, paths."""

from __future__ import annotations

from models.training.places.canvas import Canvas, Curve, Point
from models.training.places.place_colors import Colour, mix, rgb


def hills(c: Canvas, y: float, amp: float, depth: float, name: str = "grass", length: float = 300) -> Curve:
    """Draw a rolling plane with its foot lost in haze; ``y`` and ``amp`` in pixels."""
    line = c.curve(y, amp, length)
    near = c.pal.at(name, depth)
    c.ground(line, c.fade(near, mix(near, c.pal.haze, 0.35 * (1 - depth))), 104 * c.u)
    return line


def foreground(c: Canvas, name: str = "grass", top: float = 0.765) -> Curve:
    """Draw the calm near ground."""
    line = c.curve(top * c.h, 8 * c.u, 520)
    c.ground(line, c.fade(c.pal.at(name, 1.0, -0.08), c.pal.at(name, 1.0, 0.22)))
    return line


def road(c: Canvas, target: float, top: float, name: str = "path") -> None:
    """Draw a path that winds from the bottom edge up to ``target`` at height ``top``."""
    u = c.u
    x0 = c.w * 0.5 + (target - c.w * 0.5) * 0.3 + c.rng.uniform(-40, 40) * u
    bend = c.rng.choice((-1, 1)) * 70 * u
    mid = (top + c.h) / 2
    d = (
        f"M{x0 - 74 * u:.1f} {c.h:.1f}C{x0 - 50 * u + bend:.1f} {mid:.1f} "
        f"{target - bend:.1f} {mid:.1f} {target - 6 * u:.1f} {top:.1f}L{target + 6 * u:.1f} {top:.1f}"
        f"C{target + 34 * u - bend:.1f} {mid:.1f} {x0 + 50 * u + bend:.1f} {mid:.1f} "
        f"{x0 + 74 * u:.1f} {c.h:.1f}Z"
    )
    c.path(d, c.fade(c.pal.at(name, 0.85), c.pal.at(name, 1.0, 0.08)))


def mountain_range(c: Canvas, base: float, tall: float, depth: float, caps: bool = True) -> None:
    """Draw jagged peaks, each with a lit and a shaded face and a snow cap."""
    n = max(2, round(c.w / (tall * 1.15)))
    order = list(range(n + 1))
    c.rng.shuffle(order)
    for i in order:
        x = (i + c.rng.uniform(-0.28, 0.28)) * c.w / n
        high = tall * c.rng.uniform(0.68, 1.08)
        _peak(c, x, base, high, high * c.rng.uniform(0.72, 0.95), depth, caps)


def _peak(c: Canvas, x: float, base: float, high: float, half: float, depth: float, caps: bool) -> None:
    s, top = c.side, base - high
    low = c.pal.haze
    lit, dark = c.pal.at("rock", depth, -0.12), c.pal.at("rock", depth, 0.34)
    body: list[Point] = [(x, top), (x + half * 0.38, top + high * 0.3)]
    body += [(x + half * 0.55, top + high * 0.62), (x + half, base)]
    body += [
        (x - half, base),
        (x - half * 0.6, top + high * 0.55),
        (x - half * 0.3, top + high * 0.36),
    ]
    c.poly(body, c.fade(lit, mix(lit, low, 0.5)))
    face = [
        (x, top),
        (x - s * half * 0.06, top + high * 0.4),
        (x + s * half * 0.12, top + high * 0.62),
    ]
    face += [(x - s * half * 0.1, base), (x - s * half, base)]
    if s > 0:
        face += [(x - half * 0.6, top + high * 0.55), (x - half * 0.3, top + high * 0.36)]
    else:
        face += [(x + half * 0.55, top + high * 0.62), (x + half * 0.38, top + high * 0.3)]
    c.poly(face, c.fade(dark, mix(dark, low, 0.5)) if depth > 0.5 else mix(dark, low, 0.2))
    if not caps:
        return
    k = high * c.rng.uniform(0.3, 0.4)
    e = k / high * half
    left, right = (0.83, 1.26) if k > 0.3 * high else (0.8, 1.2)
    cap = [(x, top - 1), (x + e * right * 0.86, top + k * 0.92), (x + e * 0.5, top + k * 0.74)]
    cap += [(x + e * 0.2, top + k * 1.2), (x - e * 0.15, top + k * 0.8)]
    cap += [(x - e * 0.5, top + k * 1.1), (x - e * left, top + k * 0.96)]
    c.poly(cap, c.pal.at("snow", 0.8 + 0.2 * depth, -0.4))
    c.poly(
        [
            (x, top - 1),
            (x - s * e * 0.1, top + k * 0.8),
            (x - s * e * 0.5, top + k * 1.05),
            (x - s * e * 0.83, top + k * 0.94),
        ],
        c.pal.at("snow", 0.7 + 0.2 * depth, 0.16),
    )


def round_tree(c: Canvas, x: float, y: float, size: float, depth: float, name: str = "leaf") -> None:
    """Draw a lollipop tree, ``size`` pixels tall, standing at (x, y)."""
    r = size * 0.33
    c.rect(x - size * 0.05, y - size * 0.5, size * 0.1, size * 0.52, c.pal.at("trunk", depth, 0.15))
    dark = c.pal.at(name, depth, 0.25)
    c.oval(
        x,
        y - size * 0.62,
        r,
        size * 0.38,
        c.pal.at(name, depth, 0.08) if size < 80 * c.u else c.fade(c.pal.at(name, depth), dark),
    )
    c.oval(x + c.side * r * 0.28, y - size * 0.7, r * 0.58, size * 0.22, c.pal.at(name, depth, -0.12))
    if c.place.weather == "snow" or c.place.kind == "snowy field":
        c.oval(x, y - size * 0.88, r * 0.66, size * 0.12, c.pal.at("snow", depth))


def conifer(c: Canvas, x: float, y: float, size: float, depth: float) -> None:
    """Draw a fir of three stacked skirts."""
    c.rect(x - size * 0.045, y - size * 0.16, size * 0.09, size * 0.17, c.pal.at("trunk", depth, 0.2))
    for k in range(3):
        top = y - size * (0.52 + 0.24 * k)
        low = top + size * (0.42 - 0.04 * k)
        half = size * (0.29 - 0.06 * k)
        d = (
            f"M{x:.1f} {top:.1f}L{x + half:.1f} {low:.1f}"
            f"Q{x:.1f} {low + size * 0.07:.1f} {x - half:.1f} {low:.1f}Z"
        )
        c.path(d, c.pal.at("pine", depth, 0.28 - 0.12 * k))
        if c.snowy:
            f = 0.5
            mid, arm = top + (low - top) * f, half * f
            c.path(
                f"M{x:.1f} {top:.1f}L{x + arm:.1f} {mid:.1f}Q{x + arm * 0.4:.1f} {mid - size * 0.03:.1f} "
                f"{x:.1f} {mid + size * 0.04:.1f}T{x - arm:.1f} {mid:.1f}Z",
                c.pal.at("snow", depth),
            )


def bare_tree(c: Canvas, x: float, y: float, size: float, depth: float) -> None:
    """Draw a leafless winter tree with thick boughs."""
    wood, u = c.pal.at("trunk", depth, 0.25), c.u
    top = y - size
    c.line([(x, y), (x, y - size * 0.55), (x + size * 0.04, top)], max(5 * u, size * 0.07), wood)
    for k, s in ((0.42, -1), (0.54, 1), (0.72, -1)):
        a = (x, y - size * k)
        b = (x + s * size * 0.2, y - size * (k + 0.14))
        c.line([a, b, (x + s * size * 0.27, y - size * (k + 0.32))], max(3.6 * u, size * 0.045), wood)


def bush(c: Canvas, x: float, y: float, size: float, depth: float, name: str = "leaf") -> None:
    """Draw a low clump of leaves (snow-topped in snow)."""
    fill = c.pal.at(name, depth, 0.14)
    for k, r in ((-0.55, 0.42), (0.55, 0.4), (0.0, 0.6)):
        c.oval(x + k * size, y - r * size * 0.5, r * size, r * size * 0.86, fill)
    if c.snowy:
        c.oval(x, y - size * 0.62, size * 0.42, size * 0.2, c.pal.at("snow", depth))


FLOWERS = (rgb("ff6f7d"), rgb("ffd23f"), rgb("ffffff"), rgb("b77bff"), rgb("ff9a3d"))


def flower(c: Canvas, x: float, y: float, r: float, colour: Colour) -> None:
    """Draw a big simple bloom on a stalk."""
    petal, u = c.pal.lit(mix(colour, (255, 255, 255), 0.05)), c.u
    c.line([(x, y), (x, y + r * 2.6)], 4 * u, c.pal.at("leaf", 1.0, 0.15))
    for dx, dy in ((0, -1), (0.95, -0.31), (0.59, 0.81), (-0.59, 0.81), (-0.95, -0.31)):
        c.oval(x + dx * r * 0.62, y + dy * r * 0.62, r * 0.52, r * 0.52, petal)
    c.oval(x, y, r * 0.42, r * 0.42, c.pal.lit(rgb("ffc83a" if colour[2] > 60 else "a85a2a")))
