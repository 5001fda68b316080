"""Processes that die under their requests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import ray

from ..conftest import Row
from .conftest import actor, asked, at_work, full_strength, ongoing, replicas, scene, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("deployment", ["Character", "Background"])
def test_a_generator_replica_dies_while_it_paints(http: httpx.Client, row: Row, deployment: str) -> None:
    row.promises(
        f"{deployment} replica killed while it paints",
        "the lost branch is painted again: 200, the same picture",
    )
    undisturbed = http.post("/v1/scenes", json=scene(steps=30))
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        answer = asked(http, pool, steps=30)
        victim = until(lambda: at_work(deployment))
        ray.kill(actor(victim), no_restart=True)
        killed = time.monotonic()
        painted = answer.result()
        took_s = time.monotonic() - begun
    assert painted.status_code == 200, painted.text
    assert painted.content == undisturbed.content
    until(lambda: full_strength())
    row.saw(
        f"200 after {took_s:.1f} s, the same picture; full strength {time.monotonic() - killed:.1f} s after"
    )


def test_every_merger_dies_before_the_layers_are_painted(http: httpx.Client, row: Row) -> None:
    row.promises(
        "every Merger replica killed while the layers are painted", "merged by their successors: 200"
    )
    with ThreadPoolExecutor(1) as pool:
        answer = asked(http, pool, steps=30)
        until(lambda: any(ongoing(name) for name in replicas("Character")))
        for name in replicas("Merger"):
            ray.kill(actor(name), no_restart=True)
        painted = answer.result()
    assert painted.status_code == 200, painted.text
    row.saw("200")


def test_the_controller_dies(http: httpx.Client, row: Row) -> None:
    row.promises("Serve's controller killed", "0 failures: requests need no controller")
    ray.kill(actor("SERVE_CONTROLLER_ACTOR"), no_restart=False)
    took = []
    for _ in range(8):
        begun = time.monotonic()
        answer = http.post("/v1/scenes", json=scene())
        took.append(time.monotonic() - begun)
        assert answer.status_code == 200, answer.text
    row.saw(f"8 of 8 answered 200, the slowest in {max(took):.1f} s")


def test_an_idle_ingress_replica_dies(http: httpx.Client, row: Row) -> None:
    row.promises("an idle Ingress replica killed", "0 failures: the proxy asks the other one")
    ray.kill(actor(replicas("Ingress")[0]), no_restart=True)
    answers = [http.post("/v1/scenes", json=scene()).status_code for _ in range(6)]
    assert answers == [200] * 6
    row.saw("6 of 6 answered 200")
