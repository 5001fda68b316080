"""Choose the cut-out: the keyer's, the network's if the keyer is unsure, and neither if both are."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.errors import CutoutFailed
from deployments.imaging.composite.compositing import compose
from deployments.imaging.cutout.matting import Cutout, climb
from deployments.messages import MergeOptions, Pixels
from tests.support.known_alpha.sets import samples

FIGURE = next(samples("plain", 1, held_out=True))
BUSY = np.random.default_rng(0).integers(0, 256, (128, 96, 3), np.uint8)
PLACE = np.full((64, 128, 3), 90, np.uint8)


def network(confidence: float) -> Cutout:
    alpha = np.zeros((128, 96), np.uint8)
    alpha[10:120, 30:60] = 255
    return Cutout(BUSY, alpha, confidence)


def never(pixels: Pixels) -> Cutout:
    raise AssertionError("the network was called")


def test_the_network_is_not_run_where_the_keyer_is_sure() -> None:
    cutout, why = climb(FIGURE.pixels, never)
    assert cutout.confidence >= 0.5
    assert why == ""


def test_nor_where_the_picture_has_its_own_alpha() -> None:
    assert climb(np.dstack([BUSY, network(1).alpha]), never)[0].confidence == 1


def test_where_the_keyer_is_unsure_the_network_cuts_out_and_it_is_said() -> None:
    made = compose(BUSY, PLACE, MergeOptions(), lambda pixels: network(0.8))
    assert (made.mode, made.confidence) == ("cutout", 0.8)
    assert "matting model" in made.reason


def test_where_both_are_unsure_it_is_pasted() -> None:
    made = compose(BUSY, PLACE, MergeOptions(), lambda pixels: network(0.4))
    assert (made.mode, made.confidence) == ("paste", 0.4)
    assert "could not be cut out (confidence 0.40)" in made.reason
    with pytest.raises(CutoutFailed):
        compose(BUSY, PLACE, MergeOptions("cutout"), lambda pixels: network(0.4))


def test_a_network_that_sees_nothing_changes_nothing() -> None:
    keyed = climb(BUSY)[0].confidence
    assert climb(BUSY, lambda pixels: network(0.0))[0].confidence == keyed
