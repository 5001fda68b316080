"""Choose who cuts a figure out: the keyer, and where it is unsure and there is one, a network."""

from __future__ import annotations

from collections.abc import Callable

from deployments.imaging.cutout.matting import Cutout, cut_out
from deployments.messages import Pixels

LEAST_CONFIDENCE = 0.5
Matte = Callable[[Pixels], Cutout]
"""A function that cuts out of (h, w, 3) RGB."""


def climb(pixels: Pixels, network: Matte | None = None) -> tuple[Cutout, str]:
    """Return the first cut-out of at least 0.5 confidence, else the better one; and why not the keyer's.

    A picture with transparency is its own cut-out.
    """
    keyed = cut_out(pixels)
    if keyed.confidence >= LEAST_CONFIDENCE or network is None:
        return keyed, ""
    seen = network(pixels)
    if seen.confidence <= keyed.confidence:
        return keyed, ""
    return seen, f"the backdrop is not plain (confidence {keyed.confidence:.2f}): a matting model cut it out"
