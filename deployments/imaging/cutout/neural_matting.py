"""A segmentation network for characters whose backdrop is not plain, used if the keyer is unsure.

Needs the `matting` extra (snipbg, MIT). Its models are files that the operator fetches once, with snipbg's
own `snipbg download isnet-anime`. Nothing here ever fetches one, or runs one with an unknown SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from PIL import Image

from deployments.bounds import Side
from deployments.imaging.cutout.confidence import Ramps, judge
from deployments.imaging.cutout.matting import Cutout
from deployments.messages import Pixels

RAMPS: Ramps = (
    ("coverage", 0.03, 0.07),
    ("coverage", 0.88, 0.72),
    ("largest_share", 0.6, 0.9),
    ("undecided", 0.6, 0.25),
)
"""Like the keyer's; `undecided` is the area with an alpha of a tenth to nine tenths, in figure areas."""
LEVELS = np.interp(np.arange(256), (15, 240), (0, 255)).astype(np.uint8)
"""Networks are seldom quite sure, so nearly opaque becomes opaque, and nearly clear becomes clear."""
COLOR_REACH_PX = (9, 49)


@dataclass(frozen=True)
class MattingConfig:
    """The network.

    `model` is a name from snipbg's list, or the path of your own ONNX file with its `sha256`.

    isnet-anime is Apache-2.0, 176 MB, and made for illustration; u2netp is Apache-2.0 and 4.6 MB. Your own
    file takes (1, 3, `input_px`, `input_px`) RGB, -0.5..0.5, and its first output is an alpha.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    model: str = "isnet-anime"
    sha256: str = ""
    input_px: Side = 1024


class NeuralMatte:
    """Cut figures out with a network.

    Raises ValueError if the extra or the model's file is missing, or the file is not the known one.
    """

    def __init__(self, config: MattingConfig) -> None:
        try:
            from snipbg.download import verify_model
            from snipbg.session import Remover
        except ImportError:
            raise ValueError("matting needs the matting extra: pip install 'scenewright[matting]'") from None
        spec = _spec(config)
        if not verify_model(spec):
            raise ValueError(
                f"matting: the file of {config.model} is missing or does not match its known SHA-256; "
                f"for a model that snipbg lists, run `snipbg download {spec.name}`"
            )
        self.name = str(spec.name)
        self._remover = Remover(spec, providers=["CPUExecutionProvider"], num_threads=1)
        self._remover.load()

    def cut_out(self, pixels: Pixels) -> Cutout:
        """Cut the figure out of (h, w, 3) RGB, as the network sees it."""
        seen = np.asarray(self._remover.predict_mask(Image.fromarray(pixels)), np.uint8)
        alpha = np.asarray(cv2.LUT(seen, LEVELS), np.uint8)
        return Cutout(_clean(pixels, alpha), alpha, judge(_measures(alpha), RAMPS))


def _spec(config: MattingConfig) -> Any:
    from snipbg.models import MODELS, ModelSpec

    file = Path(config.model).expanduser().resolve()
    if config.model in MODELS:
        return MODELS[config.model]
    if not file.is_file() or not config.sha256:
        raise ValueError(
            f"matting: {config.model} is neither one of {', '.join(MODELS)} nor an ONNX file with its sha256"
        )
    # snipbg joins the name to its cache's folder, which leaves an absolute path unchanged.
    size_px = (config.input_px, config.input_px)
    return ModelSpec(
        file.stem,
        str(file),
        config.sha256,
        file.stat().st_size,
        size_px,
        mean=(0.5, 0.5, 0.5),
        std=(1.0, 1.0, 1.0),
    )


def _measures(alpha: Pixels) -> dict[str, float]:
    figure = (alpha > 127).astype(np.uint8)
    area = int(np.count_nonzero(figure))
    if not area:
        return {"coverage": 0.0, "largest_share": 0.0, "undecided": 1.0}
    _, _, stats, _ = cv2.connectedComponentsWithStats(figure, connectivity=8)
    between = int(np.count_nonzero((alpha > 25) & (alpha < 230)))
    return {
        "coverage": area / alpha.size,
        "largest_share": int(stats[1:, cv2.CC_STAT_AREA].max()) / area,
        "undecided": between / area,
    }


def _clean(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Return `pixels` with the edge's colours taken from the sure figure nearby, or else farther away."""
    sure = (alpha >= 250).astype(np.float32)
    weighted = cv2.merge([*(channel * sure for channel in cv2.split(pixels.astype(np.float32))), sure])
    near_px, far_px = ((reach, reach) for reach in COLOR_REACH_PX)
    total = cv2.blur(weighted, near_px) + np.float32(1e-3) * cv2.blur(weighted, far_px)
    near = total[..., :3] / np.maximum(total[..., 3:], 1e-9)
    mixed = (sure < 1) & (alpha > 0) & (total[..., 3] > 1e-6)
    clean = pixels.copy()
    clean[mixed] = np.clip(np.rint(near[mixed]), 0, 255).astype(np.uint8)
    return clean
