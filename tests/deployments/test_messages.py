from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from deployments import messages
from deployments.messages import LayerResult, LayerTimings, MergeOptions, OutputOptions

MESSAGES = [kind for kind in vars(messages).values() if dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_cannot_be_changed_on_the_way(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_pixels_cross_a_process_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    timings = LayerTimings(1.0, 2.0, 3.0, 4.0)
    sent = LayerResult("character", pixels, 7, "storybook", "diffusers", timings, ("reduced",), ("long",))
    got = pickle.loads(pickle.dumps(sent))  # noqa: S301
    assert np.array_equal(got.pixels, pixels)
    assert dataclasses.replace(got, pixels=pixels) == sent


def test_the_defaults_are_the_contracts() -> None:
    options = MergeOptions()
    assert (options.mode, options.position, options.width_px, options.height_px) == (
        "auto",
        "right",
        1024,
        512,
    )
    assert (options.scale, options.harmonize, options.shadow, options.contrast) == (1.0, 0.55, True, None)
    assert OutputOptions() == OutputOptions("jpeg", 95)
