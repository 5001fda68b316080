"""The distance between sets of pictures: zero to themselves, and larger the more they are spoiled."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.training.evaluation.sliced_wasserstein import distances, laplacian_pyramid, take_patches
from models.training.places.draw_place import draw_place, sample_place


def places(count: int, seed: int) -> list[Image.Image]:
    rng = random.Random(seed)
    return [draw_place(sample_place(rng), 128, 96) for _ in range(count)]


def test_a_pyramid_holds_the_whole_picture() -> None:
    pixels = np.asarray(places(1, 1)[0], dtype=np.float32)
    levels = laplacian_pyramid(pixels)
    assert [level.shape[:2] for level in levels] == [(96, 128), (48, 64), (24, 32)]
    flat = laplacian_pyramid(np.full((96, 128, 3), 7, dtype=np.float32))
    assert all(np.allclose(level, 0, atol=1e-3) for level in flat[:-1])
    assert np.allclose(flat[-1], 7, atol=1e-3)


def test_the_same_patches_are_no_distance_apart() -> None:
    patches = take_patches(places(6, 1))
    assert distances(patches, patches) == dict.fromkeys(("128x96", "64x48", "32x24"), 0)


def test_blurred_pictures_are_far_in_detail_and_near_in_shape() -> None:
    drawn, other = take_patches(places(60, 1), 1), take_patches(places(60, 2), 2)
    soft = take_patches([picture.filter(ImageFilter.GaussianBlur(1.5)) for picture in places(60, 1)], 3)
    near, far = distances(other, drawn), distances(soft, drawn)
    assert far["128x96"] > 3 * near["128x96"]
    assert far["32x24"] < 1.5 * near["32x24"]


def test_noise_is_far_at_every_level() -> None:
    rng = np.random.default_rng(3)
    noise = [Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)) for _ in range(30)]
    drawn, other = take_patches(places(30, 1), 1), take_patches(places(30, 2), 2)
    near, far = distances(other, drawn), distances(take_patches(noise), drawn)
    assert all(far[level] > 2 * near[level] for level in near)


def test_flat_pictures_have_a_distance_too() -> None:
    flat = take_patches([Image.new("RGB", (128, 96), "grey")] * 4)
    assert all(np.isfinite(apart) for apart in distances(flat, take_patches(places(4, 1))).values())


@pytest.mark.parametrize("others", [places(3, 1), [Image.new("RGB", (64, 64))] * 4])
def test_sets_that_cannot_be_compared_are_refused(others: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match="same number of pictures"):
        distances(take_patches(places(4, 1)), take_patches(others))
