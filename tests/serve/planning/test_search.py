from __future__ import annotations

import pytest

from serve.planning.device_profile import LayerProfile, Profile
from serve.planning.report import as_data, as_text
from serve.planning.search import Goal, NoPlan, Planner
from serve.planning.simulation import Setup

THREE_SECONDS = LayerProfile(steps=1, encode_s=0.0, step_s={1: 3.0}, decode_s=0.0)
PROFILE = Profile(
    device="test card", backend="simulated", character=THREE_SECONDS, background=THREE_SECONDS, merge_s=0.0
)


def test_the_fewest_that_keep_the_goal() -> None:
    planner = Planner(PROFILE, Goal(rps=2.0, latency_s=6.0), scenes=3_000)
    plan = planner.plan()
    chosen = plan.chosen.setup
    assert planner.meets(chosen)
    assert chosen.gpus >= 14  # The load keeps six of each busy, so six alone would never catch up.
    for less in plan.cheaper:
        assert less.setup.gpus == chosen.gpus - 1
        assert not planner.meets(less.setup)
    assert (plan.spare.character, plan.spare.background) == (chosen.character + 1, chosen.background + 1)


def test_the_slower_branch_gets_more() -> None:
    quick = LayerProfile(steps=1, encode_s=0.0, step_s={1: 1.0}, decode_s=0.0)
    lopsided = PROFILE.model_copy(update={"background": quick})
    chosen = Planner(lopsided, Goal(rps=2.0, latency_s=6.0), scenes=2_000).plan().chosen.setup
    assert chosen.character > chosen.background >= 3


def test_several_figures_need_so_many_times_the_replicas() -> None:
    plan = Planner(PROFILE, Goal(rps=1.0, latency_s=8.0, figures=3), scenes=1_000).plan()
    assert plan.chosen.setup.character > 9 > plan.chosen.setup.background
    assert "1 scenes/s of 3 figures" in as_text(plan, PROFILE)
    assert as_data(plan, PROFILE)["figures"] == 3


def test_a_goal_below_the_time_of_one_scene_is_refused_with_the_reason() -> None:
    with pytest.raises(NoPlan, match=r"takes 3\.00 s on test card, so no number of replicas meets 2 s"):
        Planner(PROFILE, Goal(rps=1.0, latency_s=2.0), scenes=500).plan()


def test_a_load_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(NoPlan, match="more than 512 replicas"):
        Planner(PROFILE, Goal(rps=200.0, latency_s=9.0), scenes=500).plan()


def test_the_report_says_what_it_costs_and_why_less_fails() -> None:
    plan = Planner(PROFILE, Goal(rps=1.0, latency_s=6.0), scenes=2_000).plan()
    text, data = as_text(plan, PROFILE), as_data(plan, PROFILE)
    gpus = plan.chosen.setup.gpus
    for said in (
        "test card (a simulated profile: no device was measured)",
        f"GPUs: {gpus}, {24 * gpus} GPU-hours a day",
        "waiting for the slower branch",
        "the next cheaper",
        "autoscaled over half an hour",
        "fails: p95",
    ):
        assert said in text
    assert data["chosen"]["gpus"] == gpus
    assert 0.5 * gpus < data["autoscaled"]["gpus"] < 2 * gpus
    assert data["chosen"]["latency_s"]["p95"] <= 6.0 < data["cheaper"][0]["latency_s"]["p95"]


def test_equal_seeds_give_equal_plans() -> None:
    plans = [Planner(PROFILE, Goal(1.0, 6.0), scenes=1_000, seed=seed).plan() for seed in (4, 4)]
    assert plans[0].chosen.setup == plans[1].chosen.setup
    assert isinstance(plans[0].chosen.setup, Setup)
