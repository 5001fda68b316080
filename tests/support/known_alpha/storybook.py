"""Pictures like those of the bundled model, with their alpha: the storybook figures it was trained on."""

from __future__ import annotations

import random
from dataclasses import replace

import cv2
import numpy as np

from models.training.figures.draw_figure import HEIGHT, WIDTH, figure_svg, sample_figure
from models.training.raster import rasterise
from tests.support.known_alpha.sets import FIRST_HELD_OUT_SEED, Sample

_FLOOR = (
    '<radialGradient id="floor">'
    '<stop offset="0" stop-color="rgb(70,62,60)" stop-opacity="0.17"/>'
    '<stop offset="0.55" stop-color="rgb(70,62,60)" stop-opacity="0.11"/>'
    '<stop offset="1" stop-color="rgb(70,62,60)" stop-opacity="0"/></radialGradient>'
    '<path d="M54 475a138 22 0 1 1 276 0a138 22 0 1 1 -276 0Z" fill="url(#floor)"/>'
)
"""A soft shadow on the floor, as other models paint it; the storybook's drawings have none."""


def storybook(number: int, held_out: bool, softened: bool, garment: str | None = None) -> Sample:
    """Draw a figure; `softened` adds a small diffusion model's blur and noise, `garment` sets its colour.

    The alpha comes from drawing the figure over white and over black without its floor shadow: alpha is
    1 - (white - black) / 255 (Smith & Blinn, "Blue screen matting", 1996, triangulation).
    """
    seed = number + (FIRST_HELD_OUT_SEED if held_out else 0)
    figure = sample_figure(random.Random(seed))
    if garment is not None:
        figure = replace(figure, garment_color=garment)
    floored = figure_svg(figure).replace("<g>", f"{_FLOOR}<g>", 1)
    pixels = np.asarray(rasterise(floored, WIDTH, HEIGHT))
    white, black = (
        np.asarray(rasterise(figure_svg(figure, backdrop=(c, c, c)), WIDTH, HEIGHT), np.float32)
        for c in (255, 0)
    )
    alpha = np.clip(1 - (white - black).mean(2) / 255, 0, 1).astype(np.float32)
    if softened:
        dice = np.random.default_rng(seed)
        grain = cv2.GaussianBlur(dice.normal(0, 5, pixels.shape), (0, 0), 1.2)
        mixed = (
            cv2.GaussianBlur(pixels.astype(np.float64), (0, 0), 1.0)
            + grain
            + dice.normal(0, 1.0, pixels.shape)
        )
        pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        alpha = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    return Sample(pixels, alpha)
