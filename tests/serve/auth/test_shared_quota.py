"""The limits of a tenant, across two edge replicas that share only the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from deployments.errors import NotReady
from serve.auth import shared_quota
from serve.auth.key_store import KeyStore, open_keys
from serve.auth.quota_store import Limits, Loan, QuotaStore
from serve.auth.quotas import OverLimit
from serve.auth.shared_quota import SharedQuota
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.error_responses import Refusal
from serve.ingress import build_http
from tests.support.job_requests import ended, submit, working
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE

SMALL = {"num_inference_steps": 4, "width": 64, "height": 96}
COST = 5 * 64 * 96 / 1e6
"""The cost of four steps and the file."""
Replica = Callable[[], httpx.AsyncClient]


class Counted(QuotaStore):
    """A store that counts its transactions; `down` makes each one fail."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.trips, self.down = 0, False
        self.given: list[Loan] = []
        self.gate = threading.Event()
        self.gate.set()

    def borrow(self, *arguments: Any, **more: Any) -> Loan:
        self.trips += 1
        if self.down:
            raise OperationalError("connect", None, Exception("down"))
        assert self.gate.wait(60)
        return super().borrow(*arguments, **more)

    def give_back(self, tenant: str, loan: Loan) -> None:
        super().give_back(tenant, loan)
        self.given.append(loan)


@pytest.fixture
def store(engine: Engine) -> Counted:
    KeyStore(engine).create("a", ("generate",))
    return Counted(engine)


def quota(store: QuotaStore, **limits: float) -> SharedQuota:
    return SharedQuota("a", Limits(**limits), None, lambda: store)


async def spent(quotas: list[SharedQuota], amount: float, most: int = 1_000) -> float:
    """Spend from the quotas in turn until all refuse; return the amount."""
    total = 0.0
    for _ in range(most):
        refused = 0
        for each in quotas:
            try:
                await each.charge(amount, 0.0)
                total += amount
            except OverLimit:
                refused += 1
        if refused == len(quotas):
            return total
    raise AssertionError("the quotas never refused")


@pytest.mark.parametrize(
    "limits", [{"rate": 1e-9, "burst": 10.0}, {"monthly_budget": 10.0}], ids=["rate", "budget"]
)
async def test_several_replicas_spend_no_more_than_one_may(store: Counted, limits: dict[str, float]) -> None:
    replicas = [quota(store, **limits) for _ in range(3)]
    # At the end, the part that another replica has borrowed may be missing.
    assert 8.0 <= await spent(replicas, 0.25) <= 10.0 + 1e-6


async def test_most_requests_wait_for_no_database(store: Counted) -> None:
    one = quota(store, rate=100.0, burst=1_000.0)
    for _ in range(100):
        await one.charge(1.0, 0.0)
    assert store.trips <= 5
    without = quota(store)
    await without.charge(1e9, 0.0)
    assert store.trips <= 5


async def test_a_crowd_at_once_shares_what_one_of_it_borrows(store: Counted) -> None:
    one = quota(store, rate=100.0, burst=1_000.0)
    await asyncio.gather(*(one.charge(1.0, 0.0) for _ in range(50)))
    assert store.trips <= 5


async def test_what_nobody_spends_comes_back_for_the_others(
    store: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_quota, "IDLE_S", 0.01)
    one, other = (quota(store, rate=1e-9, burst=8.0, monthly_budget=8.0) for _ in range(2))
    await one.charge(8.0, 0.0)
    one.give_back(8.0)  # nothing was painted
    await eventually(lambda: store.given)
    await other.charge(8.0, 0.0)
    with pytest.raises(OverLimit):
        await one.charge(0.1, 0.0)


async def test_who_leaves_while_it_borrows_loses_nothing(store: Counted) -> None:
    one = quota(store, rate=1e-9, burst=8.0)
    store.gate.clear()
    leaving = asyncio.ensure_future(one.charge(8.0, 0.0))
    await eventually(lambda: store.trips)
    leaving.cancel()
    assert isinstance((await asyncio.gather(leaving, return_exceptions=True))[0], asyncio.CancelledError)
    store.gate.set()

    async def taken() -> bool:
        try:
            await one.charge(8.0, 0.0)
        except OverLimit:
            return False
        return True

    await eventually(taken)


