"""Convert pictures of floats in 0..1 to bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.messages import Pixels


def to_uint8(image: NDArray[np.floating[Any]]) -> Pixels:
    """Round floats in 0..1 to bytes. A picture with NaN becomes black, which the quality check refuses."""
    if not np.isfinite(image).all():
        return np.zeros(image.shape, np.uint8)
    pixels: Pixels = (image * 255).round().astype(np.uint8)
    return pixels
