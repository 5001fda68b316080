"""The merger's safety checks are counted by outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployments.errors import ContentRefused
from deployments.imaging.safety_check import SafetyConfig
from deployments.merger import MergerConfig
from deployments.messages import PictureJob
from serve.telemetry import metrics
from serve.telemetry.observed_replicas import ObservedMerger
from tests.support.merge_requests import file
from tests.support.noted import Noted

CHECK = f"{__name__}:redness"


def redness(pixels: Any) -> float:
    """Return the mean of red, from 0 to 1."""
    return float(pixels[..., 0].mean() / 255)


async def judge(mode: Any, red: int) -> None:
    config = MergerConfig(safety=SafetyConfig(mode=mode, threshold=0.5, picture_check=CHECK))
    upload = file(np.full((64, 64, 3), (red, 0, 0), np.uint8))
    await ObservedMerger(config).read_picture(PictureJob("r", upload, "file", 1 << 20, 64 * 64))


@pytest.mark.parametrize(
    ("mode", "red", "outcome"), [("flag", 0, "passed"), ("refuse", 0, "passed"), ("flag", 255, "flagged")]
)
async def test_a_judged_picture_is_counted_by_its_outcome(
    noted: list[Noted], mode: str, red: int, outcome: str
) -> None:
    await judge(mode, red)
    (recorder,) = noted
    assert recorder.tags(metrics.JUDGED) == [(outcome,)]


async def test_a_refused_picture_is_counted_too(noted: list[Noted]) -> None:
    with pytest.raises(ContentRefused):
        await judge("refuse", 255)
    assert noted[0].tags(metrics.JUDGED) == [("refused",)]


async def test_nothing_is_counted_where_nothing_is_judged(noted: list[Noted]) -> None:
    await judge("off", 255)
    assert noted[0].notes == []
