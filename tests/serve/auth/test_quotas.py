from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.messages import LayerJob
from serve.auth.quotas import Quota
from serve.http.error_responses import Refusal
from serve.routes.charges import cost


def test_the_cost_of_work() -> None:
    job = LayerJob(
        request_id="id",
        kind="character",
        prompt="a",
        num_inference_steps=20,
        guidance_scale=7.5,
        seed=1,
        width_px=500,
        height_px=400,
        deadline_at=0.0,
    )
    assert cost(job, job) == pytest.approx(8.0)


def test_without_a_rate_there_are_no_bounds() -> None:
    for _ in range(10):
        Quota().spend(1e9, 0)


def test_a_bucket_fills_with_time_and_no_further_than_its_burst() -> None:
    quota = Quota(rate=2, burst=10)
    quota.spend(10, 0)
    with pytest.raises(Refusal) as refused:
        quota.spend(4, 1)
    assert (refused.value.status, refused.value.code) == (429, "rate_limited")
    assert refused.value.retry_after_s == pytest.approx(1.0)
    quota.spend(4, 2)
    quota.spend(10, 1_000)
    with pytest.raises(Refusal):
        quota.spend(1, 1_000)


def test_what_never_fits_is_distinguished() -> None:
    with pytest.raises(Refusal) as refused:
        Quota(rate=2, burst=10).spend(11, 0)
    assert refused.value.status == 422


def test_requests_at_once() -> None:
    quota, now = Quota(concurrent=2), 0.0

    def clock() -> float:
        return now

    with quota.under_way(clock):
        now = 6.0
    with ExitStack() as inside:
        inside.enter_context(quota.under_way(clock))
        now = 7.0
        inside.enter_context(quota.under_way(clock))
        with pytest.raises(Refusal) as refused, quota.under_way(clock):
            pass
        assert refused.value.retry_after_s == pytest.approx(5.0), (
            "the last request took 6 s, the oldest has run for 1"
        )
    with quota.under_way(clock), quota.under_way(clock):
        """Both are admitted again."""


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), max_size=50))
def test_never_more_than_burst_and_rate_allow(requested: list[tuple[float, float]]) -> None:
    quota, now, spent = Quota(rate=1, burst=5), 0.0, 0.0
    for amount, pause in requested:
        now += pause
        try:
            quota.spend(amount, now)
        except Refusal:
            continue
        spent += amount
        assert spent <= 5 + now + 1e-6


def test_a_quota_that_is_full_again_is_as_good_as_new() -> None:
    quota = Quota(rate=1.0, burst=10.0)
    assert quota.is_new(0.0)
    quota.spend(4.0, 0.0)
    assert not quota.is_new(3.9)
    assert quota.is_new(4.0)
    with quota.under_way(lambda: 5.0):
        assert not quota.is_new(100.0)
    assert Quota().is_new(0.0)


def test_what_was_given_back_can_be_spent_again_and_no_more_than_that() -> None:
    quota = Quota(rate=1.0, burst=10.0)
    quota.spend(8.0, 0.0)
    quota.give_back(8.0)
    quota.give_back(8.0)
    quota.spend(10.0, 0.0)
    with pytest.raises(Refusal):
        quota.spend(0.1, 0.0)


def test_what_is_larger_than_all_that_is_allowed_at_once_costs_all_of_it() -> None:
    assert Quota(rate=1.0, burst=50.0).at_once(52.4) == 50.0
    assert Quota(rate=1.0).at_once(52.4) == 1.0
    assert Quota(rate=1.0, burst=50.0).at_once(7.0) == 7.0
    assert Quota().at_once(52.4) == 52.4
    Quota(rate=1.0, burst=50.0).spend(Quota(rate=1.0, burst=50.0).at_once(52.4), 0.0)
