"""A cover's colour comes from its picture, and its text is readable on it."""

from __future__ import annotations

import colorsys
from pathlib import Path

import pytest
from PIL import Image

from serve.books.book_colors import INK, PAPER, Color, cover_color, luminance

LEAST_CONTRAST = 7.0
"""WCAG 2, level AAA."""


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("color", [(200, 30, 40), (20, 60, 200), (240, 235, 90), (0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_title_can_be_read_on_a_cover_of_any_picture(tmp_path: Path, color: Color, kind: str) -> None:
    file = tmp_path / "picture"
    Image.new("RGB", (300, 200), color).save(file, kind)
    found = cover_color(file)
    assert contrast(PAPER, found) >= LEAST_CONTRAST
    if len(set(color)) > 1:
        wanted, hue = (colorsys.rgb_to_hsv(*each)[0] for each in (color, found))
        assert hue == pytest.approx(wanted, abs=0.04)


def test_a_page_can_be_read() -> None:
    assert contrast(PAPER, INK) >= LEAST_CONTRAST
