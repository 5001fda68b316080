"""Overload of the whole simulated service (tests/support/crowd.py)."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.support.crowd import Crowd, arrivals, capacity

STEPS = (10, 20, 30)
FROM_S, UNTIL_S = 20.0, 120.0
FULL = capacity(sum(STEPS) / len(STEPS))


def requested_at(load: float, deadline_s: tuple[float, float], seed: int = 0) -> Crowd:
    crowd, dice = Crowd(), random.Random(seed)
    for at in arrivals(load * FULL, UNTIL_S, seed):
        crowd.send(at, dice.choice(STEPS), dice.uniform(*deadline_s))
    crowd.run(UNTIL_S)
    return crowd


def goodput(crowd: Crowd) -> float:
    """Return the steps per second of the scenes done in time, so that small scenes do not count more."""
    counted = [scene for scene in crowd.scenes if scene.ended_at >= FROM_S and scene.outcome == 200]
    return sum(scene.steps for scene in counted) / (UNTIL_S - FROM_S)


@pytest.mark.parametrize("deadline_s", [(4.0, 8.0), (10.0, 120.0)], ids=["tight", "ample"])
def test_goodput_at_five_times_the_capacity_is_that_of_its_peak(deadline_s: tuple[float, float]) -> None:
    peak = max(goodput(requested_at(load, deadline_s)) for load in (0.7, 0.9, 1.1, 1.5))
    crowd = requested_at(5.0, deadline_s)
    assert goodput(crowd) >= 0.95 * peak
    steps: Counter[int] = Counter()
    for scene in crowd.scenes:
        steps[scene.outcome] += scene.steps
    assert steps[504] <= 0.03 * steps.total()
    refused = [scene for scene in crowd.scenes if scene.outcome == 429]
    assert len(refused) > len(crowd.scenes) / 2
    assert steps[429] <= 0.005 * steps.total(), "a refusal costs no work"


def test_no_tenant_starves_another() -> None:
    crowd = Crowd()
    for at in arrivals(5 * FULL, UNTIL_S, seed=1):
        crowd.send(at, 20, 120.0, "greedy")
    for at in arrivals(0.3 * FULL, UNTIL_S, seed=2):
        crowd.send(at, 20, 10.0, "modest")
    crowd.run(UNTIL_S)
    ended = Counter((scene.tenant, scene.outcome) for scene in crowd.scenes if scene.outcome)
    modest = sum(ended["modest", outcome] for outcome in (200, 429, 504))
    assert ended["modest", 200] >= 0.95 * modest, ended
    assert ended["greedy", 200] >= 0.6 * FULL * (UNTIL_S - FROM_S), "the other tenant gets the rest"


def test_batch_work_is_done_in_the_end_however_much_else_is_requested() -> None:
    crowd, dice = Crowd(), random.Random(3)
    for at in arrivals(5 * FULL, UNTIL_S, seed=3):
        crowd.send(at, dice.choice(STEPS), dice.uniform(10.0, 120.0))
    for at in range(0, int(UNTIL_S - 60), 5):
        crowd.send(float(at), 20, 60.0, "jobs", "batch")
    crowd.run(UNTIL_S)
    assert {scene.outcome for scene in crowd.scenes if scene.tenant == "jobs"} == {200}


def test_interactive_cost_goes_before_batch_work() -> None:
    def slowest(batch: int) -> float:
        crowd = Crowd()
        for at in arrivals(0.5 * FULL, UNTIL_S, seed=4):
            crowd.send(at, 20, 60.0)
        for _ in range(batch):
            crowd.send(0.0, 30, 1_000.0, "jobs", "batch")
        crowd.run(UNTIL_S)
        requested = [scene for scene in crowd.scenes if scene.tenant != "jobs"]
        assert all(scene.outcome in (0, 200) for scene in requested)
        return max(scene.ended_at - scene.arrived_at for scene in requested if scene.outcome)

    assert slowest(batch=6) <= 1.5 * slowest(batch=0)


def test_two_greedy_tenants_share_alike() -> None:
    crowd = Crowd()
    for tenant, load in (("much", 4.0), ("more", 8.0)):
        for at in arrivals(load * FULL, UNTIL_S, seed=len(tenant) + int(load)):
            crowd.send(at, 20, 30.0, tenant)
    crowd.run(UNTIL_S)
    done = Counter(scene.tenant for scene in crowd.scenes if scene.outcome == 200)
    assert done["much"] == pytest.approx(done["more"], rel=0.15)
