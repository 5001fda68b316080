"""Measure how many pictures are as requested, and how far apart pictures are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from models.training.evaluation.held_out_prompts import HeldOutPrompt

FIRST_SEED = 1_000
OTHER_SEED = 900_000
VISIBLE_LEVELS = 24
"""A pixel is visibly different if a channel differs by more than this many of 255 levels."""

Attributes = dict[str, str]
Paint = Callable[[list[HeldOutPrompt], list[int]], list[Image.Image]]
"""Paints each prompt with its own seed."""


@dataclass(frozen=True)
class Verdict:
    """A prompt's attributes and those that its picture shows, one by one."""

    prompt: str
    seed: int
    asked: Attributes
    seen: Attributes


def adherence(verdicts: list[Verdict]) -> dict[str, Any]:
    """Return for every attribute the share that is as requested: of all pictures, and for each value."""
    result: dict[str, Any] = {}
    for name in verdicts[0].asked:
        groups: dict[str, list[bool]] = {}
        for verdict in verdicts:
            groups.setdefault(verdict.asked[name], []).append(verdict.asked[name] == verdict.seen[name])
        result[name] = {
            "share": round(sum(map(sum, groups.values())) / len(verdicts), 4),
            "by_value": {
                value: {"right": sum(hits), "of": len(hits)} for value, hits in sorted(groups.items())
            },
        }
    return result


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """Return the mean distance in levels of 255, and the share of pixels that differ visibly."""
    levels = np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16))
    return float(levels.mean()), float((levels.max(axis=-1) > VISIBLE_LEVELS).mean())


def seed_differences(paint: Paint, prompts: list[HeldOutPrompt]) -> dict[str, float]:
    """Compare two pictures of one seed, which must be the same, and one of another, which must differ."""
    apart, visible, repeated = [], [], []
    for number, prompt in enumerate(prompts):
        seeds = (FIRST_SEED + number, FIRST_SEED + number, OTHER_SEED + number)
        first, again, other = (paint([prompt], [seed])[0] for seed in seeds)
        repeated.append(difference(first, again)[0])
        levels, share = difference(first, other)
        apart.append(levels)
        visible.append(share)
    return {
        "prompts": len(prompts),
        "same_seed_max_levels": max(repeated),
        "other_seed_mean_levels": round(float(np.mean(apart)), 2),
        "other_seed_min_levels": round(min(apart), 2),
        "other_seed_mean_visible_share": round(float(np.mean(visible)), 4),
        "other_seed_min_visible_share": round(min(visible), 4),
    }
