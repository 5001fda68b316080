"""Admission control by a clock that does not advance by itself; a layer is one megapixel-step."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from deployments.errors import DeadlineExceeded, Overloaded
from deployments.messages import LayerJob, LayerKind
from deployments.reports.routing_stats import RoutingStats
from serve.graph.admission_control import (
    AFTERWARDS_S,
    CAUTION,
    STALE_S,
    AdmissionControl,
    Speed,
)
from tests.support.fake_replicas import FakeReplicas


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def layer(deadline_s: float = 1e6, tenant: str = "", **more: Any) -> LayerJob:
    requested: dict[str, Any] = {
        "kind": "character",
        "num_inference_steps": 4,
        "guidance_scale": 7.5,
        "seed": 1,
    }
    size = {"width_px": 500, "height_px": 500}
    return LayerJob(
        request_id="id",
        prompt="a",
        deadline_at=Clock.now + deadline_s,
        tenant=tenant,
        **(requested | size | more),
    )


def one_a_second(interactive: float = 0.0, **more: Any) -> FakeReplicas:
    return FakeReplicas([RoutingStats(1.0, 0.5, interactive)], **more)


def control(
    replicas: FakeReplicas | None = None, clock: Clock | None = None, places: int = 100
) -> AdmissionControl:
    def known(kind: LayerKind) -> FakeReplicas | None:
        return replicas

    return AdmissionControl(known, {"character": places, "background": places}, clock or Clock())


def refused(made: AdmissionControl, *jobs: LayerJob) -> Overloaded:
    with pytest.raises(Overloaded) as raised, made.admit(*jobs):
        pass
    return raised.value


def test_a_deadline_is_refused_where_the_work_before_it_takes_longer() -> None:
    made = control(one_a_second())
    with ExitStack() as inside:
        for _ in range(9):
            inside.enter_context(made.admit(layer()))
        needed_s = 10 * CAUTION + AFTERWARDS_S
        error = refused(made, layer(deadline_s=needed_s - 4))
        assert error.retry_after_s == pytest.approx(4.0), "until enough of the work is done"
        with made.admit(layer(deadline_s=needed_s + 0.01)):
            pass
    with made.admit(layer(deadline_s=needed_s - 4)):
        """The others have left."""


def test_twice_the_replicas_do_twice_the_work() -> None:
    made = control(FakeReplicas([RoutingStats(1.0, 0.5, 0.0), None]))
    with ExitStack() as inside:
        for _ in range(9):
            inside.enter_context(made.admit(layer()))
        with made.admit(layer(deadline_s=5 * CAUTION + AFTERWARDS_S + 0.01)):
            pass


def test_what_takes_too_long_even_alone_is_distinguished() -> None:
    made = control(one_a_second())
    with pytest.raises(DeadlineExceeded), made.admit(layer(deadline_s=0.4)):
        pass
    with made.admit(layer(deadline_s=0.6)):
        """Nothing is queued before it, so the replica decides."""


def test_nothing_is_refused_where_nothing_is_known() -> None:
    for replicas in (None, FakeReplicas(), FakeReplicas([None]), FakeReplicas([RoutingStats(0.0, 0.0, 0.0)])):
        made = control(replicas)
        with made.admit(layer(deadline_s=0.1)), made.admit(layer(deadline_s=0.1)):
            assert made.place_frees_in_s(layer()) is None


def test_what_others_sent_counts_and_our_own_only_once() -> None:
    clock = Clock()
    made = control(one_a_second(interactive=5.0), clock)
    tight = layer(deadline_s=5 * CAUTION + AFTERWARDS_S)
    assert refused(made, tight).retry_after_s == pytest.approx(CAUTION)
    with ExitStack() as inside:
        for _ in range(4):
            inside.enter_context(made.admit(layer()))
        assert refused(made, tight).retry_after_s == pytest.approx(CAUTION), (
            "our four are among the five that are reported"
        )
    quick = layer(deadline_s=2 * CAUTION + AFTERWARDS_S + 0.01)
    with made.admit(quick):
        """The replica has not yet reported that our four are done."""
    clock.now += STALE_S + 0.01
    refused(made, layer(deadline_s=STALE_S + 2 * CAUTION + AFTERWARDS_S))


def test_a_scene_is_admitted_whole_or_not_at_all() -> None:
    replicas = one_a_second(queued=Counter({"": 5}))
    made = AdmissionControl(lambda kind: replicas, {"character": 100, "background": 5}, Clock())
    refused(made, layer(), layer(kind="background"))
    assert made._inside == {"character": [], "background": []}


def test_a_new_tenant_waits_for_no_more_than_its_share() -> None:
    made = control(one_a_second())
    with ExitStack() as inside:
        for _ in range(50):
            inside.enter_context(made.admit(layer(tenant="greedy")))
        tight = 3 * CAUTION + AFTERWARDS_S
        refused(made, layer(tight, tenant="greedy"))
        with made.admit(layer(tight, tenant="modest")):
            refused(made, layer(tight, tenant="modest"))


def test_no_tenant_fills_the_queue() -> None:
    replicas = one_a_second(queued=Counter(greedy=79))
    made = control(replicas)
    with made.admit(layer(tenant="greedy")):
        pass
    replicas.queued["greedy"] = 80
    assert refused(made, layer(tenant="greedy")).retry_after_s == pytest.approx(1.0)
    with made.admit(layer(tenant="modest")):
        pass
    replicas.queued = Counter(greedy=44, modest=44)
    for tenant in ("greedy", "modest"):
        with made.admit(layer(tenant=tenant)):
            pass
    replicas.queued = Counter(greedy=45, modest=44)
    refused(made, layer(tenant="greedy"))


def test_a_refusal_says_when_so_many_places_are_free() -> None:
    made = control(FakeReplicas([RoutingStats(2.0, 0.5, 0.0)], queued=Counter(greedy=90)))
    error = refused(made, layer(tenant="greedy"))
    assert error.retry_after_s == pytest.approx(2.0 * 11), "there is room again at 79"


def test_a_cached_layer_is_no_work() -> None:
    replicas = one_a_second(interactive=50.0, queued=Counter({"": 100}))
    replicas.cached.add(layer().cache_key)
    with control(replicas).admit(layer(deadline_s=0.1)):
        pass
    refused(control(replicas), layer(seed=2))


def test_leaving_by_an_error_is_leaving() -> None:
    made = control(one_a_second())
    with pytest.raises(ValueError, match="x"), made.admit(layer()):
        raise ValueError("x")
    assert made._inside["character"] == []


def test_a_replica_that_cannot_paint_adds_no_speed() -> None:
    good, bad = RoutingStats(1.0, 0.5, 0.0), RoutingStats(0.0, 0.0, 0.0, unready="unet is missing")
    assert Speed.of([good, bad]).rate == Speed.of([good]).rate == 1.0
    assert Speed.of([good, None]).rate == 2.0
    assert Speed.of([bad]).rate == 0.0


@pytest.mark.parametrize("replicas", [None, one_a_second()])
def test_layers_that_are_done_are_not_kept(replicas: FakeReplicas | None) -> None:
    clock = Clock()
    made = control(replicas, clock)
    for number in range(1_000):
        clock.now += 1.0
        with made.admit(layer(seed=number)):
            pass
    assert len(made._ended) <= STALE_S + 1


def test_a_scenes_figures_count_for_each_other() -> None:
    """Four of one kind take four times as long as one, and leave no trace if they are refused."""
    made = control(one_a_second())
    for figures in (1, 4):
        needed_s = figures * CAUTION + AFTERWARDS_S
        jobs = [layer(deadline_s=needed_s + 0.01, seed=seed, figure=seed) for seed in range(figures)]
        with made.admit(*jobs):
            pass
    late = [layer(deadline_s=3 * CAUTION + AFTERWARDS_S, seed=seed, figure=seed) for seed in range(4)]
    assert refused(made, *late).retry_after_s == pytest.approx(CAUTION)
    with made.admit(*late[:3]):
        """The refused layers are no longer counted."""


def test_a_scenes_figures_take_a_place_each() -> None:
    replicas = one_a_second(queued=Counter(a=3))
    made = control(replicas, places=4)
    with made.admit(layer(tenant="b")):
        """The last place is for a new tenant."""
    refused(made, *(layer(tenant="b", seed=seed) for seed in range(2)))


def test_the_models_of_a_layer_are_admitted_apart() -> None:
    full, free = one_a_second(queued=Counter({"": 400})), one_a_second()
    groups = {"character": full, "character:b": free}
    made = AdmissionControl(groups.get, {"character": 100, "character:b": 100}, Clock())
    refused(made, layer())
    with made.admit(layer(model="b")):
        assert made.place_frees_in_s(layer(model="b")) == pytest.approx(1.0)
    with ExitStack() as inside:
        for _ in range(9):
            inside.enter_context(made.admit(layer(model="b")))
        refused(made, layer(deadline_s=10 * CAUTION + AFTERWARDS_S - 4, model="b"))
