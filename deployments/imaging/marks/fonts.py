"""A font that can really draw the text at hand, on a machine that may have none."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_FOLDERS: tuple[Path, ...] = tuple(
    Path(os.path.expanduser(folder))  # noqa: PTH111  Path.expanduser raises where there is no home.
    for folder in (
        "/usr/share/fonts",
        "/usr/local/share/fonts",
        "~/.local/share/fonts",
        "~/.fonts",
        "/System/Library/Fonts",
        "/Library/Fonts",
        "C:/Windows/Fonts",
    )
)
FONT_FILES = ("DejaVuSans.[to]tf", "NotoSans-Regular.[to]tf", "NotoSans*-Regular.[to]t[fc]")

# At text sizes a real glyph can rasterise to the same few pixels as the missing-glyph box.
_PROBE_SIZE_PX = 40
_NO_SUCH_CHARACTER = "\U0010ffff"
_SPELLED = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "©": "(c)", "®": "(r)"}
    | {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "·": "-", "•": "*"}
)


def load_font(size_px: int, text: str, font_path: str | Path | None = None) -> tuple[Font, str]:
    """Return a font at `size_px`, and the text to draw with it.

    The first of these with a glyph for every character of the text: the file at `font_path`, the system's
    DejaVu or Noto. Otherwise Pillow's own font, which has ASCII alone, and the text spelled in ASCII.
    """
    configured = () if font_path is None else (Path(font_path),)
    for path in (*configured, *system_fonts(FONT_FOLDERS)):
        if _draws(path, frozenset(text)):
            return ImageFont.truetype(path, size_px), text
    return ImageFont.load_default(size_px), to_ascii(text)


def to_ascii(text: str) -> str:
    """Return the text without accents, ligatures spelled out; a letter with no ASCII spelling becomes `?`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPELLED)).translate(_SPELLED)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return bare.encode("ascii", "replace").decode("ascii")


@lru_cache(maxsize=4)
def system_fonts(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Find the DejaVu and Noto files under `folders`, best first, once for the life of the process."""
    return tuple(dict.fromkeys(_search(folders)))


def _search(folders: tuple[Path, ...]) -> Iterator[Path]:
    for pattern in FONT_FILES:
        for folder in folders:
            yield from sorted(folder.rglob(pattern))


@lru_cache(maxsize=256)
def _draws(path: Path, characters: frozenset[str]) -> bool:
    """Return whether the file is a font with a glyph for each character.

    FreeType draws the font's missing-glyph box without complaint, and Pillow does not report it, so the
    picture of each character is compared with that of a code point which no font has.
    """
    try:
        font = ImageFont.truetype(path, _PROBE_SIZE_PX)
    except OSError:
        return False
    missing = _picture(font, _NO_SUCH_CHARACTER)
    return all(_picture(font, character) != missing for character in characters if not character.isspace())


def _picture(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
