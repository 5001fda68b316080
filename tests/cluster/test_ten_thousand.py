"""Ten thousand requests, while replicas are upgraded, added and removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.drill_row import Row
from tests.support.polling import until
from tests.support.ray_cluster import Load, Service, cluster_of, graph

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(3_000)]

REQUESTS = 10_000
LAYER = {"prompt": "a knight", "num_inference_steps": 1, "width": 64, "height": 64}
SMALL = {"character": LAYER, "background": LAYER, "merge": {"mode": "paste", "width": 64, "height": 64}}


@pytest.fixture
def service() -> Iterator[Service]:
    with cluster_of({"num_cpus": 2, "num_gpus": 8, "labels": {"accelerator": "gpu"}}):
        yield Service()


def test_upgrades_and_downscales_cost_no_request(service: Service, row: Row) -> None:
    row.promises(
        f"{REQUESTS:,} requests, and all the while one rolling upgrade and one downscale after the other",
        "0 failures",
    )

    def deploy(version: int, replicas: int) -> None:
        # A different step time is a different configuration, so every replica is replaced.
        service.deploy(graph(step_s=0.001 * version, num_replicas=replicas, surge_percent=100))
        until(lambda: service.status() == "RUNNING", timeout_s=300)
        until(
            lambda: service.running("Character") == service.running("Background") == replicas, timeout_s=300
        )

    def generators() -> set[str]:
        return {*service.replicas("Character"), *service.replicas("Background")}

    deploy(version=1, replicas=2)
    until(service.ready)
    upgrades = 0
    with Load(service.url, callers=4, scene=SMALL) as load:
        while load.responded < REQUESTS and not load.failed:
            before = generators()
            deploy(version=2 + upgrades, replicas=2)
            assert not before & generators()
            upgrades += 1
            deploy(version=1 + upgrades, replicas=1)
            load.until_more(1_000)
    assert load.failed == {}
    assert upgrades >= 3
    row.saw(
        f"{upgrades} upgrades and as many downscales: {load.responded:,} of {load.responded:,} returned 200"
    )
