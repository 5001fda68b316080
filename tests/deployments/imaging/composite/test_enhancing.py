"""Compare the finish with the same four steps in plain Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from deployments.imaging.composite.enhancing import enhance


def picture(mode: str) -> Image.Image:
    values = np.random.default_rng(1).normal(128, 50, (60, 80, 4)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_four_steps_in_their_order(mode: str) -> None:
    expected = ImageEnhance.Sharpness(picture(mode)).enhance(1.2)
    expected = ImageEnhance.Contrast(expected).enhance(1.1)
    expected = ImageEnhance.Color(expected).enhance(1.1)
    expected = expected.filter(ImageFilter.UnsharpMask(radius=1, percent=150, threshold=3))
    enhanced = enhance(picture(mode))
    assert enhanced.mode == mode
    np.testing.assert_array_equal(np.asarray(enhanced), np.asarray(expected))


def test_the_input_is_left_as_it_was() -> None:
    image = picture("RGB")
    enhance(image)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(picture("RGB")))
