from __future__ import annotations

import os

import numpy as np
import pytest

from loadtest.trial.process_memory import slope, tree_bytes

MIB = 1 << 20


def seen(mib_per_hour: float, noise_mib: float = 2.0, warms_up: bool = False) -> list[dict[str, float]]:
    dice = np.random.default_rng(3)
    return [
        {
            "at_s": 5.0 * number,
            "bytes": MIB * (500 + mib_per_hour * number / 720 + noise_mib * float(dice.normal()))
            - (300 * MIB if warms_up and number < 60 else 0),
        }
        for number in range(720)
    ]


def test_growth_is_reported_with_its_bounds() -> None:
    grows = slope(seen(100))
    assert grows is not None
    assert grows["low"] < 100 * MIB < grows["high"]
    assert grows["bytes_per_hour"] == pytest.approx(100 * MIB, rel=0.02)


def test_a_steady_service_that_warmed_up_does_not_grow() -> None:
    grows = slope(seen(0, warms_up=True))
    assert grows is not None
    assert grows["low"] < 0 < grows["high"] < 2 * MIB


def test_a_long_warm_up_is_left_out_of_a_short_run() -> None:
    short = seen(0, warms_up=True)[:120]
    during, after = slope(short), slope(short, warmup_s=300.0)
    assert during and during["low"] > 500 * MIB
    assert after and after["low"] < 50 * MIB


def test_too_little_has_no_slope() -> None:
    assert slope(seen(1)[:3]) is None


def test_memory_of_a_living_process_and_of_one_that_is_gone() -> None:
    assert tree_bytes(os.getpid()) > MIB
    assert tree_bytes(2**22 + 1) == 0
