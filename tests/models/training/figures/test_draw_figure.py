"""Rendered figures: always the same, of the requested size, and clear of the frame."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from models.training.figures.draw_figure import (
    BACKDROP,
    HEIGHT,
    WIDTH,
    draw_figure,
    figure_svg,
    sample_figure,
)
from models.training.raster import rasterise


def test_the_same_figure_is_drawn_to_the_pixel_the_same() -> None:
    figure = sample_figure(random.Random(5))
    assert figure == sample_figure(random.Random(5))
    assert draw_figure(figure).tobytes() == draw_figure(figure).tobytes()


@pytest.mark.parametrize("size", [(384, 512), (192, 256)])
def test_a_figure_has_the_requested_size(size: tuple[int, int]) -> None:
    picture = draw_figure(sample_figure(random.Random(1)), *size)
    assert picture.size == size
    assert picture.mode == "RGB"


@pytest.mark.parametrize("seed", range(40))
def test_nothing_of_a_figure_touches_the_frame(seed: int) -> None:
    pixels = np.asarray(draw_figure(sample_figure(random.Random(seed)))).astype(int)
    frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (frame == BACKDROP).all()


@pytest.mark.parametrize("seed", range(12))
def test_no_shadow_or_glow_lies_on_the_backdrop(seed: int) -> None:
    figure = sample_figure(random.Random(seed))
    white, black = (
        np.asarray(rasterise(figure_svg(figure, backdrop=(c, c, c)), WIDTH, HEIGHT)).astype(int).mean(2)
        for c in (255, 0)
    )
    # Only edges, a pixel or two wide, let the backdrop through, never an area.
    glassy = ((white - black > 5) & (white - black < 250)).astype(np.uint8)
    assert cv2.erode(glassy, np.ones((4, 4), np.uint8)).sum() == 0


def test_different_figures_differ() -> None:
    rng = random.Random(2)
    assert len({draw_figure(sample_figure(rng), 96, 128).tobytes() for _ in range(20)}) == 20
