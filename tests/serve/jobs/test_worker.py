"""Jobs from their submission to their pictures: the routes, the worker and the graph, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.errors import GenerationFailed, Overloaded
from deployments.messages import LayerJob
from serve.config import ServiceConfig
from serve.ingress import build_http
from serve.jobs.worker import JobWorker
from serve.scene import Graph

from ..conftest import served
from ..events import parse_events
from ..test_ingress import SCENE, SMALL
from ..test_scene import Response

JSON = {"Accept": "application/json"}


async def until(look: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    """What `look` gives, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := await look()):
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.01)
    return value


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    jobs = replace(config.jobs, poll_s=0.02, lease_s=0.5)
    return config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})


@pytest.fixture
async def http(mine: ServiceConfig, graph: Graph) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(served(build_http(mine, graph)), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@asynccontextmanager
async def working(config: ServiceConfig, graph: Graph) -> AsyncIterator[JobWorker]:
    worker = JobWorker(config, graph.character, graph.background, graph.merger)
    try:
        yield worker
    finally:
        await worker.stop()


async def ended(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    async def look() -> Any:
        job = (await http.get(f"/v1/jobs/{job_id}")).json()
        return job if job["status"] in ("succeeded", "failed", "cancelled") else None

    job: dict[str, Any] = await until(look)
    return job


async def submit(http: httpx.AsyncClient, *scenes: Any) -> str:
    answer = await http.post("/v1/jobs", json={"scenes": scenes})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_a_job_is_painted_as_its_scenes_would_be(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    scenes = [SCENE | {"seed": seed, "output": {"format": "png"}} for seed in (1, 2, 3)]
    job_id = await submit(http, *scenes)
    async with working(mine, graph):
        job = await ended(http, job_id)
    assert (job["status"], job["total"], job["done"], job["failed"]) == ("succeeded", 3, 3, 0)
    for scene, told in zip(scenes, job["scenes"], strict=True):
        kept, painted = await http.get(told["url"]), await http.post("/v1/scenes", json=scene)
        assert kept.content == painted.content
        assert kept.headers["content-type"] == "image/png"
        assert kept.headers["x-seed"] == painted.headers["x-seed"]
        assert kept.headers["x-backend"] == "simulated"


class Refusing:
    """A character's handle: each call fails as the next outcome says, and after them never ends."""

    def __init__(self, *outcomes: Exception) -> None:
        self.outcomes = list(outcomes)
        self.jobs: list[LayerJob] = []
        self.responses: list[Response] = []
        self.paint = self

    def remote(self, job: LayerJob) -> Response:
        self.jobs.append(job)
        self.responses.append(Response(self.outcomes.pop(0) if self.outcomes else "never"))
        return self.responses[-1]


def refusing(graph: Graph, *outcomes: Exception) -> tuple[Graph, Refusing]:
    handle: Any = Refusing(*outcomes)
    return replace(graph, character=handle), handle


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.jobs.worker.RETRY_S", 0.01)


async def test_the_seed_is_chosen_once_and_batch_comes_second(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, {"character": SMALL, "background": SMALL})
    failing, handle = refusing(graph, *[GenerationFailed("flat", "character")] * 3)
    async with working(mine, failing):
        job = await ended(http, job_id)
    assert job["status"] == "failed"
    assert job["scenes"][0]["error"] == {"code": "generation_failed", "message": "flat", "param": "character"}
    assert len(handle.jobs) == 3
    assert len({(seen.seed, seen.prompt, seen.num_inference_steps) for seen in handle.jobs}) == 1
    assert {seen.priority for seen in handle.jobs} == {"batch"}


async def test_a_scene_that_found_no_room_is_not_a_failed_attempt(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE)
    full, handle = refusing(graph, *[Overloaded("full", retry_after_s=0.01)] * 5)
    async with working(mine, full):
        await until(lambda: _later(len(handle.jobs) > 5))
        await http.delete(f"/v1/jobs/{job_id}")


async def _later(value: Any) -> Any:
    return value


async def test_cancelling_stops_what_is_under_way(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE, SCENE, SCENE)
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await until(lambda: _later(handle.jobs))
        cancelled = await http.delete(f"/v1/jobs/{job_id}")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        await until(lambda: _later(all(response.cancelled for response in handle.responses)))
    job = (await http.get(f"/v1/jobs/{job_id}")).json()
    assert {scene["status"] for scene in job["scenes"]} == {"cancelled"}


async def test_a_worker_that_dies_loses_nothing(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE | {"seed": 1}, SCENE | {"seed": 2})
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await until(lambda: _later(len(handle.jobs) == 2))
    assert (await http.get(f"/v1/jobs/{job_id}")).json()["status"] == "running", "nobody has noticed yet"
    async with working(mine, graph):
        assert (await ended(http, job_id))["done"] == 2


async def test_a_long_scene_keeps_its_lease(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE)
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await until(lambda: _later(len(handle.jobs) == 1))
        async with working(mine, graph):  # which would take it, were it free
            await asyncio.sleep(3 * mine.jobs.lease_s)
            assert (await http.get(f"/v1/jobs/{job_id}")).json()["status"] == "running"
    assert len(handle.jobs) == 1


async def test_events_to_the_end(http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph) -> None:
    job_id = await submit(http, SCENE, SCENE | {"deadline_s": 0.0001})
    async with working(mine, graph):
        told = parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)
    scenes = {data["index"]: data for name, data in told if name == "scene.ended"}
    assert scenes[0] == {"index": 0, "status": "succeeded", "url": f"/v1/jobs/{job_id}/scenes/0"}
    assert scenes[1]["error"]["code"] == "deadline_exceeded"
    assert [name for name, _ in told].count("job.ended") == 1
    assert (told[-1][0], told[-1][1]["status"]) == ("job.ended", "failed")
    assert parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)[-1] == told[-1]


async def test_a_worker_without_a_database_waits_for_one(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, tmp_path: Path
) -> None:
    elsewhere = mine.model_copy(update={"state_dir": str(tmp_path / "file")})
    (tmp_path / "file").touch()
    async with working(elsewhere, graph) as worker:
        await worker.check_health()
        await asyncio.sleep(0.1)
        await worker.check_health()
        (tmp_path / "file").unlink()
        await until(lambda: _later((tmp_path / "file" / "pictures").exists()))


async def test_a_worker_whose_loop_is_over_is_not_healthy(mine: ServiceConfig, graph: Graph) -> None:
    async with working(mine, graph) as worker:
        await worker.check_health()
    with pytest.raises(RuntimeError, match="ended"):
        await worker.check_health()


async def test_events_end_after_a_while(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.jobs.answers.LONGEST_S", 0.01)
    job_id = await submit(http, SCENE)
    told = parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)
    assert [name for name, _ in told] == ["job.progress"]
