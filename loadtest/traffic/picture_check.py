"""Check that a response is the requested picture. A 200 with a bad picture is a failure."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageStat

MAX_PIXELS = 8_192 * 8_192
LEAST_DEVIATION = 5.0
"""Standard deviation of the most varied channel, of 255. Below it a picture is flat: any single colour."""


@dataclass(frozen=True)
class Wanted:
    """The picture that was requested. None allows any."""

    size_px: tuple[int, int] | None = None
    format: str | None = None


def flaw(data: bytes, wanted: Wanted) -> str | None:
    """Name the flaw of an encoded picture in a word or two, or return None. Decodes every pixel."""
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(data), formats=["JPEG", "PNG", "WEBP"]) as picture:
            warnings.simplefilter("error")
            if picture.width * picture.height > MAX_PIXELS:
                return "too large"
            form, size_px = (picture.format or "").lower(), picture.size
            deviations = ImageStat.Stat(picture.convert("RGBA")).stddev
    except Exception:  # A decoder may raise anything for a broken picture.
        return "undecodable"
    if wanted.format not in (None, form):
        return f"{form} for {wanted.format}"
    if wanted.size_px not in (None, size_px):
        return f"{size_px[0]}x{size_px[1]}"
    return "flat" if max(deviations) < LEAST_DEVIATION else None
