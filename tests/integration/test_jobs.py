"""Jobs on real Ray, while replicas are killed repeatedly, and when the whole service is stopped."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from tests.support.polling import until
from tests.support.running_service import replica, simulated_config

LAYER: dict[str, Any] = {"prompt": "x", "num_inference_steps": 6, "width": 64, "height": 64}
FRAME = {"merge": {"width": 128, "height": 64, "mode": "paste"}, "output": {"format": "png"}}
VICTIMS = ("JobWorker", "Character", "Background", "Merger")


def scene(seed: int) -> dict[str, Any]:
    return {"character": LAYER, "background": LAYER, "seed": seed, **FRAME}


def serving(state_dir: Path) -> AbstractContextManager[str]:
    config = simulated_config(0.02)
    jobs = replace(config.jobs, lease_s=2, poll_s=0.1)
    config = config.model_copy(update={"state_dir": str(state_dir), "jobs": jobs})
    return local_cluster.running(config, "127.0.0.1", free_port())


class Service:
    """A service that can be stopped and started again with the same state folder."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._running = ExitStack()

    def start(self) -> httpx.Client:
        url = self._running.enter_context(serving(self.state_dir))
        return self._running.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("state"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def http(service: Service) -> httpx.Client:
    return service.start()


def job_of(http: httpx.Client, job_id: str) -> dict[str, Any]:
    response = http.get(f"/v1/jobs/{job_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def kill(name: str) -> bool:
    victim = replica(name)
    if victim is None:
        return False
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return False
    return True


@pytest.mark.parametrize(
    ("scenes", "kills"), [(24, 4), pytest.param(200, 20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.timeout(300)
def test_kills_lose_nothing_and_double_nothing(http: httpx.Client, scenes: int, kills: int) -> None:
    """Kill (SIGKILL) the job worker, a generator or the merger, spread over the life of one job."""
    until(lambda: http.get("/readyz").status_code == 200)
    expected = hashlib.sha256(http.post("/v1/scenes", json=scene(7)).content).hexdigest()
    response = http.post("/v1/jobs", json={"scenes": [scene(7 + n % 3) for n in range(scenes)]})
    assert response.status_code == 202
    job_id = response.json()["id"]
    dice, killed, seen = random.Random(5), 0, 0
    deadline = time.monotonic() + 60 + 4 * scenes
    while (job := job_of(http, job_id))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        assert job["done"] >= seen, "finished scenes stay finished"
        seen = job["done"]
        if killed < kills and seen >= scenes * killed // kills:
            killed += kill(dice.choice(VICTIMS))
        time.sleep(0.05)
    assert killed == kills
    assert (job["status"], job["done"], job["failed"]) == ("succeeded", scenes, 0), job
    assert [reported["status"] for reported in job["scenes"]] == ["succeeded"] * scenes
    names = [hashlib.sha256(http.get(reported["url"]).content).hexdigest() for reported in job["scenes"]]
    assert names[0::3] == [expected] * len(names[0::3]), "the same pictures as without kills"
    assert len(set(names)) == 3


@pytest.mark.timeout(400)
def test_a_job_outlives_the_service(service: Service, http: httpx.Client) -> None:
    """Stop the service in the middle of a job: the next service finishes it. This is the last test.

    A finished picture is damaged meanwhile, and is painted again.
    """
    until(lambda: http.get("/readyz").status_code == 200)
    job_id = http.post("/v1/jobs", json={"scenes": [scene(n) for n in range(12)]}).json()["id"]
    until(lambda: job_of(http, job_id)["done"] > 1)
    job = job_of(http, job_id)
    painted = next(reported["url"] for reported in job["scenes"] if reported["status"] == "succeeded")
    picture = http.get(painted)
    service.stop()
    rot(service.state_dir, picture.content)
    http = service.start()
    assert job_of(http, job_id)["done"] >= job["done"]
    damaged = http.get(painted)
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (503, "not_ready")
    assert int(damaged.headers["retry-after"]) >= 1
    until(lambda: job_of(http, job_id)["status"] == "succeeded", 120)
    assert http.get(painted).content == picture.content, "the same words and seed give the same picture"
    (mended,) = (reported for reported in job_of(http, job_id)["scenes"] if reported["url"] == painted)
    assert mended["repaints"] == 1
    kept = (service.state_dir, *service.state_dir.rglob("*"))
    others_may = [path for path in kept if path.lstat().st_mode & 0o077]
    assert others_may == [], "only this account may access what is kept"


def rot(folder: Path, content: bytes) -> None:
    """Flip one bit of the file that has this content."""
    (file,) = (path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == content)
    spoiled = bytearray(content)
    spoiled[len(spoiled) // 2] ^= 1
    file.write_bytes(spoiled)
