"""Find which of the twelve colours a painted figure's garment has, from the chest and the skirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.training.figures.figure_spec import COLORS, RGB, garment_rgb

Floats = NDArray[np.float64]

# Rows of cloth, in picture heights above the soles: the chest below a cape's collar, the skirt below a belt.
CLOTH_ROWS = ((0.385, 0.295), (0.235, 0.185))
CLOTH_COLUMNS = (0.40, 0.60)
BACKDROP_TOLERANCE = 14.0
"""Half of the least distance in Lab of a figure's pixel from the backdrop; a floor shadow is nearer."""
TONE_TOLERANCE = 26.0
"""Pixels farther than this in Lab from every tone (outlines, seams, a beard) do not vote."""
DARKER = 0.2
"""The share of black in a garment's shaded side."""


def garment_color(picture: Image.Image) -> str:
    """Return the colour that most pixels of the garment are nearest to."""
    votes = color_votes(picture)
    return max(votes, key=lambda color: votes[color])


def color_votes(picture: Image.Image) -> dict[str, float]:
    """Return each colour's share of the garment's pixels."""
    lab = to_lab(np.asarray(picture.convert("RGB"), dtype=np.float64))
    height, width = lab.shape[:2]
    soles = _soles(lab)
    left, right = (round(width * share) for share in CLOTH_COLUMNS)
    bands = [(round(soles - top * height), round(soles - bottom * height)) for top, bottom in CLOTH_ROWS]
    cloth = np.concatenate([lab[max(0, top) : bottom, left:right].reshape(-1, 3) for top, bottom in bands])
    distances = np.stack([_distance(cloth, garment_rgb(color)) for color in COLORS], axis=1)
    nearest = distances.argmin(axis=1)[distances.min(axis=1) < TONE_TOLERANCE]
    counts = np.bincount(nearest, minlength=len(COLORS)) / max(1, len(cloth))
    return dict(zip(COLORS, counts.tolist(), strict=True))


def to_lab(rgb: Floats) -> Floats:
    """Convert sRGB in 0..255 to CIE L*a*b* under D65."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.95030]])
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _soles(lab: Floats) -> int:
    """Return the lowest row where the figure, set off from the light backdrop, is as wide as a boot."""
    height, width = lab.shape[:2]
    middle = lab[:, round(0.3 * width) : round(0.7 * width)]
    edges = np.concatenate([lab[:, : width // 32], lab[:, -(width // 32) :]], axis=1)
    backdrop = np.median(edges, axis=1, keepdims=True)
    away = np.linalg.norm(middle - backdrop, axis=-1) > 2 * BACKDROP_TOLERANCE
    rows = np.flatnonzero(away.sum(axis=1) > 0.04 * width)
    return int(rows[-1]) + 1 if len(rows) else round(0.94 * height)


def _distance(pixels: Floats, color: RGB) -> Floats:
    """Return how far each Lab pixel lies from the colour's lit or shaded tone, whichever is nearer."""
    lit = np.array(color, dtype=np.float64)
    tones = to_lab(np.stack([lit, lit * (1 - DARKER)]))
    distances: Floats = np.linalg.norm(pixels[:, None] - tones[None], axis=-1).min(axis=1)
    return distances
