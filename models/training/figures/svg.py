"""Small helpers that write SVG shapes in one drawing style."""

import zlib
from functools import lru_cache
from typing import NamedTuple

from models.training.figures.figure_spec import COLORS, RGB

LINE = 6.0


class Paint(NamedTuple):
    """The four tones of one material, as CSS colours."""

    main: str
    shade: str
    light: str
    line: str


def css(rgb: RGB) -> str:
    """Return the CSS form of a colour."""
    return f"rgb({rgb[0]},{rgb[1]},{rgb[2]})"


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Mix `share` of `b` into `a`."""
    r, g, bl = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return (r, g, bl)


@lru_cache(maxsize=256)
def paint(rgb: RGB) -> Paint:
    """Return the tones that go with a main colour."""
    if min(rgb) > 235:
        return Paint(css(rgb), "rgb(226,231,244)", "rgb(255,255,255)", "rgb(82,86,110)")
    if max(rgb) < 62:
        return Paint(
            css(rgb),
            css(mix(rgb, (0, 0, 0), 0.36)),
            css(mix(rgb, (255, 255, 255), 0.2)),
            css(mix(rgb, (0, 0, 0), 0.66)),
        )
    metal = rgb in (COLORS["silver"], COLORS["golden"])
    shade = mix(rgb, (0, 0, 0), 0.2)
    light = mix(rgb, (255, 255, 245), 0.66 if metal else 0.3)
    return Paint(css(rgb), css(shade), css(light), css(mix(rgb, (20, 8, 16), 0.66)))


GOLD: RGB = (236, 188, 72)
CREAM: RGB = (250, 243, 226)
NAVY: RGB = (62, 76, 130)
WINE: RGB = (136, 48, 62)
LEATHER: RGB = (112, 66, 42)
TRIMS: dict[str, RGB] = {
    "red": GOLD,
    "blue": GOLD,
    "green": CREAM,
    "yellow": LEATHER,
    "purple": GOLD,
    "white": NAVY,
    "black": CREAM,
    "brown": CREAM,
    "orange": LEATHER,
    "pink": WINE,
    "silver": NAVY,
    "golden": WINE,
}


def trim_paint(color: str) -> Paint:
    """Return a trim that stands out from a garment of this colour."""
    return paint(TRIMS[color])


def path(d: str, fill: str, line: str = "none", width: float = LINE) -> str:
    """Return a filled and outlined path."""
    return (
        f'<path d="{d}" fill="{fill}" stroke="{line}" stroke-width="{width}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def stroke(d: str, line: str, width: float = LINE) -> str:
    """Return an open line."""
    return path(d, "none", line, width)


def oval(x: float, y: float, rx: float, ry: float) -> str:
    """Return the path data of an ellipse."""
    return f"M{x - rx} {y}a{rx} {ry} 0 1 1 {2 * rx} 0a{rx} {ry} 0 1 1 {-2 * rx} 0Z"


def box(x: float, y: float, w: float, h: float, r: float) -> str:
    """Return the path data of a rounded box."""
    return (
        f"M{x + r} {y}h{w - 2 * r}q{r} 0 {r} {r}v{h - 2 * r}q0 {r} {-r} {r}"
        f"h{2 * r - w}q{-r} 0 {-r} {-r}v{2 * r - h}q0 {-r} {r} {-r}Z"
    )


def dot(x: float, y: float, r: float, fill: str, line: str = "none", width: float = LINE) -> str:
    """Return a disc."""
    return path(oval(x, y, r, r), fill, line, width)


def solid(d: str, tones: Paint, shade: str = "", light: str = "", extra: str = "") -> str:
    """Return a shape with a shade and a highlight clipped to its outline."""
    name = f"c{zlib.crc32(d.encode())}"
    inner = (path(shade, tones.shade) if shade else "") + (path(light, tones.light) if light else "")
    return (
        f'<clipPath id="{name}"><path d="{d}"/></clipPath>{path(d, tones.main)}'
        f'<g clip-path="url(#{name})">{inner}{extra}</g>{stroke(d, tones.line)}'
    )


def limb(d: str, tones: Paint, width: float) -> str:
    """Return a rounded limb along a curve, outlined."""
    return stroke(d, tones.line, width + 2 * LINE) + stroke(d, tones.main, width)
