"""The joint policy as a function: bounded, monotone, quick upwards, slow downwards, joint for all layers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.autoscaling.decide import (
    BranchLoad,
    Goal,
    arrival_rate,
    decide,
    required,
    staffing,
)

GOAL = Goal(latency_s=8.0, other_s=0.5, hold_s=60.0, idle_s=300.0)
IDLE = BranchLoad(offered=0.0, backlog_s=0.0, service_s=3.0, replicas=1, least=1, most=40)

seconds = st.floats(0.0, 500.0)
loads = st.builds(
    BranchLoad,
    offered=st.floats(0.0, 60.0),
    backlog_s=seconds,
    service_s=st.floats(0.01, 20.0),
    replicas=st.integers(0, 40),
    least=st.integers(0, 3),
    most=st.integers(3, 40),
)


def both(character: BranchLoad, background: BranchLoad) -> dict[str, BranchLoad]:
    return {"Character": character, "Background": background}


def first_decision(character: BranchLoad, background: BranchLoad, goal: Goal = GOAL) -> dict[str, int]:
    return decide(both(character, background), goal, {}, 0.0)[0]


@given(loads, loads, st.one_of(st.none(), st.integers(6, 60)))
def test_within_bounds_and_budget(character: BranchLoad, background: BranchLoad, budget: int | None) -> None:
    counts = first_decision(character, background, replace(GOAL, budget=budget))
    for name, load in both(character, background).items():
        assert load.least <= counts[name] <= load.most
    assert budget is None or sum(counts.values()) <= budget


@given(loads, st.floats(0.0, 20.0), seconds)
def test_more_work_never_requests_less(load: BranchLoad, offered: float, backlog_s: float) -> None:
    more = replace(load, offered=load.offered + offered, backlog_s=load.backlog_s + backlog_s)
    assert required(more, GOAL, 4.0, 0.95) >= required(load, GOAL, 4.0, 0.95)


@given(loads, st.floats(0.1, 20.0))
def test_a_tighter_goal_never_requests_less(load: BranchLoad, wait_s: float) -> None:
    assert required(load, GOAL, wait_s / 2, 0.95) >= required(load, GOAL, wait_s, 0.95)
    assert required(load, GOAL, wait_s, 0.99) >= required(load, GOAL, wait_s, 0.95)


@given(st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.0, 30.0)), min_size=2, max_size=30))
def test_it_shrinks_only_after_the_demand_was_lower_for_all_of_the_hold(
    steps: list[tuple[float, float]],
) -> None:
    now, histories, count = 0.0, {}, 1
    wishes: list[tuple[float, int]] = []
    for pause_s, offered in steps:
        now += pause_s
        load = replace(IDLE, offered=offered, replicas=count)
        wishes.append((now, required(load, GOAL, GOAL.latency_s - GOAL.other_s - load.service_s, 0.95)))
        counts, histories = decide({"Character": load}, GOAL, histories, now)
        recent = [wish for at, wish in wishes if now - at <= GOAL.hold_s]
        assert counts["Character"] == max(1, *recent)
        count = counts["Character"]


def test_a_load_that_wavers_does_not_flap() -> None:
    histories, count, changes = {}, 1, 0
    for second in range(300):
        load = replace(IDLE, offered=5.0 + math.sin(second), replicas=count)
        counts, histories = decide({"Character": load}, GOAL, histories, float(second))
        changes += counts["Character"] != count
        count = counts["Character"]
    assert changes <= 2


@pytest.mark.parametrize("least", [0, 1])
def test_zero_only_where_requested_and_after_long_idleness(least: int) -> None:
    busy = replace(IDLE, offered=2.0, least=least)
    _, histories = decide({"Character": busy}, GOAL, {}, 0.0)
    idle = replace(IDLE, least=least)
    at = {}
    for now in (GOAL.hold_s + 1, GOAL.idle_s - 1, GOAL.idle_s + 1):
        counts, histories = decide({"Character": idle}, GOAL, histories, now)
        at[now] = counts["Character"]
    assert list(at.values()) == [1, 1, least]


def test_the_last_one_is_held_as_long_as_any() -> None:
    goal = replace(GOAL, hold_s=300.0, idle_s=60.0)
    busy, idle = replace(IDLE, offered=0.5, least=0), replace(IDLE, least=0)
    counts, histories = decide({"Character": busy}, goal, {}, 0.0)
    needed = counts["Character"]
    seen = []
    for now in (goal.idle_s + 1, goal.hold_s - 1, goal.hold_s + 1):
        counts, histories = decide({"Character": idle}, goal, histories, now)
        seen.append(counts["Character"])
    assert seen == [needed, needed, 0]


def test_one_waiting_request_ends_zero() -> None:
    asleep = replace(IDLE, replicas=0, least=0, service_s=0.0, backlog_s=1e-3)
    assert decide({"Character": asleep}, GOAL, {}, 0.0)[0] == {"Character": 1}


def test_each_branch_has_its_own_service_time() -> None:
    rate = 4.0
    slow = replace(IDLE, offered=rate * 4.0, service_s=4.0)
    fast = replace(IDLE, offered=rate * 2.0, service_s=2.0)
    counts = first_decision(slow, fast)
    assert counts["Character"] > counts["Background"] > rate * 2.0


def test_neither_shrinks_while_the_other_grows() -> None:
    growing = replace(IDLE, offered=12.0, replicas=2)
    resting = replace(IDLE, replicas=9)
    assert first_decision(growing, resting)["Background"] == 9
    assert first_decision(replace(growing, replicas=40), resting)["Background"] == 1


def test_a_shortage_is_shared_so_that_both_are_equally_busy() -> None:
    slow = replace(IDLE, offered=24.0, service_s=3.0)
    fast = replace(IDLE, offered=8.0, service_s=1.0)
    assert first_decision(slow, fast, replace(GOAL, budget=16)) == {"Character": 12, "Background": 4}


def test_a_backlog_calls_for_more_until_it_is_worked_off() -> None:
    steady = replace(IDLE, offered=5.0, backlog_s=5.0 * IDLE.service_s)
    behind = replace(steady, backlog_s=steady.backlog_s + 10 * GOAL.catch_up_s)
    assert first_decision(steady, steady) == first_decision(
        replace(steady, backlog_s=0.0), replace(steady, backlog_s=0.0)
    )
    assert first_decision(behind, behind)["Character"] == 15


@pytest.mark.parametrize(
    ("offered", "wait_s", "least", "most"),
    [
        # At 3 s of service and 15 busy servers, 18 keep the 95th percentile of a simulated queue under 4 s.
        (15.0, 1.0, 18, 18),
        (0.1, 10.0, 1, 1),
        (0.9, 0.1, 3, 5),
    ],
)
def test_staffing(offered: float, wait_s: float, least: int, most: int) -> None:
    assert least <= staffing(offered, 3.0, wait_s, 0.05, 100) <= most


def test_staffing_is_always_stable_and_never_over_the_most() -> None:
    assert staffing(7.0, 1.0, 1e9, 0.5, 100) == 8
    assert staffing(7.0, 1.0, 1.0, 0.05, 5) == 5
    assert staffing(0.0, 1.0, 1.0, 0.05, 5) == 0


WINDOWS_S = (5, 10, 20, 40, 60)


@pytest.mark.parametrize(
    ("counts", "age_s", "rate"),
    [
        ((8, 12, 20, 40, 60), 900.0, 1.0),  # a steady load, with a few more requests by chance
        ((40, 45, 55, 75, 95), 900.0, 8.0),  # eight times as many in the last five seconds
        ((40, 80, 160, 180, 200), 900.0, 8.0),  # the same twenty seconds later
        ((0, 0, 100, 200, 300), 900.0, 0.0),  # no requests for the last ten seconds
        ((2, 2, 2, 2, 2), 2.0, 1.0),  # counted for only two seconds
        ((0, 0, 0, 0, 0), 900.0, 0.0),
        ((0, 0, 0, 0, 0), 0.0, 0.0),
    ],
)
def test_chance_does_not_move_the_rate_and_a_change_does(
    counts: tuple[int, ...], age_s: float, rate: float
) -> None:
    assert arrival_rate(counts, WINDOWS_S, age_s) == pytest.approx(rate)


@pytest.mark.parametrize(
    "wrong", [{"quantile": 1.0}, {"latency_s": 0.0}, {"hold_s": -1.0}, {"budget": 0}], ids=str
)
def test_a_goal_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Goal(**wrong)  # type: ignore[arg-type]


def test_models_of_one_layer_are_alternatives_and_not_both_waited_for() -> None:
    busy = replace(IDLE, offered=3.0, service_s=2.0, replicas=4)
    one = {"Character": replace(busy, layer="Character"), "Background": replace(busy, layer="Background")}
    two = one | {"Character-b": replace(busy, layer="Character")}
    alone, beside = (decide(each, GOAL, {}, 0.0)[0] for each in (one, two))
    assert {name: beside[name] for name in one} == alone


def test_a_model_may_shrink_while_another_of_its_layer_grows() -> None:
    growing = replace(IDLE, offered=9.0, service_s=2.0, replicas=2, layer="Character")
    resting = replace(IDLE, replicas=9, layer="Character")
    other_layer = replace(IDLE, replicas=9, layer="Background")
    counts, _ = decide(
        {"Character": growing, "Character-b": resting, "Background": other_layer}, GOAL, {}, 0.0
    )
    assert counts["Character"] > 2
    assert (counts["Character-b"], counts["Background"]) == (resting.least, 9)
