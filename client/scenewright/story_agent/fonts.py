"""Find a font for a text: the system's DejaVu, which has most letters, else Pillow's own."""

from __future__ import annotations

import unicodedata

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
FILE = "DejaVuSans.ttf"


def load_font(size_px: int, text: str) -> tuple[Font, str]:
    """Return a font and the text to draw with it; Pillow's own has only ASCII letters."""
    text = text.encode("utf-8", "replace").decode()
    try:
        return ImageFont.truetype(FILE, size_px), text
    except OSError:
        return ImageFont.load_default(size_px), _to_ascii(text)


def _to_ascii(text: str) -> str:
    bare = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return bare.encode("ascii", "replace").decode()
