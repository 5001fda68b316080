"""More work than fits, on two replicas of each generator that cache the layers they paint."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from tests.support.polling import until
from tests.support.running_service import simulated_config

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    data = simulated_config().model_dump()
    for kind in ("character", "background"):
        data[kind]["generator"]["generation"]["result_cache_bytes"] = 64 << 20
        data[kind]["replicas"] |= {"num_replicas": 2, "max_ongoing_requests": 4, "max_queued_requests": 30}
    config = ServiceConfig.model_validate(data)
    with local_cluster.running(config, "127.0.0.1", free_port()) as address:
        yield address


def scene(seed: int, steps: int = 4, **more: Any) -> dict[str, Any]:
    layers = {kind: {"prompt": "x", "num_inference_steps": steps} for kind in ("character", "background")}
    return {**layers, "seed": seed, "merge": {"width": 256, "height": 128}, **more}


def painted(http: httpx.Client, seed: int) -> dict[str, float]:
    response = http.post("/v1/scenes", json=scene(seed), headers={"Accept": "application/json"})
    assert response.status_code == 200
    timings: dict[str, float] = response.json()["timings_ms"]
    return timings


def test_an_equal_scene_goes_where_its_layers_are_kept(http: httpx.Client) -> None:
    for seed in range(4):
        assert painted(http, seed)["character-denoise"] > 0
        for _ in range(3):
            again = painted(http, seed)
            assert (again["character-denoise"], again["background-denoise"]) == (0, 0)


def test_a_deadline_behind_too_much_work_is_refused_with_retry_after(http: httpx.Client) -> None:
    painted(http, 99)

    def short(seed: int) -> httpx.Response:
        return http.post("/v1/scenes", json=scene(seed, 20, deadline_s=2))

    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(http.post, "/v1/scenes", json=scene(seed, 40)) for seed in range(100, 116)]
        until(lambda: short(1_000).status_code == 429)
        response = short(1_000)
        assert response.json()["error"]["code"] == "overloaded"
        assert int(response.headers["retry-after"]) > 2, "the wait reflects the work that is queued before it"
        assert {future.result().status_code for future in waiting} == {200}
