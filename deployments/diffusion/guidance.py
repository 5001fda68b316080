"""Say of each step of a picture where its guidance comes from: computed anew, taken again, or none."""

from __future__ import annotations

from typing import Literal

Guidance = Literal["computed", "cached", "none"]
"""`cached`: the step adds the difference, prediction with its prompt less that without, of a step before."""


def guidance_at(step: int, steps: int, interval: tuple[float, float], every: int) -> Guidance:
    """Return where the guidance of one of `steps` steps, counted from 0, comes from.

    `interval`: the part of the steps that has guidance, as fractions; `every`: at how many steps one computes
    it, 1 for all of them. The first of the interval always does.
    """
    begin, end = interval
    if not begin <= step / steps < end:
        return "none"
    is_first = step == 0 or (step - 1) / steps < begin
    return "computed" if is_first or step % every == 0 else "cached"
