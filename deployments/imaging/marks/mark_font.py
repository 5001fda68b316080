"""A font that can draw the text at hand: DejaVu Sans, which is bundled so that all nodes draw alike.

DejaVu Sans 2.37, with its licence beside it (LICENSE_DEJAVU), has Latin, Greek, Cyrillic and more, but no
Chinese.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_FILE = Path(__file__).with_name("DejaVuSans.ttf")
# At text sizes a real glyph can rasterise to the same few pixels as the missing-glyph box.
_PROBE_SIZE_PX = 40
_NO_SUCH_CHARACTER = "\U0010ffff"
_SPELLED = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "©": "(c)", "®": "(r)"}
    | {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "·": "-", "•": "*"}
)


def load_font(size_px: int, text: str) -> tuple[ImageFont.FreeTypeFont, str]:
    """Return the font at `size_px`, and the text to draw with it, ASCII where the font has no glyph."""
    drawn = "".join(each if each.isspace() or _has_glyph(each) else to_ascii(each) for each in text)
    return _font(size_px), drawn


def to_ascii(text: str) -> str:
    """Return the text without accents, ligatures spelled out; a letter with no ASCII spelling becomes `?`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPELLED)).translate(_SPELLED)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return bare.encode("ascii", "replace").decode("ascii")


@lru_cache(maxsize=16)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    # Pillow's other layout needs a library that not every node has.
    return ImageFont.truetype(FONT_FILE, size_px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1024)
def _has_glyph(character: str) -> bool:
    """Return whether the font has a glyph for the character.

    FreeType draws the font's missing-glyph box without complaint, and Pillow does not report it, so the
    character's picture is compared with that of a code point which no font has.
    """
    return _picture(character) != _picture(_NO_SUCH_CHARACTER)


def _picture(character: str) -> tuple[tuple[int, int], bytes]:
    mask = _font(_PROBE_SIZE_PX).getmask(character)
    return mask.size, bytes(mask)
