"""Determine where the guidance of each step comes from."""

from __future__ import annotations

import pytest

from deployments.diffusion.painter import guidance_at

LETTERS = {"computed": "c", "cached": "-", "none": "."}


@pytest.mark.parametrize(
    ("interval", "every", "expected"),
    [
        ((0.0, 1.0), 1, "cccccccc"),
        ((0.0, 1.0), 2, "c-c-c-c-"),
        ((0.0, 1.0), 3, "c--c--c-"),
        ((0.0, 1.0), 8, "c-------"),
        ((0.25, 0.75), 1, "..cccc.."),
        ((0.3, 1.0), 4, "...cc---"),
        ((0.0, 0.0), 2, "........"),
    ],
)
def test_the_first_step_with_guidance_computes_it_and_then_one_of_so_many(
    interval: tuple[float, float], every: int, expected: str
) -> None:
    steps = "".join(LETTERS[guidance_at(step, 8, interval, every)] for step in range(8))
    assert steps == expected
