"""Define the contenders' requests and arrival times: their prompts, seeds, steps and guidance differ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.diffusion.painter import PaintRequest

STEPS = (4, 8, 20, 20, 30, 50)
DIT_STEPS = (2, 4, 10, 10, 15, 25)
"""Half as many: a DiT step takes as long as four of the bundled model's, and more requests say more."""
QUICK_STEPS = (1, 2, 3)
GUIDANCE = (6.0, 7.5)
NEGATIVE = "blurry, low quality"
WHO = ("knight", "witch", "fox", "robot", "sailor", "giant", "queen", "miller")
WEARS = ("red", "blue", "green", "golden", "black", "white")


@dataclass(frozen=True)
class Arrival:
    """A request that arrives `at_s` seconds after the first."""

    at_s: float
    request: PaintRequest


def saturated(count: int, size: tuple[int, int], steps: Sequence[int]) -> list[Arrival]:
    """Return requests that all arrive at once."""
    return [Arrival(0.0, request) for request in _requests(count, size, steps)]


def poisson(count: int, per_s: float, size: tuple[int, int], steps: Sequence[int]) -> list[Arrival]:
    dice, at_s, arrivals = random.Random(2), 0.0, []
    for request in _requests(count, size, steps):
        arrivals.append(Arrival(at_s, request))
        at_s += dice.expovariate(per_s)
    return arrivals


def counts_within(
    budget_s: float, picture_s: float, contenders: int, step_counts: int, by_chance: bool
) -> dict[str, int]:
    """Return how many requests fit into a budget, if one takes the stock pipeline `picture_s`.

    All step counts occur equally often. With Poisson arrivals (`by_chance`), a third of the requests is for
    the saturated run. There is always at least one request of each step count.
    """
    pictures = budget_s / (contenders * picture_s)
    rounds = max(1, int(pictures / step_counts / (3 if by_chance else 1)))
    poisson = max(1, int(pictures / step_counts) - rounds) * step_counts if by_chance else 0
    return {"saturated": rounds * step_counts, "poisson": poisson}


def _requests(count: int, size: tuple[int, int], steps: Sequence[int]) -> list[PaintRequest]:
    """Return requests with all step counts equally often, in an order that is always the same."""
    dice = random.Random(1)
    counts = [steps[number % len(steps)] for number in range(count)]
    dice.shuffle(counts)
    return [
        PaintRequest(
            f"a {dice.choice(WEARS)} {dice.choice(WHO)} number {number}",
            NEGATIVE,
            taken,
            dice.choice(GUIDANCE),
            number,
            *size,
        )
        for number, taken in enumerate(counts)
    ]
