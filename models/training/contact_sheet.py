"""Draw many small pictures on one sheet, each above what was requested and what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 6
_CELL_PX = 200
_GAP_PX = 8
_TEXT_PX = 44
_LINE_PX = 14
_JPEG_LIMIT_BYTES = 400_000
_PAPER, _INK, _WRONG = (255, 255, 255), (40, 40, 44), (190, 30, 30)


@dataclass(frozen=True)
class Entry:
    """A picture, the words it was painted from, and what the judge saw instead, if anything."""

    picture: Image.Image
    asked: str
    wrong: str


def draw_sheet(entries: list[Entry]) -> Image.Image:
    """Draw the pictures in rows of six, in the order given."""
    first = entries[0].picture
    tall = round(_CELL_PX * first.height / first.width)
    step_x, step_y = _CELL_PX + _GAP_PX, tall + _TEXT_PX + _GAP_PX
    columns = min(COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, rows * step_y + _GAP_PX), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, entry in enumerate(entries):
        x, y = _GAP_PX + index % columns * step_x, _GAP_PX + index // columns * step_y
        sheet.paste(entry.picture.resize((_CELL_PX, tall), Image.Resampling.LANCZOS), (x, y))
        for number, line in enumerate(_wrapped(entry.asked, font)[:2]):
            pen.text((x, y + tall + 1 + _LINE_PX * number), line, fill=_INK, font=font)
        pen.text((x, y + tall + 1 + 2 * _LINE_PX), entry.wrong, fill=_WRONG, font=font)
    return sheet


def save_sheet(sheet: Image.Image, target: Path) -> None:
    """Save as a JPEG of at most 400 kB."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for quality in (90, 85, 80, 70, 60, 45, 30):
        sheet.save(target, quality=quality, optimize=True)
        if target.stat().st_size <= _JPEG_LIMIT_BYTES:
            return


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Wrap the text into lines no wider than a picture."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= _CELL_PX:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
