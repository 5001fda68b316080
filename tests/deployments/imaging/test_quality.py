"""Compare the quality check with numpy's mean and standard deviation."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.imaging.quality import flaw
from deployments.messages import Pixels


def halves(low: int, high: int, channels: int = 3) -> Pixels:
    """Return pixels half `low`, half `high`: mean (low + high) / 2, std (high - low) / 2, exactly."""
    pixels = np.full((64, 64, channels), low, np.uint8)
    pixels[32:] = high
    return pixels


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (halves(0, 20), None),
        (halves(0, 19), "too dark"),
        (halves(235, 255), None),
        (halves(236, 255), "too bright"),
        (halves(100, 110), None),
        (halves(100, 109), "flat"),
        (halves(137, 137), "flat"),
        (halves(0, 0), "too dark"),
        (halves(255, 255), "too bright"),
        (halves(0, 255), None),
        (halves(0, 20, channels=4), None),
    ],
)
def test_borders(pixels: Pixels, expected: str | None) -> None:
    mean, std = np.mean(pixels), np.std(pixels)
    assert (10 <= mean <= 245 and std >= 5) == (expected is None)
    assert flaw(pixels) == expected


def test_one_value_past_a_border_counts() -> None:
    darker, flatter = halves(0, 20), halves(100, 110)
    darker[40, 40, 1] -= 1
    flatter[40, 40, 1] -= 1
    assert (flaw(darker), flaw(flatter)) == ("too dark", "flat")


def test_channels_are_taken_together() -> None:
    """The channels of a single colour differ, which numpy's deviation over all values includes."""
    orange = np.full((64, 64, 3), (240, 140, 20), np.uint8)
    assert np.std(orange) > 5
    assert flaw(orange) is None


@pytest.mark.parametrize("channels", [3, 4])
def test_agrees_with_numpy_on_random_pictures(channels: int) -> None:
    rng = np.random.default_rng(7)
    verdicts = set()
    for _ in range(300):
        mean, std = rng.choice([rng.uniform(0, 30), rng.uniform(225, 255), 128]), rng.uniform(0, 12)
        pixels = rng.normal(mean, std, (20, 24, channels)).clip(0, 255).astype(np.uint8)
        fine = 10 <= np.mean(pixels) <= 245 and np.std(pixels) >= 5
        assert (flaw(pixels) is None) == fine
        verdicts.add(flaw(pixels))
    assert verdicts == {None, "too dark", "too bright", "flat"}


def test_a_view_is_read_as_numpy_reads_it() -> None:
    pixels = halves(0, 255)
    pixels[::2] = 0
    assert flaw(pixels[::2]) == "too dark"
    assert flaw(pixels[:, ::-2]) is None


def test_the_largest_picture_does_not_overflow() -> None:
    pixels = np.full((1024, 1024, 4), 255, np.uint8)
    pixels[:512] = 235
    assert flaw(pixels) is None
