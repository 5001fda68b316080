from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from deployments.messages import LayerJob
from serve.graph.fair_queue import LayerFairQueue


def layer(tenant: str = "", steps: int = 4, **more: Any) -> LayerJob:
    requested: dict[str, Any] = {"deadline_at": 1e9} | more
    return LayerJob(
        request_id="id",
        kind="character",
        prompt="a",
        num_inference_steps=steps,
        guidance_scale=7.5,
        seed=1,
        width_px=500,
        height_px=500,
        tenant=tenant,
        **requested,
    )


def served(
    order: LayerFairQueue, waiting: list[tuple[LayerJob, float]], count: int, now: float = 0.0
) -> list[str]:
    waiting = list(waiting)
    return [waiting.pop(order.next(waiting, now))[0].tenant for _ in range(count)]


def test_one_tenant_is_served_as_it_came() -> None:
    order, jobs = LayerFairQueue(), [(layer(steps=steps), 0.0) for steps in (9, 1, 5)]
    assert [order.next(jobs, 0.0) for _ in range(2)] == [0, 0]


def test_tenants_alternate_whichever_came_first() -> None:
    waiting = [(layer("a"), 0.0)] * 4 + [(layer("b"), 1.0)] * 2
    assert served(LayerFairQueue(), waiting, 6) == ["a", "b", "a", "b", "a", "a"]


def test_slots_are_held_as_long_as_their_work() -> None:
    waiting = [(layer("large", steps=40), 0.0)] * 2 + [(layer("small", steps=4), 1.0)] * 20
    taken = served(LayerFairQueue(), waiting, 12)
    assert Counter(taken) == {"large": 2, "small": 10}


def test_nobody_is_owed_anything_for_an_idle_hour() -> None:
    order = LayerFairQueue()
    served(order, [(layer("busy"), 0.0)] * 50, 50)
    waiting = [(layer("busy"), 0.0)] * 10 + [(layer("idle"), 1.0)] * 10
    assert Counter(served(order, waiting, 10)) == {"busy": 5, "idle": 5}
    assert len(order._ends) <= 2, "tenants without work are forgotten"


def test_interactive_cost_goes_before_batch_work_of_any_tenant() -> None:
    waiting = [(layer("b", priority="batch"), 0.0)] * 2 + [(layer("a"), 1.0)] * 3
    assert served(LayerFairQueue(), waiting, 5) == ["a", "a", "a", "b", "b"]


def test_batch_work_past_the_middle_of_its_time_is_not_delayed() -> None:
    waiting = [(layer("b", priority="batch", deadline_at=100.0), 0.0)] + [(layer("a"), 1.0)] * 3
    assert served(LayerFairQueue(), waiting, 2, now=49.0) == ["a", "a"]
    assert served(LayerFairQueue(), waiting, 1, now=50.0) == ["b"]


@given(some.lists(some.tuples(some.sampled_from("abc"), some.integers(1, 20)), min_size=1, max_size=60))
def test_while_two_wait_neither_gets_more_than_a_piece_of_work_ahead(
    requested: list[tuple[str, int]],
) -> None:
    order, waiting = LayerFairQueue(), [(layer(tenant, steps), 0.0) for tenant, steps in requested]
    got: Counter[str] = Counter()
    largest = max(steps for _, steps in requested)
    while waiting:
        job, _ = waiting.pop(order.next(waiting, 0.0))
        got[job.tenant] += job.num_inference_steps
        still = {other.tenant for other, _ in waiting}
        assert (
            max((got[name] for name in still), default=0) - min((got[name] for name in still), default=0)
            <= 2 * largest
        )
