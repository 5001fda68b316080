"""Compare the mark with the same box and letters drawn in plain Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from deployments.imaging.marks.attribution import mark
from deployments.imaging.marks.mark_font import load_font

TEXT = "Generated with Stable Diffusion"


def noise(width_px: int, height_px: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (height_px, width_px, 4), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def changed_box(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((np.asarray(before) != np.asarray(after)).any(axis=-1))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def reference(
    image: Image.Image, text: str, font: FreeTypeFont
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    left, top, right, bottom = (int(side) for side in ImageDraw.Draw(image).textbbox((0, 0), text, font=font))
    x_px, y_px = image.width - 10 - (right - left), image.height - 10 - (bottom - top)
    box = (x_px - 5, y_px - 5, image.width - 5, image.height - 5)

    black, white = Image.new("RGBA", image.size), Image.new("RGBA", image.size)
    ImageDraw.Draw(black).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(0, 0, 0, 128))
    ImageDraw.Draw(white).text((x_px - left, y_px - top), text, fill=(255, 255, 255, 200), font=font)
    drawn = Image.alpha_composite(Image.alpha_composite(image.convert("RGBA"), black), white)
    return drawn.convert(image.mode), box


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("size", "size_px"), [((512, 384), 12), ((1024, 512), 12), ((1000, 720), 18)])
def test_exact_pixels(size: tuple[int, int], size_px: int, mode: str) -> None:
    image = noise(*size, mode)
    expected, box = reference(image, TEXT, load_font(size_px, TEXT)[0])
    marked = mark(image)
    assert marked.mode == mode
    np.testing.assert_array_equal(np.asarray(marked), np.asarray(expected))
    assert changed_box(image, marked) == box


def test_the_box_and_the_letters_have_their_alphas() -> None:
    image = Image.new("RGB", (1200, 1200), (200, 100, 0))
    seen = {colour: count for count, colour in mark(image, "I" * 20).getcolors() or []}
    box = tuple(round(value * (255 - 128) / 255) for value in (200, 100, 0))
    letter = tuple(round(255 * 200 / 255 + value * 55 / 255) for value in box)
    assert seen[box] > 100
    assert seen[letter] > 20


def test_the_letters_keep_their_margin() -> None:
    image = Image.new("RGB", (600, 300), "black")
    _, _, right, bottom = changed_box(image, mark(image))
    assert 588 <= right <= 590
    assert bottom == 290


def test_a_long_text_is_broken_to_fit() -> None:
    model = (
        "Generated using Stable Diffusion model by Stability AI / Licensed under CreativeML Open RAIL License"
    )
    black = Image.new("RGB", (384, 256), "black")
    left, top, right, bottom = changed_box(black, mark(black, model))
    assert left >= 10
    assert 372 <= right <= 374
    assert bottom == 246
    assert bottom - top > 24


def test_a_tiny_picture_shows_the_beginning() -> None:
    image = noise(64, 64)
    short, long = mark(image, "ABCDEFGHIJ"), mark(image, "ABCDEFGHIJKLMNOP")
    np.testing.assert_array_equal(np.asarray(short), np.asarray(long))
    assert (np.asarray(short) != np.asarray(mark(image, "XBCDEFGHIJ"))).any()


def test_what_the_font_has_no_glyph_for_is_spelled() -> None:
    image = noise(400, 300)
    np.testing.assert_array_equal(np.asarray(mark(image, "漢")), np.asarray(mark(image, "?")))
    assert (np.asarray(mark(image, "Zoë")) != np.asarray(mark(image, "Zoe"))).any()


def test_no_text_is_no_mark_and_the_input_stays() -> None:
    image = noise(200, 200)
    np.testing.assert_array_equal(np.asarray(mark(image, " ")), np.asarray(image))
    mark(image)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(noise(200, 200)))
