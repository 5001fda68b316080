"""Process files without a model: enhancing, quality check, placeholder, attribution mark."""

from __future__ import annotations

import logging
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageStat

from ..choices import LayerKind
from .files import open_picture, save
from .fonts import Font, load_font
from .placeholders import placeholder

log = logging.getLogger(__name__)
TEXT = "Generated with Stable Diffusion"
DARKEST_MEAN, BRIGHTEST_MEAN, LEAST_STD = 10, 245, 5
SMALLEST_FONT_PX, MARGIN_PX, PADDING_PX = 12, 10, 5
WHITE, BLACK = (255, 255, 255, 200), (0, 0, 0, 128)


class ImageEnhancer:
    """Enhance pictures: sharpness 1.2, contrast 1.1, colour 1.1, then an unsharp mask."""

    @staticmethod
    def enhance_image(image_path: str | Path, output_path: str | Path | None = None) -> str:
        """Enhance a picture into `output_path`, or in place. Raises OSError if it is not a picture."""
        picture = ImageEnhance.Sharpness(open_picture(image_path)).enhance(1.2)
        picture = ImageEnhance.Contrast(picture).enhance(1.1)
        picture = ImageEnhance.Color(picture).enhance(1.1)
        sharp = picture.filter(ImageFilter.UnsharpMask(radius=1, percent=150, threshold=3))
        return save(sharp, output_path or image_path)


def validate_image_quality(image_path: str | Path) -> bool:
    """Return whether the file is a picture that is neither too dark, too bright nor flat."""
    try:
        found = _flaw(open_picture(image_path))
    except OSError as error:
        found = f"not a picture ({error})"
    if found:
        log.warning("%s: %s", image_path, found)
    return found is None


def create_placeholder_image(
    prompt: str,
    output_path: str | Path,
    width: int = 512,
    height: int = 384,
    kind: LayerKind = "background",
) -> str:
    """Draw a picture that is labelled as a placeholder."""
    return save(placeholder(kind, width, height, prompt), output_path)


def add_attribution(image_path: str | Path, text: str = TEXT, output_path: str | Path | None = None) -> str:
    """Mark a picture at the bottom right, into `output_path` or in place."""
    return save(_marked(open_picture(image_path), text), output_path or image_path)


def _flaw(picture: Image.Image) -> str | None:
    """Return why the picture is unusable, or None, by the mean and standard deviation of all its values."""
    stat = ImageStat.Stat(picture)
    count, total, squares = (int(sum(each)) for each in (stat.count, stat.sum, stat.sum2))
    if total < DARKEST_MEAN * count:
        return "too dark"
    if total > BRIGHTEST_MEAN * count:
        return "too bright"
    return "flat" if count * squares - total * total < (LEAST_STD * count) ** 2 else None


def _marked(picture: Image.Image, text: str) -> Image.Image:
    """Return a copy marked in white on a black box, both translucent, 10 px from the right and bottom.

    Text that is too long for the picture's width is broken between words.
    """
    if not text.strip():
        return picture.copy()
    size_px = max(SMALLEST_FONT_PX, min(picture.size) // 40)
    font, text = load_font(size_px, text)
    text = _wrapped(text, font, picture.width - 2 * MARGIN_PX)
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = (int(side) for side in ruler.multiline_textbbox((0, 0), text, font=font))
    x_px = max(0, picture.width - MARGIN_PX - (right - left))
    y_px = max(0, picture.height - MARGIN_PX - (bottom - top))
    box, letters = (Image.new("RGBA", picture.size, (0, 0, 0, 0)) for _ in range(2))
    ends = (x_px + right - left + PADDING_PX, y_px + bottom - top + PADDING_PX)
    box.paste(BLACK, (x_px - PADDING_PX, y_px - PADDING_PX, *ends))
    ImageDraw.Draw(letters).multiline_text((x_px - left, y_px - top), text, fill=WHITE, font=font)
    marked = Image.alpha_composite(Image.alpha_composite(picture.convert("RGBA"), box), letters)
    return marked.convert(picture.mode)


def _wrapped(text: str, font: Font, room_px: int) -> str:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= room_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)
