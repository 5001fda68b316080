"""Compare painted figures with their cast member's reference."""

from __future__ import annotations

import threading
from collections import OrderedDict

import cv2
import numpy as np
from PIL import Image

from deployments.imaging.consistency.embedder import ConsistencyConfig
from deployments.imaging.consistency.measure import ConsistencyMeasure, Descriptor
from deployments.imaging.cutout.matting import Matte, climb
from deployments.imaging.files.decoding import figure_pixels, open_upright
from deployments.messages import CompareJob, Pixels

LONGEST_PX = 384
"""Figures are compared at a third of this height: a larger one only takes longer to cut out."""
KEPT = 64


class FigureComparer:
    """Compare figures, and cache the last references. Raises ValueError as ConsistencyMeasure does."""

    def __init__(self, config: ConsistencyConfig | None = None, network: Matte | None = None) -> None:
        self._measure, self._network = ConsistencyMeasure(config), network
        self._references: OrderedDict[str, Descriptor] = OrderedDict()
        self._lock = threading.Lock()

    def compare(self, job: CompareJob, figure: Pixels) -> float:
        """Return how closely a painted figure (h, w, 3) resembles the reference, 0 to 1."""
        return self._measure.compare(self._described(_within(figure)), self._reference(job))

    def _described(self, pixels: Pixels) -> Descriptor:
        cutout, _ = climb(pixels, self._network)
        return self._measure.describe(cutout)

    def _reference(self, job: CompareJob) -> Descriptor:
        with self._lock:
            known = self._references.get(job.name)
            if known is not None:
                self._references.move_to_end(job.name)
                return known
        picture = open_upright(job.reference, "cast", job.max_pixels)
        picture.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BOX)
        described = self._described(figure_pixels(picture))
        with self._lock:
            self._references[job.name] = described
            while len(self._references) > KEPT:
                self._references.popitem(last=False)
        return described


def _within(pixels: Pixels) -> Pixels:
    high, wide = pixels.shape[:2]
    scale = min(1.0, LONGEST_PX / max(high, wide))
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    return np.ascontiguousarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
