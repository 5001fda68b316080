"""Processes that die while they handle requests."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import ray

from scenewright import Scenewright
from tests.support.drill_row import Row
from tests.support.drilled_service import (
    LEASE_S,
    actor,
    at_work,
    full_strength,
    ongoing,
    replicas,
    requested,
    scene,
)
from tests.support.polling import until

ENDED = ("succeeded", "failed", "cancelled")
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
        response = requested(http, pool, steps=30)
        victim = until(lambda: at_work(deployment))
        ray.kill(actor(victim), no_restart=True)
        killed = time.monotonic()
        painted = response.result()
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
        response = requested(http, pool, steps=30)
        until(lambda: any(ongoing(name) for name in replicas("Character")))
        for name in replicas("Merger"):
            ray.kill(actor(name), no_restart=True)
        killed = time.monotonic()
        painted = response.result()
    assert painted.status_code == 200, painted.text
    row.saw(f"200, {time.monotonic() - killed:.1f} s after")


def test_the_controller_dies(http: httpx.Client, row: Row) -> None:
    row.promises("Serve's controller killed", "0 failures: requests need no controller")
    ray.kill(actor("SERVE_CONTROLLER_ACTOR"), no_restart=False)
    took = []
    for _ in range(8):
        begun = time.monotonic()
        response = http.post("/v1/scenes", json=scene())
        took.append(time.monotonic() - begun)
        assert response.status_code == 200, response.text
    row.saw(f"8 of 8 returned 200, the slowest in {max(took):.1f} s")


def test_an_idle_ingress_replica_dies(http: httpx.Client, row: Row) -> None:
    row.promises("an idle Ingress replica killed", "0 failures: the proxy uses the other one")
    ray.kill(actor(replicas("Ingress")[0]), no_restart=True)
    responses = [http.post("/v1/scenes", json=scene()).status_code for _ in range(6)]
    assert responses == [200] * 6
    row.saw("6 of 6 returned 200")


def test_an_ingress_replica_dies_under_its_requests(http: httpx.Client, url: str, row: Row) -> None:
    row.promises(
        "an Ingress replica killed with requests under way",
        "they are lost; our client sends the request to the other replica, and gets the same picture",
    )
    undisturbed = http.post("/v1/scenes", json=scene(steps=30), headers={"Accept": "application/json"})
    with Scenewright(url) as client, ThreadPoolExecutor(2) as pool:
        once = requested(http, pool, steps=30)
        again = pool.submit(client.scene, **scene(steps=30))
        for _ in (once, again):
            ray.kill(actor(until(lambda: at_work("Ingress"))), no_restart=True)
        bare, painted = once.result(), again.result()
    assert bare.status_code in (200, 500)
    assert painted.data == base64.b64decode(undisturbed.json()["image"]["b64_json"])
    row.saw(
        f"HTTP {bare.status_code} for a client that sends it once; 200 and the same picture by our client"
    )


def test_the_job_worker_dies_at_its_work(http: httpx.Client, row: Row) -> None:
    row.promises("the JobWorker killed while it paints", "its successor finishes the job, each scene once")
    scenes = [scene(steps=30, seed=seed) for seed in range(3)]
    job = http.post("/v1/jobs", json={"scenes": scenes}).json()["id"]
    until(lambda: http.get(f"/v1/jobs/{job}").json()["status"] == "running")
    begun = time.monotonic()
    ray.kill(actor(replicas("JobWorker")[0]), no_restart=True)
    ended = until(lambda: (now := http.get(f"/v1/jobs/{job}").json())["status"] in ENDED and now)
    took_s = time.monotonic() - begun
    assert (ended["status"], ended["done"], ended["failed"]) == ("succeeded", 3, 0)
    picture = http.get(f"/v1/jobs/{job}/scenes/1").content
    assert picture == http.post("/v1/scenes", json=scene(steps=30, seed=1)).content
    row.saw(f"3 of 3 scenes {took_s:.1f} s after (leases of {LEASE_S:g} s), the same pictures")
