from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from serve.auth.key_store import KeyStore
from serve.auth.quota_store import BUDGET_SHARE, Limits, Loan, OverQuota, QuotaStore, spend_budget
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.webhooks import outbox

RATE = Limits(rate=2.0, burst=10.0)
BUDGET = Limits(monthly_budget=100.0)
DAY_S = 86_400.0
NOVEMBER = datetime(2026, 11, 29, tzinfo=UTC).timestamp()


@pytest.fixture
def store(engine: Engine) -> QuotaStore:
    KeyStore(engine).create("a", ("generate",), monthly_budget=100.0)
    KeyStore(engine).create("b", ("generate",))
    return QuotaStore(engine)


def over(store: QuotaStore, amount: float, limits: Limits, now: float) -> OverQuota:
    with pytest.raises(OverQuota) as raised:
        store.borrow("a", amount, limits, now)
    return raised.value


def test_no_more_is_lent_than_the_burst_and_what_the_rate_has_given(store: QuotaStore) -> None:
    assert store.borrow("a", 9.5, RATE, 0.0).amount == pytest.approx(9.5 + 0.5 / 8)
    refused = over(store, 4.4375, RATE, 1.0)
    assert (refused.reason, refused.wait_s) == ("rate", pytest.approx(1.0))
    assert store.borrow("a", 4.4375, RATE, 2.0).amount == pytest.approx(4.4375)
    # Much later the burst is available again, and no more.
    assert over(store, 10.1, RATE, 1e6).reason == "rate"
    assert store.borrow("a", 10.0, RATE, 1e6).amount == 10.0


def test_a_replica_is_lent_more_than_it_needs_where_there_is_plenty(store: QuotaStore) -> None:
    assert store.borrow("a", 1.0, RATE, 0.0).amount == pytest.approx(1.0 + 9.0 / 8)
    plenty = Limits(rate=2.0, burst=1e6)
    assert store.borrow("b", 1.0, plenty, 0.0).amount == pytest.approx(1.0 + 2.0)
    assert store.borrow("b", 1.0, Limits(monthly_budget=641.0 + 3.0), 0.0).amount == pytest.approx(
        1.0 + 640.0 / BUDGET_SHARE
    )


def test_a_month_s_budget_ends_and_the_next_begins(store: QuotaStore) -> None:
    assert store.borrow("a", 100.0, BUDGET, NOVEMBER).amount == 100.0
    refused = over(store, 1.0, BUDGET, NOVEMBER)
    assert (refused.reason, refused.wait_s, refused.first) == ("budget", 2 * DAY_S, True)
    assert not over(store, 1.0, BUDGET, NOVEMBER + 1).first
    assert store.borrow("a", 100.0, BUDGET, NOVEMBER + 2 * DAY_S).amount == 100.0
    december = over(store, 1.0, BUDGET, NOVEMBER + 3 * DAY_S)
    assert (december.wait_s, december.first) == (30 * DAY_S, True)


def test_the_first_refusal_of_a_month_is_reported_where_there_is_an_address(
    store: QuotaStore, engine: Engine
) -> None:
    over(store, 101.0, BUDGET, NOVEMBER)
    assert outbox.listed(engine) == []
    KeyStore(engine).limit("a", budget_webhook="https://hooks.example.com/b")
    december = NOVEMBER + 3 * DAY_S
    for _ in range(2):
        over(store, 101.0, BUDGET, december)
    (delivery,) = outbox.claim(engine, 10, now=december)
    assert (delivery.owner, delivery.job_id, delivery.url) == ("a", None, "https://hooks.example.com/b")
    assert outbox.body_of(engine, delivery) == {
        "type": "budget.exhausted",
        "timestamp": "2026-12-02T00:00:00+00:00",
        "data": {"tenant": "a", "month": "2026-12", "monthly_budget": 100.0},
    }
    assert outbox.forget(engine, december + outbox.KEPT_S + 1) == 0  # it is not sent yet
    outbox.delivered(engine, delivery, december)
    assert outbox.forget(engine, december + outbox.KEPT_S + 1) == 1


def test_a_reported_budget_keeps_no_ended_job(store: QuotaStore, engine: Engine) -> None:
    KeyStore(engine).limit("a", budget_webhook="https://hooks.example.com/b")
    over(store, 101.0, BUDGET, NOVEMBER)
    jobs, leases = JobStore(engine), Leases(engine, lease_s=10, max_attempts=3, max_losses=4)
    jobs.submit("j", "a", [NewScene("{}", 60.0)], now=0.0)
    jobs.cancel("a", "j", now=0.0)
    assert leases.forget(10.0, now=100.0) == 1


def test_what_comes_back_can_be_lent_again_in_its_own_month(store: QuotaStore) -> None:
    both = Limits(rate=1e-9, burst=10.0, monthly_budget=10.0)
    loan = store.borrow("a", 10.0, both, NOVEMBER)
    store.give_back("a", Loan(4.0, loan.month))
    assert store.borrow("a", 4.0, both, NOVEMBER).amount == pytest.approx(4.0)
    december = NOVEMBER + 2 * DAY_S
    store.give_back("a", loan)
    assert store.borrow("a", 10.0, Limits(monthly_budget=10.0), december).amount == 10.0
    store.give_back("a", loan)  # from November, so December's budget does not change
    assert over(store, 1.0, Limits(monthly_budget=10.0), december).reason == "budget"


def test_a_clock_that_was_set_back_takes_nothing(store: QuotaStore) -> None:
    store.borrow("a", 5.0, Limits(rate=1.0, burst=10.0), 100.0)
    assert store.borrow("a", 4.0, Limits(rate=1.0, burst=10.0), 50.0).amount >= 4.0


def test_what_jobs_paint_counts_in_the_month_too(store: QuotaStore, engine: Engine) -> None:
    with engine.begin() as connection:
        spend_budget(connection, "a", 70.0, NOVEMBER)
        spend_budget(connection, "a", 25.0, NOVEMBER)
        spend_budget(connection, "b", 5.0, NOVEMBER)  # b has no budget
        spend_budget(connection, "", 5.0, NOVEMBER)
    assert over(store, 6.0, BUDGET, NOVEMBER).reason == "budget"
    assert store.borrow("a", 5.0, BUDGET, NOVEMBER).amount == pytest.approx(5.0)
    with engine.begin() as connection:
        spend_budget(connection, "a", 500.0, NOVEMBER)  # admitted work is finished
    assert over(store, 1.0, BUDGET, NOVEMBER).reason == "budget"


def test_replicas_at_once_are_lent_no_more_than_there_is(store: QuotaStore) -> None:
    slow = Limits(rate=1e-9, burst=12.0)

    def borrow(_: int) -> float:
        lent = 0.0
        for _ in range(10):
            try:
                lent += store.borrow("a", 0.5, slow, 0.0).amount
            except OverQuota:
                return lent
        return lent

    with ThreadPoolExecutor(4) as threads:
        lent = sum(threads.map(borrow, range(4)))
    assert 11.0 < lent <= 12.0 + 1e-6
