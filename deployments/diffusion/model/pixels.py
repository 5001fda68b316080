"""Pictures of unit floats as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.messages import Pixels


def to_uint8(image: NDArray[np.floating[Any]]) -> Pixels:
    """Round unit floats to bytes. A picture with NaN in it becomes black, which the quality check refuses."""
    if not np.isfinite(image).all():
        return np.zeros(image.shape, np.uint8)
    pixels: Pixels = (image * 255).round().astype(np.uint8)
    return pixels
