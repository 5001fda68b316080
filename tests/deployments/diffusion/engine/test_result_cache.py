from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployments.diffusion.engine.result_cache import ENTRY_BYTES, LayerKey, ResultCache
from deployments.messages import LayerJob, LayerResult, LayerTimings

JOB: dict[str, Any] = {
    "request_id": "r",
    "kind": "character",
    "deadline_at": 1e12,
    "prompt": "a knight",
    "negative_prompt": "",
    "num_inference_steps": 4,
    "guidance_scale": 7.5,
    "seed": 1,
    "width_px": 64,
    "height_px": 64,
}


def key(fingerprint: str = "f", **changes: Any) -> LayerKey:
    return fingerprint, LayerJob(**(JOB | changes)).picture_key


def layer(seed: int = 1, degraded: tuple[str, ...] = (), side: int = 16) -> LayerResult:
    pixels = np.full((side, side, 3), seed, np.uint8)
    return LayerResult("character", pixels, seed, "m", "simulated", LayerTimings(1, 2, 3, 4), degraded)


SIZE = 16 * 16 * 3 + ENTRY_BYTES


def test_what_was_put_in_comes_out() -> None:
    cache, painted = ResultCache(10 * SIZE), layer()
    cache.put(key(), painted)
    assert cache.get(key()) is painted


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "g"},
        {"kind": "background"},
        {"fallback": "none"},
        {"prompt": "a Knight"},
        {"negative_prompt": "x"},
        {"num_inference_steps": 5},
        {"guidance_scale": 7.500001},
        {"seed": 2},
        {"width_px": 72},
        {"height_px": 72},
        {"guidance_interval": (0.1, 1.0)},
        {"guidance_cache": 2},
    ],
)
def test_nothing_that_a_picture_depends_on_may_differ(change: dict[str, Any]) -> None:
    cache = ResultCache(10 * SIZE)
    cache.put(key(), layer())
    assert cache.get(key(**change)) is None


def test_the_budget_is_kept_and_the_least_recently_used_go() -> None:
    cache = ResultCache(3 * SIZE)
    for seed in (1, 2, 3):
        cache.put(key(seed=seed), layer(seed))
    assert cache.get(key(seed=1)) is not None
    cache.put(key(seed=4), layer(4))
    assert [seed for seed in (1, 2, 3, 4) if cache.get(key(seed=seed))] == [1, 3, 4]
    assert cache.size_bytes == 3 * SIZE


def test_putting_again_is_counted_once() -> None:
    cache = ResultCache(3 * SIZE)
    for _ in range(5):
        cache.put(key(), layer())
    assert cache.size_bytes == SIZE


def test_what_alone_is_over_the_budget_drives_nothing_out() -> None:
    cache = ResultCache(2 * SIZE)
    cache.put(key(), layer())
    cache.put(key(seed=2), layer(2, side=64))
    assert cache.get(key(seed=2)) is None
    assert cache.get(key()) is not None


@pytest.mark.parametrize("degraded", [("reduced",), ("reseeded",), ("placeholder",)])
def test_what_is_not_as_requested_is_not_kept(degraded: tuple[str, ...]) -> None:
    cache = ResultCache(10 * SIZE)
    cache.put(key(), layer(degraded=degraded))
    assert cache.get(key()) is None


def test_what_gave_up_exactness_as_requested_is_kept() -> None:
    cache = ResultCache(10 * SIZE)
    cache.put(key(), layer(degraded=("cached_guidance",)))
    assert cache.get(key()) is not None
    cache.put(key(seed=2), layer(degraded=("reduced", "cached_guidance")))
    assert cache.get(key(seed=2)) is None


def test_without_a_budget_nothing_is_kept() -> None:
    cache = ResultCache(0)
    cache.put(key(), layer())
    assert cache.get(key()) is None
