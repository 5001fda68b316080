"""Measure how closely a figure resembles its reference: 0 for another one, 1 for the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.imaging.consistency.embedder import ConsistencyConfig, Embedder
from deployments.imaging.consistency.figure_view import view_of
from deployments.imaging.consistency.palette import Palettes, palette_similarity, palettes_of
from deployments.imaging.consistency.silhouette import Outline, outline_of, outline_similarity
from deployments.imaging.cutout.matting import Cutout

UNLIKE, ALIKE = 0.35, 0.9
"""Similarities that become 0 and 1. Of drawn figures in other poses and sizes, 95 in 100 have more than 0.88;
of different figures, 99 in 100 have less than 0.77, and half of them less than 0.5
(tests/deployments/imaging/consistency/test_measure.py)."""


@dataclass(frozen=True)
class Descriptor:
    """All of a figure that is compared. `embedding`: a network's, of length 1, or None without a network."""

    palettes: Palettes
    outline: Outline
    embedding: NDArray[np.float32] | None = None


class ConsistencyMeasure:
    """Compare figures by palette and silhouette, and by a network if one is configured.

    Raises ValueError if the network cannot be loaded from its folder.
    """

    def __init__(self, config: ConsistencyConfig | None = None) -> None:
        self._embedder = Embedder(config) if config is not None and config.embedder is not None else None

    def describe(self, cutout: Cutout) -> Descriptor:
        """Describe a figure that was cut out, or the picture's middle if it could not be."""
        view = view_of(cutout)
        embedding = self._embedder.embed(view) if self._embedder is not None else None
        return Descriptor(palettes_of(view), outline_of(view), embedding)

    def compare(self, ours: Descriptor, theirs: Descriptor) -> float:
        """Return 0..1. With a network this is the geometric mean of both measures."""
        similarity = palette_similarity(ours.palettes, theirs.palettes)
        measured = float(np.clip((similarity - UNLIKE) / (ALIKE - UNLIKE), 0, 1))
        measured *= outline_similarity(ours.outline, theirs.outline)
        if self._embedder is None or ours.embedding is None or theirs.embedding is None:
            return measured
        return float(np.sqrt(measured * self._embedder.similarity(ours.embedding, theirs.embedding)))
