"""The real policy on simulated fleets: a step of load, bursts, and scaling down."""

from __future__ import annotations

import numpy as np
import pytest

from serve.autoscaling.decide import Goal
from serve.planning.device_profile import LayerProfile, Profile
from serve.planning.scaling import JointScaler
from serve.planning.simulation import Setup, poisson, simulate

LAYER = LayerProfile(steps=20, encode_s=0.0, step_s={1: 0.05}, decode_s=0.0, start_s=3.0)
PROFILE = Profile(device="none", backend="simulated", character=LAYER, background=LAYER, merge_s=0.02)
GOAL = Goal(latency_s=4.0, other_s=0.1, hold_s=60.0)


def step_load(before: float, after: float, at_s: float, until_s: float) -> list[float]:
    quiet = poisson(before, int(2 * before * at_s) + 10, seed=1)
    loud = at_s + poisson(after, int(2 * after * (until_s - at_s)), seed=2)
    return [*quiet[quiet < at_s].tolist(), *loud[loud < until_s].tolist()]


def test_a_step_of_load_is_followed_within_three_seconds_and_hardly_overshot() -> None:
    arrivals = step_load(before=0.5, after=6.0, at_s=120.0, until_s=420.0)
    outcome = simulate(PROFILE, Setup(1, 1, 2), arrivals, scaler=JointScaler(GOAL, most=32))
    grown = [(at, counts) for at, counts in outcome.targets if at >= 120.0]
    assert grown[0][0] - 120.0 <= 3.0
    settled = grown[-1][1]["character"]
    assert settled >= 7
    assert max(counts["character"] for _, counts in grown) <= settled + 2
    late = np.asarray(arrivals)[len(arrivals) - len(outcome.latency_s) :] > 180.0
    assert np.mean(outcome.latency_s[late] <= GOAL.latency_s) > 0.95


def test_what_was_grown_is_given_back_slowly() -> None:
    arrivals = [*step_load(0.5, 5.0, 60.0, 120.0), *(120.0 + poisson(0.5, 150, seed=3)).tolist()]
    outcome = simulate(PROFILE, Setup(1, 1, 2), arrivals, scaler=JointScaler(GOAL, most=32))
    shrunk_at = next(
        now[0]
        for before, now in zip(outcome.targets, outcome.targets[1:], strict=False)
        if sum(now[1].values()) < sum(before[1].values())
    )
    assert shrunk_at >= 120.0
    assert sum(outcome.targets[-1][1].values()) <= 6


def test_from_zero_every_caller_is_served() -> None:
    arrivals = [10.0 + number for number in range(30)]
    outcome = simulate(PROFILE, Setup(0, 0, 1), arrivals, scaler=JointScaler(GOAL, least=0))
    assert len(outcome.latency_s) == 27
    assert outcome.latency_s.min() >= PROFILE.alone_s - 1e-9


def test_replica_time_is_counted_from_the_order_to_the_last_picture() -> None:
    fixed = simulate(PROFILE, Setup(2, 3, 1), [float(number) for number in range(50)])
    assert fixed.replica_s == pytest.approx(5 * (49 + 1.0), rel=0.01)
