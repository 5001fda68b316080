"""Define the choices and the plain values that messages are made of."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

LayerKind = Literal["character", "background"]
Fallback = Literal["none", "reduce", "placeholder"]
MergeMode = Literal["auto", "cutout", "paste"]
Position = Literal["left", "center", "right"]
PictureFormat = Literal["jpeg", "png", "webp"]
Backend = Literal["diffusers", "simulated"]
Priority = Literal["interactive", "batch"]
Keypoint = tuple[float, float, float]
"""x and y as fractions of the picture's width and height, and a confidence; 0 means there is no point."""
Feet = tuple[float, float]
"""Where a figure's soles are in its picture, as fractions of the picture's width and height."""
Pixels = NDArray[np.uint8]
"""(height, width, 3) RGB or (height, width, 4) RGBA."""
