"""Jobs from submission to pictures: the routes, the worker and the graph, in one process."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from deployments.errors import GenerationFailed, Overloaded
from deployments.messages import LayerJob
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.graph.scene_job import SceneJob
from serve.ingress import build_http
from serve.jobs import worker as worker_module
from serve.jobs.consistency import other_seeds
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.scene_painting import ScenePainter
from serve.pictures.loose_pictures import old
from serve.pictures.picture_files import FolderPictures
from serve.state.database import open_database
from serve.state.disk_space import DiskSpace
from serve.state.job_tables import scenes
from serve.telemetry import metrics
from tests.support.events import parse_events
from tests.support.fake_handles import Response
from tests.support.job_requests import JSON, ended, submit, working
from tests.support.local_service import served
from tests.support.noted import Noted
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE, SMALL


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    jobs = replace(config.jobs, poll_s=0.02, lease_s=1.0)
    return config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})


@pytest.fixture
async def http(mine: ServiceConfig, graph: Graph) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(served(build_http(mine, graph)), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def apart_from_times(response: dict[str, Any]) -> dict[str, Any]:
    return {
        name: part for name, part in response.items() if name not in ("id", "created", "timings_ms", "usage")
    }


async def test_a_scene_with_layers_keeps_its_whole_answer(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    """A job's scene has the same response as the same request to /v1/scenes."""
    scene = SCENE | {"seed": 1, "layers": True, "output": {"format": "png"}}
    job_id = await submit(http, scene, scene | {"layers": False})
    async with working(mine, graph):
        whole, bare = (await ended(http, job_id))["scenes"]
    kept, painted = (
        await http.get(whole["url"], headers=JSON),
        await http.post("/v1/scenes", json=scene, headers=JSON),
    )
    assert kept.headers["content-type"] == "application/json"
    assert kept.headers["x-seed"] == painted.headers["x-seed"]
    assert set(kept.json()["layers"]) == {"character", "background", "mask", "painted"}
    assert kept.json()["id"] == f"{job_id}-0"
    assert apart_from_times(kept.json()) == apart_from_times(painted.json())
    picture = await http.get(whole["url"])
    assert picture.content == base64.b64decode(kept.json()["image"]["b64_json"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["etag"] != kept.headers["etag"]
    assert {response.headers["vary"] for response in (picture, kept)} == {"Accept"}
    without = await http.get(bare["url"], headers=JSON)
    assert (without.headers["content-type"], without.content) == ("image/png", picture.content)
    await http.delete(f"/v1/jobs/{job_id}")
    assert files_in(mine.state_folder / "pictures") == set()


async def test_a_job_is_painted_as_its_scenes_would_be(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    scenes = [SCENE | {"seed": seed, "output": {"format": "png"}} for seed in (1, 2, 3)]
    job_id = await submit(http, *scenes)
    async with working(mine, graph):
        job = await ended(http, job_id)
    assert (job["status"], job["total"], job["done"], job["failed"]) == ("succeeded", 3, 3, 0)
    for scene, stream_events in zip(scenes, job["scenes"], strict=True):
        kept, painted = await http.get(stream_events["url"]), await http.post("/v1/scenes", json=scene)
        assert kept.content == painted.content
        assert kept.headers["content-type"] == "image/png"
        assert kept.headers["x-seed"] == painted.headers["x-seed"]
        assert kept.headers["x-backend"] == "simulated"


async def test_what_a_job_used_is_written_down_with_its_pictures(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    scenes = [SCENE | {"seed": seed} for seed in (9101, 9102)]
    job_id = await submit(http, *scenes)
    async with working(mine, graph):
        job = await ended(http, job_id)
        kept = [await http.get(scene["url"]) for scene in job["scenes"]]
    seen = (await http.get("/v1/usage")).json()
    assert [(row["key"], row["pictures"]) for row in seen["data"]] == [("", 2)]
    said = [float(answer.headers["x-usage"].split(";")[0].split("=")[1]) for answer in kept]
    assert seen["total"]["device_s"] == pytest.approx(sum(said), abs=1e-5)
    assert seen["total"]["device_s"] > 0


async def usage_of(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await http.get("/v1/usage")
    assert response.status_code == 200, response.text
    total: dict[str, Any] = response.json()["total"]
    return total


def long_leases(config: ServiceConfig) -> ServiceConfig:
    """Return settings with long leases, so that no scene is painted twice if this machine is slow."""
    return config.model_copy(update={"jobs": replace(config.jobs, lease_s=60.0)})


async def test_a_page_that_is_painted_several_times_is_one_picture_and_all_of_it_is_paid_for(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def thrice(_engine: Any, _job_id: str, job: SceneJob, first: Any, paint: Any) -> Any:
        for attempt in (1, 2):
            first = await paint(other_seeds(job, ["character"], attempt))
        return first, []

    patient = long_leases(mine)
    costs: list[float] = []
    succeed = Leases.succeed

    def noted(*arguments: Any, **more: Any) -> bool:
        costs.append(more["cost"])
        return succeed(*arguments, **more)

    monkeypatch.setattr(Leases, "succeed", noted)
    once = await submit(http, SCENE | {"seed": 9201})
    async with working(patient, graph):
        await ended(http, once)
    before = await usage_of(http)
    monkeypatch.setattr("serve.jobs.scene_painting.consistent", thrice)
    again = await submit(http, SCENE | {"seed": 9202})
    async with working(patient, graph):
        assert (await ended(http, again))["status"] == "succeeded"
    after = await usage_of(http)
    assert (before["pictures"], after["pictures"]) == (1, 2)
    # The place is painted once, the figure three times; three scenes are charged to the budget.
    assert after["megapixel_steps"] > 2 * before["megapixel_steps"]
    assert costs[-1] == pytest.approx(3 * costs[0])


@pytest.mark.parametrize(
    ("fault", "seed"),
    [(OSError("no space left on device"), 9301), (OperationalError("", {}, Exception()), 9302)],
)
async def test_what_was_painted_for_nothing_is_charged_too(
    http: httpx.AsyncClient,
    mine: ServiceConfig,
    graph: Graph,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    seed: int,
) -> None:
    put, failed = FolderPictures.put, threading.Event()

    def full(pictures: FolderPictures, data: bytes) -> str:
        if failed.is_set():
            return put(pictures, data)
        failed.set()
        raise fault

    monkeypatch.setattr(FolderPictures, "put", full)
    job_id = await submit(http, SCENE | {"seed": seed})
    async with working(mine, graph):
        found = await ended(http, job_id)
        kept = await http.get(found["scenes"][0]["url"])
    assert (found["status"], kept.status_code) == ("succeeded", 200), kept.text
    total = await usage_of(http)
    assert total["pictures"] == 1
    # The second time its layers were cached, and cost nothing.
    assert kept.headers["x-usage"] == "device_s=0; megapixel_steps=0"
    assert total["megapixel_steps"] > 0


async def test_what_was_painted_for_a_scene_that_is_cancelled_is_charged_once(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = long_leases(mine)
    kept_id = await submit(http, SCENE | {"seed": 9401})
    async with working(patient, graph):
        await ended(http, kept_id)
    one = await usage_of(http)
    writing, may_go_on = threading.Event(), threading.Event()
    put = FolderPictures.put

    def slow(pictures: FolderPictures, data: bytes) -> str:
        writing.set()
        assert may_go_on.wait(60)
        return put(pictures, data)

    monkeypatch.setattr(FolderPictures, "put", slow)
    job_id = await submit(http, SCENE | {"seed": 9402})
    async with working(patient, graph) as worker:
        await eventually(lambda: _later(writing.is_set()))
        await http.delete(f"/v1/jobs/{job_id}")
        await eventually(lambda: _later(not worker._painting))
        may_go_on.set()
    total = await usage_of(http)
    assert (total["pictures"], one["pictures"]) == (1, 1)
    assert total["megapixel_steps"] == pytest.approx(2 * one["megapixel_steps"])


class Refusing:
    """A character's handle whose calls raise one outcome each; further calls never end."""

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
    monkeypatch.setattr("serve.jobs.scene_painting.RETRY_S", 0.01)


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
        await eventually(lambda: _later(len(handle.jobs) > 5))
        await http.delete(f"/v1/jobs/{job_id}")


async def _later(value: Any) -> Any:
    return value


async def test_cancelling_stops_what_is_under_way(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE, SCENE, SCENE)
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await eventually(lambda: _later(handle.jobs))
        cancelled = await http.delete(f"/v1/jobs/{job_id}")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        await eventually(lambda: _later(all(response.cancelled for response in handle.responses)))
    job = (await http.get(f"/v1/jobs/{job_id}")).json()
    assert {scene["status"] for scene in job["scenes"]} == {"cancelled"}


async def test_a_worker_that_dies_loses_nothing(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE | {"seed": 1}, SCENE | {"seed": 2})
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await eventually(lambda: _later(len(handle.jobs) == 2))
    assert (await http.get(f"/v1/jobs/{job_id}")).json()["status"] == "running", (
        "the death is not noticed yet"
    )
    async with working(mine, graph):
        assert (await ended(http, job_id))["done"] == 2


async def test_a_long_scene_keeps_its_lease(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, SCENE)
    stuck, handle = refusing(graph)
    async with working(mine, stuck):
        await eventually(lambda: _later(len(handle.jobs) == 1))
        async with working(mine, graph):  # which would take it, were it free
            await asyncio.sleep(3 * mine.jobs.lease_s)
            assert (await http.get(f"/v1/jobs/{job_id}")).json()["status"] == "running"
    assert len(handle.jobs) == 1


def pictures_in(config: ServiceConfig) -> list[Path]:
    return [path for path in (config.state_folder / "pictures").rglob("*") if path.is_file()]


class Late:
    """A merger's handle that calls `cancel` before a scene's picture reaches the worker."""

    def __init__(self, graph: Graph, cancel: Callable[[], Awaitable[Any]]) -> None:
        self._graph = graph
        self._cancel = cancel
        self.merge = self

    def remote(self, *arguments: Any) -> Any:
        response: Any = self._graph.merger.merge.remote(*arguments)

        async def late() -> Any:
            merged = await response
            await self._cancel()
            return merged

        return Cancellable(late())


class Cancellable:
    def __init__(self, work: Any) -> None:
        self._task = asyncio.ensure_future(work)

    def __await__(self) -> Any:
        return self._task.__await__()

    def cancel(self) -> None:
        self._task.cancel()


async def test_scenes_cancelled_at_the_last_moment_leave_no_picture_behind(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_ids = [await submit(http, SCENE | {"seed": seed}) for seed in range(6)]

    async def cancel_all() -> None:
        for job_id in job_ids:  # Each once, since a second delete would remove it.
            assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 200

    cancelling: list[asyncio.Task[None]] = []

    async def cancel() -> None:
        """Cancel all jobs before any scene continues; shielded, since the worker may cancel its callers."""
        cancelling[:] = cancelling or [asyncio.create_task(cancel_all())]
        await asyncio.shield(cancelling[0])

    late: Any = Late(graph, cancel)
    async with working(mine, replace(graph, merger=late)) as worker:
        await eventually(lambda: _later(not worker._painting and late))
        jobs = [await ended(http, job_id) for job_id in job_ids]
        await eventually(lambda: _later(not worker._painting))
    assert {job["status"] for job in jobs} == {"cancelled"}
    assert pictures_in(mine) == []


async def test_a_picture_that_is_being_written_when_its_scene_is_cancelled_goes_too(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await submit(http, SCENE)
    writing, may_go_on = threading.Event(), threading.Event()
    put = FolderPictures.put

    def slow(pictures: FolderPictures, data: bytes) -> str:
        writing.set()
        assert may_go_on.wait(60)
        return put(pictures, data)

    monkeypatch.setattr(FolderPictures, "put", slow)
    async with working(mine, graph) as worker:
        await eventually(lambda: _later(writing.is_set()))
        await http.delete(f"/v1/jobs/{job_id}")
        await eventually(lambda: _later(not worker._painting))
        may_go_on.set()
        await eventually(lambda: _later(worker._renewals.submit(lambda: True).result()))
        engine = open_database(mine.jobs.database_url(mine.state_folder))
        await eventually(lambda: asyncio.to_thread(lambda: not old(engine, 0.0, now=1e12)))
        engine.dispose()
    assert pictures_in(mine) == []


async def test_deletes_that_take_long_outlast_no_lease(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [SCENE | {"seed": seed} for seed in range(4)]
    job_id = await submit(http, *scenes)
    async with working(mine, graph):
        await ended(http, job_id)
    mine = mine.model_copy(update={"jobs": replace(mine.jobs, lease_s=2.0)})
    drop, dropping = FolderPictures.drop, threading.Event()

    def slow(pictures: FolderPictures, name: str) -> None:
        dropping.set()
        time.sleep(mine.jobs.lease_s / 2)
        drop(pictures, name)

    monkeypatch.setattr(FolderPictures, "drop", slow)
    forgetful = mine.model_copy(update={"jobs": replace(mine.jobs, retention_s=0.0)})
    stuck, handle = refusing(graph)
    await submit(http, SCENE)
    async with working(forgetful, stuck):
        await eventually(lambda: _later(len(handle.jobs) == 1 and dropping.is_set()))
        async with working(mine, graph):  # which would take it, were it free
            await eventually(lambda: _later(not pictures_in(mine)))
        assert len(handle.jobs) == 1 and not handle.responses[0].cancelled


async def test_whatever_fails_in_its_loop_it_goes_on_or_says_so(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failures = Leases.claim, iter(range(3))

    def broken(leases: Leases) -> Any:
        if next(failures, None) is not None:
            raise KeyError("a bug")
        return claim(leases)

    monkeypatch.setattr(Leases, "claim", broken)
    job_id = await submit(http, SCENE)
    async with working(mine, graph) as worker:
        assert (await ended(http, job_id))["status"] == "succeeded"
        await worker.check_health()

    def always(leases: Leases) -> Any:
        raise KeyError("a bug")

    monkeypatch.setattr(Leases, "recover", always)
    await submit(http, SCENE)
    async with working(mine, graph) as worker:
        await eventually(lambda: _later(worker._working.done()))
        with pytest.raises(RuntimeError, match="ended"):
            await worker.check_health()


async def test_a_disk_that_takes_nothing_is_not_painted_for_all_the_time(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail like a disk that was remounted read-only: the worker waits longer each time."""
    monkeypatch.setattr("serve.jobs.scene_painting.RETRY_S", 0.01)
    rests: list[float] = []
    rest, put, full = ScenePainter._rest, FolderPictures.put, [True]

    def noted(painter: ScenePainter, error: OSError) -> None:
        before = time.monotonic()
        rest(painter, error)
        rests.append(painter._resting_until - before)

    def no_room(pictures: FolderPictures, data: bytes) -> str:
        if full:
            raise OSError("read-only file system")
        return put(pictures, data)

    monkeypatch.setattr(ScenePainter, "_rest", noted)
    monkeypatch.setattr(FolderPictures, "put", no_room)
    one = mine.model_copy(update={"jobs": replace(mine.jobs, concurrency=1)})
    job_id = await submit(http, *[SCENE | {"seed": seed} for seed in range(4)])
    async with working(one, graph) as worker:
        await eventually(lambda: _later(len(rests) >= 4))
        assert all(rest_s >= 0.01 * 2**count for count, rest_s in enumerate(rests))
        full.clear()
        assert (await ended(http, job_id))["status"] == "succeeded"
        assert worker._painter._unkept == 0


async def test_events_to_the_end(http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph) -> None:
    job_id = await submit(http, SCENE, SCENE | {"deadline_s": 0.0001})
    async with working(mine, graph):
        stream_events = parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)
    scenes = {data["index"]: data for name, data in stream_events if name == "scene.ended"}
    assert scenes[0] == {"index": 0, "status": "succeeded", "url": f"/v1/jobs/{job_id}/scenes/0"}
    assert scenes[1]["error"]["code"] == "deadline_exceeded"
    assert [name for name, _ in stream_events].count("job.ended") == 1
    assert (stream_events[-1][0], stream_events[-1][1]["status"]) == ("job.ended", "failed")
    assert parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)[-1] == stream_events[-1]


async def test_a_worker_without_a_database_waits_for_one(
    http: httpx.AsyncClient,
    mine: ServiceConfig,
    graph: Graph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = mine.model_copy(update={"state_dir": str(tmp_path / "file")})
    (tmp_path / "file").touch()
    failures = list[BaseException]()
    open_state = worker_module._open

    def noted(*args: Any) -> Any:
        try:
            return open_state(*args)
        except Exception as error:
            failures.append(error)
            raise

    monkeypatch.setattr(worker_module, "_open", noted)
    async with working(elsewhere, graph) as worker:
        await worker.check_health()
        await eventually(lambda: _later(bool(failures)))
        await worker.check_health()
        (tmp_path / "file").unlink()
        await eventually(lambda: _later((tmp_path / "file" / "pictures").exists()))


async def test_a_worker_whose_loop_is_over_is_not_healthy(mine: ServiceConfig, graph: Graph) -> None:
    async with working(mine, graph) as worker:
        await worker.check_health()
    with pytest.raises(RuntimeError, match="ended"):
        await worker.check_health()


async def test_events_end_after_a_while(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.jobs.job_responses.LONGEST_S", 0.01)
    job_id = await submit(http, SCENE)
    stream_events = parse_events((await http.get(f"/v1/jobs/{job_id}/events")).text)
    assert [name for name, _ in stream_events] == ["job.progress"]


async def events_of(
    http: httpx.AsyncClient, job_id: str, last: str | None = None
) -> list[tuple[str, str, int]]:
    """Return each event's id, name, and scene."""
    headers = {} if last is None else {"Last-Event-ID": last}
    blocks = (await http.get(f"/v1/jobs/{job_id}/events", headers=headers)).text.split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks if block]
    return [(each["id"], each["event"], json.loads(each["data"]).get("index", -1)) for each in fields]


async def test_who_connects_again_misses_no_end(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    job_id = await submit(http, *[SCENE | {"seed": seed} for seed in range(6)])
    async with working(mine, graph):
        await ended(http, job_id)
    events = await events_of(http, job_id)
    assert [scene for _, name, scene in events if name == "scene.ended"] == [0, 1, 2, 3, 4, 5]
    assert len({stream_events for stream_events, *_ in events[:6]}) == 6
    for captured, (last, *_) in enumerate(events, 1):
        again = await events_of(http, job_id, last)
        assert [scene for _, name, scene in again if name == "scene.ended"] == [*range(captured, 6)]
        assert again[-1][1] == "job.ended"


async def test_ends_in_another_order_than_the_scenes_are_in(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last scene has ended and was reported when the connection breaks; then the others end."""
    job_id = await submit(http, *[SCENE | {"seed": seed} for seed in range(3)])
    leases = JobStore(open_database(mine.jobs.database_url(mine.state_folder)))
    with leases.engine.begin() as connection:
        last = scenes.c.number == 2
        connection.execute(update(scenes).where(last).values(status="failed", ended_at=time.time() + 9e4))
    monkeypatch.setattr("serve.jobs.job_responses.LONGEST_S", 0.05)
    first = await events_of(http, job_id)
    assert [scene for _, name, scene in first if name == "scene.ended"] == [2]
    async with working(mine, graph):
        await ended(http, job_id)
    again = await events_of(http, job_id, first[-1][0])
    assert [scene for _, name, scene in again if name == "scene.ended"] == [0, 1]


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


async def test_a_job_that_is_removed_takes_its_pictures_along(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    kept = mine.state_folder / "pictures"
    first = await submit(http, *[SCENE | {"seed": seed} for seed in (1, 2, 3)])
    second = await submit(http, *[SCENE | {"seed": seed} for seed in (3, 4)])
    async with working(mine, graph):
        await ended(http, first)
        job = await ended(http, second)
        shared = {(await http.get(scene["url"])).headers["etag"].strip('"') for scene in job["scenes"]}
        assert len(files_in(kept)) == 4
        assert (await http.delete(f"/v1/jobs/{first}")).json()["status"] == "succeeded"
        assert files_in(kept) == shared
        for scene in job["scenes"]:
            assert (await http.get(scene["url"])).status_code == 200
        assert (await http.delete(f"/v1/jobs/{first}")).status_code == 404
        await http.delete(f"/v1/jobs/{second}")
        assert files_in(kept) == set()
        third = await ended(http, await submit(http, SCENE | {"seed": 3}))
        assert (await http.get(third["scenes"][0]["url"])).status_code == 200


async def test_a_picture_that_is_removed_while_another_job_gets_it_is_kept_again(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, real = mine.state_folder / "pictures", Leases.succeed

    def succeed(leases: Leases, *stream_events: Any, **more: Any) -> bool:
        for file in kept.rglob("*"):
            if file.is_file():
                file.unlink()
        return real(leases, *stream_events, **more)

    monkeypatch.setattr(Leases, "succeed", succeed)
    async with working(mine, graph):
        job = await ended(http, await submit(http, SCENE))

        async def there() -> bool:
            return (await http.get(job["scenes"][0]["url"])).status_code == 200

        await eventually(there)


async def test_a_store_that_fails_leaves_the_job_to_be_removed_again(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(mine, graph):
        job_id = await submit(http, SCENE)
        await ended(http, job_id)

    def fail(*arguments: object, **more: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(FolderPictures, "drop", fail)
        assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 503
    assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 200
    assert files_in(mine.state_folder / "pictures") == set()


async def test_the_room_on_the_disk_is_recorded_for_every_report_of_ray(
    mine: ServiceConfig, graph: Graph, noted: list[Noted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskSpace, "free_bytes", lambda self: 12_345)
    monkeypatch.setattr("serve.jobs.worker.GAUGE_EVERY_S", 0.01)
    async with working(mine, graph):
        [worker] = [each for each in noted if each.allowed == metrics.WORKER]
        await eventually(lambda: worker.of(metrics.FREE_BYTES)[:3] == [12_345] * 3)


async def test_it_stops_once_no_renewal_is_under_way(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database connection is in use once the worker has stopped."""
    entered, go_on, renewed = threading.Event(), threading.Event(), threading.Event()

    def renew(self: Leases, tokens: Any) -> set[str]:
        entered.set()
        assert go_on.wait(30)
        renewed.set()
        return set(tokens)

    monkeypatch.setattr(Leases, "renew", renew)
    await submit(http, *[SCENE | {"seed": seed} for seed in range(20)])
    async with working(mine, graph):
        await eventually(lambda: _later(entered.is_set()))
        threading.Timer(0.3, go_on.set).start()
    assert renewed.is_set()


@pytest.mark.parametrize(
    "webhook", [{"url": "https://hooks.example.com/"}, {"url": ""}, {}, "https://hooks.example.com/"]
)
async def test_a_webhook_that_may_not_be_sent_is_refused(http: httpx.AsyncClient, webhook: Any) -> None:
    response = await http.post("/v1/jobs", json={"scenes": [SCENE], "webhook": webhook})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "invalid_request")
    assert error["param"].startswith("webhook")