async def test_without_its_database_work_is_refused_and_not_given_away(store: Counted) -> None:
    one = quota(store, rate=1.0, burst=8.0)
    store.down = True
    with pytest.raises(NotReady):
        await one.charge(1.0, 0.0)
    store.down = False
    await one.charge(8.0, 0.0)


@pytest.mark.parametrize("limits", [{"rate": 1.0, "burst": 4.0}, {"monthly_budget": 4.0}])
async def test_what_is_never_allowed_is_no_matter_of_time(store: Counted, limits: dict[str, float]) -> None:
    with pytest.raises(Refusal) as refused:
        await quota(store, **limits).charge(5.0, 0.0)
    assert (refused.value.status, refused.value.code) == (422, "invalid_request")


async def test_an_empty_budget_is_seen_by_what_costs_nothing_yet(store: Counted) -> None:
    one = quota(store, monthly_budget=4.0)
    await one.check_budget()
    await one.charge(4.0 - 1e-6, 0.0)
    with pytest.raises(OverLimit):
        await quota(store, monthly_budget=4.0).check_budget()


@pytest.fixture
async def replica(config: ServiceConfig, graph: Graph, tmp_path: Path) -> AsyncIterator[Replica]:
    """Yield edge replicas of one service, with a key whose tenant may paint three small pictures."""
    keyed = config.model_copy(update={"state_dir": str(tmp_path), "authentication": "required"})
    _, whole = open_keys(tmp_path).create("a", ("generate", "jobs"), rate=1e-6, burst=3.5 * COST)
    clients: list[httpx.AsyncClient] = []

    def make() -> httpx.AsyncClient:
        transport = httpx.ASGITransport(served(build_http(keyed, graph)), raise_app_exceptions=True)
        headers = {"Authorization": f"Bearer {whole}"}
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


async def test_jobs_are_taken_from_the_month_and_refused_once_it_is_used_up(
    config: ServiceConfig, graph: Graph, tmp_path: Path
) -> None:
    jobs = replace(config.jobs, poll_s=0.02)
    changes = {"state_dir": str(tmp_path), "authentication": "required", "jobs": jobs}
    keyed = config.model_copy(update=changes)
    _, whole = open_keys(tmp_path).create("a", ("generate", "jobs"), monthly_budget=0.01)
    transport = httpx.ASGITransport(served(build_http(keyed, graph)), raise_app_exceptions=True)
    headers = {"Authorization": f"Bearer {whole}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        job_id = await submit(client, SCENE | {"seed": 9400})
        async with working(keyed, graph):
            assert (await ended(client, job_id))["status"] == "succeeded"

        async def refused() -> httpx.Response | None:
            answer = await client.post("/v1/jobs", json={"scenes": [SCENE]})
            return answer if answer.status_code == 429 else None

        # The amount that the first check borrowed is returned within seconds.
        answer = await eventually(refused)
        assert answer.json()["error"]["code"] == "rate_limited"
        assert 0 < int(answer.headers["Retry-After"]) <= 31 * 86_400
        usage = (await client.get("/v1/usage")).json()
        assert usage["total"]["pictures"] >= 1


async def test_the_rate_of_a_tenant_holds_over_http_and_two_replicas(replica: Replica) -> None:
    replicas, statuses = [replica(), replica()], list[int]()
    for number in range(8):
        body = {"prompt": "someone", "seed": 9300 + number, **SMALL}
        answer = await replicas[number % 2].post("/v1/characters", json=body)
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            assert answer.json()["error"]["code"] == "rate_limited"
            assert int(answer.headers["Retry-After"]) > 0
    assert statuses.count(200) in (2, 3) and set(statuses) == {200, 429}
