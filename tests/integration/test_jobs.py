"""Jobs on real Ray, while what paints them is killed again and again."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serve import local_cluster

from ..polling import until
from .conftest import simulated_config
from .test_service import replica

LAYER: dict[str, Any] = {"prompt": "x", "num_inference_steps": 2, "width": 64, "height": 64}
FRAME = {"merge": {"width": 128, "height": 64, "mode": "paste"}, "output": {"format": "png"}}
VICTIMS = ("JobWorker", "Character", "Background", "Merger")


def scene(seed: int) -> dict[str, Any]:
    return {"character": LAYER, "background": LAYER, "seed": seed, **FRAME}


def serving(state_dir: Path) -> AbstractContextManager[str]:
    config = simulated_config(0.02)
    jobs = replace(config.jobs, lease_s=2, poll_s=0.1)
    config = config.model_copy(update={"state_dir": str(state_dir), "jobs": jobs})
    return local_cluster.running(config, "127.0.0.1", local_cluster.free_port())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def job_of(http: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = http.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
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
    """SIGKILL of a worker, a generator or the merger, spread over the life of one job."""
    until(lambda: http.get("/readyz").status_code == 200)
    expected = hashlib.sha256(http.post("/v1/scenes", json=scene(7)).content).hexdigest()
    answer = http.post("/v1/jobs", json={"scenes": [scene(7 + n % 3) for n in range(scenes)]})
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    dice, killed, seen = random.Random(5), 0, 0
    deadline = time.monotonic() + 60 + 4 * scenes
    while (job := job_of(http, job_id))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        assert job["done"] >= seen, "what is done stays done"
        seen = job["done"]
        if killed < kills and seen >= scenes * killed // kills:
            killed += kill(dice.choice(VICTIMS))
        time.sleep(0.05)
    assert killed == kills
    assert (job["status"], job["done"], job["failed"]) == ("succeeded", scenes, 0), job
    assert [told["status"] for told in job["scenes"]] == ["succeeded"] * scenes
    names = [hashlib.sha256(http.get(told["url"]).content).hexdigest() for told in job["scenes"]]
    assert names[0::3] == [expected] * len(names[0::3]), "the pictures that they would have been"
    assert len(set(names)) == 3
