"""Bring a figure to one size, so that comparisons do not depend on the picture that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, Cutout
from deployments.messages import Pixels

HEIGHT_PX, WIDTH_PX = 128, 192
OPAQUE = 127
MIDDLE = 0.42
"""Half axes of the ellipse used for a figure that cannot be cut out, as shares of the picture."""


@dataclass(frozen=True)
class FigureView:
    """A figure scaled to fit into HEIGHT_PX and WIDTH_PX, and centred there.

    `color` (h, w, 3) RGB 0..255, grey where there is no figure; `cover` (h, w) 0..1.
    """

    color: Pixels
    cover: NDArray[np.float32]


def view_of(cutout: Cutout) -> FigureView:
    """Return the view of a figure that was cut out, or of the picture's middle if it could not be."""
    color, alpha = cutout.foreground, cutout.alpha
    if cutout.confidence < LEAST_CONFIDENCE or not (alpha > OPAQUE).any():
        alpha = _middle(*alpha.shape)
    x, y, wide, high = cv2.boundingRect((alpha > OPAQUE).astype(np.uint8))
    scale = min(HEIGHT_PX / high, WIDTH_PX / wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    box = np.s_[y : y + high, x : x + wide]
    small = np.dstack(
        [
            cv2.resize(np.ascontiguousarray(color[box]), size, interpolation=cv2.INTER_AREA),
            cv2.resize(np.ascontiguousarray(alpha[box]), size, interpolation=cv2.INTER_AREA),
        ]
    )
    whole = np.full((HEIGHT_PX, WIDTH_PX, 4), (127, 127, 127, 0), np.uint8)
    left, top = (WIDTH_PX - size[0]) // 2, (HEIGHT_PX - size[1]) // 2
    whole[top : top + size[1], left : left + size[0]] = small
    return FigureView(whole[..., :3], np.asarray(whole[..., 3] / 255, np.float32))


def _middle(high: int, wide: int) -> Pixels:
    alpha = np.zeros((high, wide), np.uint8)
    axes = max(1, round(MIDDLE * wide)), max(1, round(MIDDLE * high))
    cv2.ellipse(alpha, (wide // 2, high // 2), axes, 0, 0, 360, 255, cv2.FILLED)
    return alpha
