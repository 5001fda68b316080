"""Replicas on several nodes: pinned to GPUs, following the load, surviving a node's death, upgraded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.drill_row import Row
from tests.support.node_policy import POLICY
from tests.support.polling import until
from tests.support.ray_cluster import Load, Service, cluster_of, graph, node_of, visible_gpus

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

GPU_NODE = {"num_cpus": 2, "num_gpus": 2, "labels": {"accelerator": "gpu"}}
AUTOSCALED = {
    "min_replicas": 1,
    "max_replicas": 2,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 1.0,
    "upscale_delay_s": 0,
    "downscale_delay_s": 0,
}


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Any, list[Any]]]:
    with cluster_of(GPU_NODE, GPU_NODE) as started:
        yield started


@pytest.fixture(scope="module")
def service(nodes: tuple[Any, list[Any]]) -> Service:
    return Service()


def test_each_generator_has_a_gpu_of_its_own_and_the_merger_none(service: Service) -> None:
    service.deploy(graph(num_replicas=2))
    until(service.ready)
    until(lambda: service.running("Character") == service.running("Background") == 2)
    generators = {**service.replicas("Character"), **service.replicas("Background")}
    places = {name: (node_of(actor), visible_gpus(actor)) for name, actor in generators.items()}
    assert len(places) == 4
    assert len(set(places.values())) == 4  # No two replicas see the same GPU of the same node.
    assert {gpus for _, gpus in places.values()} == {"0", "1"}
    others = {**service.replicas("Merger"), **service.replicas("Ingress")}
    assert not {node_of(actor) for actor in others.values()} & {node for node, _ in places.values()}


def test_a_killed_node_costs_no_request(nodes: tuple[Any, list[Any]], service: Service, row: Row) -> None:
    row.promises(
        "a node killed with half of the generators, under load", "0 failures: the other half paints on"
    )
    cluster, started = nodes
    service.deploy(graph(num_replicas=2))
    until(lambda: service.running("Character") == service.running("Background") == 2)
    with Load(service.url, callers=4) as load:
        until(lambda: load.responded >= 8)
        cluster.remove_node(started.pop(), allow_graceful=False)
        before = load.responded
        until(lambda: load.responded >= before + 8)
        started.append(cluster.add_node(**GPU_NODE, include_dashboard=False))
        until(lambda: service.running("Character") == service.running("Background") == 2)
    assert load.failed == {}
    row.saw(f"{load.responded} of {load.responded} returned 200; full strength once there was a node again")


def test_an_upgrade_under_load_costs_no_request_and_a_bad_model_replaces_nothing(
    service: Service, tmp_path: Path, row: Row
) -> None:
    row.promises(
        "an upgrade to a model that does not load, under load",
        "the good replicas stay, the upgrade is reported as failed, 0 failures",
    )
    careful = {"num_replicas": 1, "surge_percent": 100}
    service.deploy(graph(**careful))
    until(lambda: service.status() == "RUNNING" and service.ready())
    before = service.replicas("Character").keys() | service.replicas("Background").keys()
    with Load(service.url, callers=3) as load:
        until(lambda: load.responded >= 3)
        service.deploy(graph(step_s=0.015, **careful))
        until(lambda: service.status() == "RUNNING" and service.running("Character") == 1)
        good = service.replicas("Character").keys() | service.replicas("Background").keys()
        assert not good & before
        bad = graph(**careful)
        bad["character"]["generator"] |= {
            "backend": "diffusers",
            "model": {"source": str(tmp_path), "threads": 1},  # A folder without a model in it.
        }
        service.deploy(bad)
        until(lambda: service.status() == "DEPLOY_FAILED", timeout_s=400)
        responded = load.responded
        until(lambda: load.responded >= responded + 3)
        assert service.replicas("Character").keys() & good
    assert load.failed == {}
    row.saw(f"DEPLOY_FAILED, and {load.responded} of {load.responded} returned 200")


def test_both_branches_follow_the_load_up_and_down(service: Service) -> None:
    service.deploy(graph(step_s=0.04, num_replicas=None, autoscaling=AUTOSCALED), POLICY)
    until(lambda: service.status() == "RUNNING" and service.ready())
    until(lambda: service.running("Character") == service.running("Background") == 1)
    with Load(service.url, callers=6) as load:
        until(lambda: service.running("Character") == service.running("Background") == 2)
    until(lambda: service.running("Character") == service.running("Background") == 1)
    assert load.failed == {}
