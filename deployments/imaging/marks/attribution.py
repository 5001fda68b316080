"""The visible mark that says where a picture came from."""

from __future__ import annotations

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from deployments.imaging.marks.mark_font import load_font

TEXT = "Generated with Stable Diffusion"
SMALLEST_FONT_PX = 12
MARGIN_PX = 10
PADDING_PX = 5
WHITE_ALPHA = 200
BLACK_ALPHA = 128


def mark(image: Image.Image, text: str = TEXT) -> Image.Image:
    """Return a marked copy of the same size and mode: the text ends 10 px from right and bottom, its box 5.

    A text too long for the picture's width is broken between words. A blank text leaves no mark.
    """
    if not text.strip():
        return image.copy()
    font, text = load_font(max(SMALLEST_FONT_PX, min(image.size) // 40), text)
    text = _wrapped(text, font, image.width - 2 * MARGIN_PX)
    bounds = _text_box(text, font)
    text_width_px, text_height_px = bounds[2] - bounds[0], bounds[3] - bounds[1]
    x_px = max(0, image.width - MARGIN_PX - text_width_px)
    y_px = max(0, image.height - MARGIN_PX - text_height_px)

    box = Image.new("RGBA", image.size, (0, 0, 0, 0))
    right_px, bottom_px = x_px + text_width_px + PADDING_PX, y_px + text_height_px + PADDING_PX
    box.paste((0, 0, 0, BLACK_ALPHA), (x_px - PADDING_PX, y_px - PADDING_PX, right_px, bottom_px))
    letters = Image.new("RGBA", image.size, (0, 0, 0, 0))
    white = (255, 255, 255, WHITE_ALPHA)
    ImageDraw.Draw(letters).multiline_text((x_px - bounds[0], y_px - bounds[1]), text, fill=white, font=font)

    marked = Image.alpha_composite(Image.alpha_composite(image.convert("RGBA"), box), letters)
    return marked.convert(image.mode)


def _text_box(text: str, font: FreeTypeFont) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of a text set at (0, 0), in whole pixels, as Pillow measures it."""
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = ruler.multiline_textbbox((0, 0), text, font=font)
    return int(left), int(top), int(right), int(bottom)


def _wrapped(text: str, font: FreeTypeFont, room_px: int) -> str:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
