"""Draw a fallback picture for a layer that could not be painted: pleasant, and plainly not the real thing."""

from __future__ import annotations

import zlib
from colorsys import hls_to_rgb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from deployments.imaging.marks.mark_font import load_font
from deployments.messages import LayerKind, Pixels

LABEL = "placeholder"
LONGEST_TEXT = 160
BACKDROP = (226, 228, 232)
RANGES = ((0.5, 0.07, 1.3, 0.52), (0.6, 0.05, 2.1, 0.4), (0.68, 0.03, 0.9, 0.28))
"""Hill ranges, far to near: the ridge's height, swing and waves across the picture, and its lightness."""

Plane = NDArray[np.floating[Any]]


def placeholder(kind: LayerKind, width_px: int, height_px: int, words: str) -> Pixels:
    """Draw (height_px, width_px, 3) RGB, labelled: a cloaked figure on a plain backdrop, or hills and sky.

    `words` choose the hue, and are written under the label as far as they fit. The same arguments give the
    same pixels.
    """
    hue = zlib.crc32(words.encode("utf-8", "replace")) / 2**32
    canvas = _figure(width_px, height_px, hue) if kind == "character" else _hills(width_px, height_px, hue)
    image = Image.fromarray(np.rint(canvas).astype(np.uint8))
    room_px = int(0.5 * _span_px(width_px, height_px) if kind == "character" else 0.9 * width_px)
    _write(image, LABEL, 0.76, room_px, max(7, height_px // 18), shrink=True)
    if height_px >= 128:
        _write(image, words, 0.85, room_px, max(9, height_px // 30), shrink=False)
    return np.array(image)


def _figure(width_px: int, height_px: int, hue: float) -> Plane:
    x, y = _grid(width_px, height_px)
    span_px = _span_px(width_px, height_px)
    aside_px, down = np.abs(x - width_px / 2), y / height_px
    canvas = np.full((height_px, width_px, 3), BACKDROP, np.float32)

    half_px = span_px * (0.05 + 0.3 * np.sqrt(np.clip((down - 0.3) / 0.7, 0, 1)))
    cloak = _edge(half_px - aside_px) * _edge((down - 0.3) * height_px)
    canvas = _mix(canvas, _shade(hue, 0.42 - 0.16 * down), cloak)
    head = _edge(0.13 * span_px - np.hypot(aside_px, y - 0.24 * height_px))
    return _mix(canvas, _shade(hue, np.full_like(down, 0.45)), head)


def _hills(width_px: int, height_px: int, hue: float) -> Plane:
    x, y = _grid(width_px, height_px)
    across, down = x / width_px, y / height_px
    canvas = _shade(hue, 0.6 + 0.3 * down)

    sun = _edge(0.09 * height_px - np.hypot(x - 0.72 * width_px, y - 0.28 * height_px))
    canvas = _mix(canvas, np.full_like(canvas, 246), sun)
    for ridge, swing, waves, lightness in RANGES:
        crest = ridge + swing * np.sin(2 * np.pi * (waves * across + ridge))
        canvas = _mix(canvas, _shade(hue + 0.08, lightness - 0.05 * down), _edge((down - crest) * height_px))
    return canvas


def _span_px(width_px: int, height_px: int) -> float:
    """Return the width to draw the figure in, so that it keeps its shape in a wide frame."""
    return min(width_px, 0.75 * height_px)


def _grid(width_px: int, height_px: int) -> tuple[Plane, Plane]:
    """Return x and y of the centre of every pixel, each (height_px, width_px)."""
    x, y = np.meshgrid(np.arange(width_px) + 0.5, np.arange(height_px) + 0.5)
    return x.astype(np.float32), y.astype(np.float32)


def _edge(inside_px: Plane) -> Plane:
    """Return how much of each pixel a shape covers, 0..1, from the signed distance to its outline."""
    cover: Plane = np.clip(inside_px + 0.5, 0, 1)
    return cover


def _mix(under: Plane, over: Plane, cover: Plane) -> Plane:
    return under + (over - under) * cover[..., None]


def _shade(hue: float, lightness: Plane) -> Plane:
    """Return (h, w, 3) in 0..255: one muted hue, at the lightness (0..1) of each pixel."""
    dark, light = (np.array(hls_to_rgb(hue % 1, level, 0.35), np.float32) * 255 for level in (0.2, 0.9))
    mixed: Plane = dark + (light - dark) * ((lightness - 0.2) / 0.7)[..., None]
    return mixed


def _write(image: Image.Image, text: str, down: float, room_px: int, size_px: int, shrink: bool) -> None:
    """Centre one line of white text at `down` (0..1) of the height; shrink or cut one that is too long."""
    font, text = load_font(size_px, " ".join(text[:LONGEST_TEXT].split()))
    length_px = font.getlength(text)
    if shrink and length_px > room_px:
        font, text = load_font(max(5, int(size_px * room_px / length_px)), text)
    if not shrink:
        text = _cut(text, font, room_px)
    draw = ImageDraw.Draw(image)
    draw.text(((image.width - font.getlength(text)) / 2, image.height * down), text, fill="white", font=font)


def _cut(text: str, font: FreeTypeFont, room_px: int) -> str:
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(text + "...") > room_px:
        text = text[:-1]
    return text.rstrip() + "..." if text else ""
