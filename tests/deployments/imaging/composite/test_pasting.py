"""Compare the exact merge with the same steps in plain Pillow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from deployments.imaging.composite.pasting import paste
from deployments.messages import MergeOptions, Pixels, Position


def noise(seed: int, height_px: int, width_px: int, channels: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height_px, width_px, channels), dtype=np.uint8)


def reference(
    character: Pixels, background: Pixels, size: tuple[int, int], x_px: int, contrast: float
) -> Image.Image:
    frame = Image.fromarray(background).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    figure = Image.fromarray(character).convert("RGBA")
    figure = figure.resize((size[0] // 2, size[1]), Image.Resampling.LANCZOS)
    frame.paste(figure, (x_px, 0), figure)
    return ImageEnhance.Contrast(frame).enhance(contrast)


def assert_identical(image: Image.Image, expected: Image.Image) -> None:
    assert image.mode == expected.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("position", "x_px"), [("left", 0), ("center", 256), ("right", 512)])
def test_default_frame_is_what_pillow_makes(position: Position, x_px: int, channels: int) -> None:
    character, background = noise(1, 512, 384, channels), noise(2, 384, 512, 3)
    image, box = paste(character, background, MergeOptions(position=position))
    assert_identical(image, reference(character, background, (1024, 512), x_px, 1.1))
    assert box == (x_px, 0, 512, 512)


def test_the_character_is_on_the_right_by_default() -> None:
    assert paste(noise(1, 64, 64, 3), noise(2, 64, 64, 3), MergeOptions())[1] == (512, 0, 512, 512)


@pytest.mark.parametrize(("position", "x_px"), [("left", 0), ("center", 50), ("right", 100)])
def test_another_frame_and_contrast(position: Position, x_px: int) -> None:
    character, background = noise(3, 40, 30, 4), noise(4, 30, 40, 4)
    options = MergeOptions(mode="paste", position=position, width_px=200, height_px=120, contrast=0.7)
    image, box = paste(character, background, options)
    assert_identical(image, reference(character, background, (200, 120), x_px, 0.7))
    assert box == (x_px, 0, 100, 120)


@pytest.mark.parametrize("size", [(200, 120), (101, 67), (64, 100)])
@pytest.mark.parametrize(("word", "x"), [("left", 0.25), ("center", 0.5), ("right", 0.75)])
def test_a_share_of_the_width_is_the_middle_of_what_is_pasted(
    word: Position, x: float, size: tuple[int, int]
) -> None:
    character, background = noise(3, 40, 30, 4), noise(4, 30, 40, 4)
    options = MergeOptions("paste", word, *size)
    by_word, by_share = (
        paste(character, background, each) for each in (options, replace(options, position=x))
    )
    assert by_word[1] == by_share[1]
    assert_identical(by_share[0], by_word[0])


@pytest.mark.parametrize(("x", "x_px"), [(0.0, 0), (0.1, 0), (0.3, 10), (0.6, 70), (1.0, 100)])
def test_what_is_pasted_never_leaves_the_frame(x: float, x_px: int) -> None:
    options = MergeOptions("paste", x, 200, 120)
    assert paste(noise(3, 40, 30, 4), noise(4, 30, 40, 4), options)[1] == (x_px, 0, 100, 120)


def test_a_contrast_of_one_changes_nothing_and_of_zero_leaves_grey() -> None:
    background = np.full((64, 64, 3), (10, 120, 240), np.uint8)
    transparent = np.zeros((64, 64, 4), np.uint8)
    same, _ = paste(transparent, background, MergeOptions(contrast=1.0))
    grey, _ = paste(transparent, background, MergeOptions(contrast=0.0))
    assert same.getcolors() == [(1024 * 512, (10, 120, 240))]
    assert grey.getcolors() == [(1024 * 512, (101, 101, 101))]


def test_scale_harmonize_and_shadow_do_not_apply() -> None:
    character, background = noise(5, 64, 48, 4), noise(6, 48, 64, 3)
    plain, _ = paste(character, background, MergeOptions())
    other, _ = paste(character, background, MergeOptions(scale=0.5, harmonize=1.0, shadow=False))
    assert_identical(other, plain)


def test_the_inputs_are_left_as_they_were() -> None:
    character, background = noise(7, 512, 512, 4), noise(8, 512, 1024, 3)
    before = character.copy(), background.copy()
    paste(character, background, MergeOptions())
    np.testing.assert_array_equal(character, before[0])
    np.testing.assert_array_equal(background, before[1])
