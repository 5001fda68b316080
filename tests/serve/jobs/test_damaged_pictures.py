"""Kept pictures that are damaged: never returned, but repainted from the job's words and seeds, or gone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select, update

from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.http_telemetry import HttpMetrics
from serve.ingress import build_http
from serve.jobs.damaged_pictures import paint_again
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.scene_jobs import admit_all
from serve.jobs.states import SceneState
from serve.pictures.picture_files import FolderPictures, intact, open_pictures
from serve.state.database import open_database
from serve.state.job_tables import scenes
from serve.state.picture_tables import loose_pictures
from serve.telemetry import metrics
from tests.support.events import parse_events
from tests.support.job_requests import JSON, ended, submit, working
from tests.support.local_service import captured, served
from tests.support.noted import Noted
from tests.support.picture_rot import ROT, spoil
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE

WAYS: dict[str, Callable[[bytes], bytes | None]] = {**ROT, "missing": lambda data: None}
PAINTED = SCENE | {"seed": 1, "output": {"format": "png"}}


@pytest.fixture
def mine(request: pytest.FixtureRequest, config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    jobs = replace(config.jobs, poll_s=0.02, lease_s=5.0)
    if getattr(request, "param", "folder") == "s3":
        jobs = replace(jobs, pictures=f"s3://{request.getfixturevalue('bucket')}/painted")
    return config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})


@pytest.fixture
async def http(mine: ServiceConfig, graph: Graph, noted: list[Noted]) -> AsyncIterator[httpx.AsyncClient]:
    app = HttpMetrics(served(build_http(mine, graph)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def kept(http: httpx.AsyncClient, config: ServiceConfig, graph: Graph, *requested: Any) -> list[str]:
    """Submit a job; return the addresses of its scenes once all are painted."""
    job_id = await submit(http, *requested)
    async with working(config, graph):
        job = await ended(http, job_id)
    return [scene["url"] for scene in job["scenes"]]


def rot(config: ServiceConfig, name: str, spoiled: Callable[[bytes], bytes | None]) -> None:
    pictures = open_pictures(config.jobs.pictures_place(config.state_folder))
    spoil(pictures, name, spoiled(pictures.get(name)))


def name_in(response: httpx.Response) -> str:
    return response.headers["etag"].strip('"').removesuffix("-json")


def change(config: ServiceConfig, **values: Any) -> None:
    engine = open_database(config.jobs.database_url(config.state_folder))
    with engine.begin() as connection:
        connection.execute(update(scenes).values(**values))
    engine.dispose()


@pytest.mark.parametrize("mine", ["folder", "s3"], indirect=True)
async def test_it_is_painted_again_and_has_the_same_bytes(
    http: httpx.AsyncClient,
    mine: ServiceConfig,
    graph: Graph,
    noted: list[Noted],
    caplog: pytest.LogCaptureFixture,
) -> None:
    urls = await kept(http, mine, graph, *[PAINTED | {"seed": seed} for seed in range(len(WAYS))])
    before = [await http.get(url) for url in urls]
    for response, spoiled in zip(before, WAYS.values(), strict=True):
        rot(mine, name_in(response), spoiled)
    for url in urls:
        with captured(caplog):
            responses = [await http.get(url), await http.head(url), await http.get(url, headers=JSON)]
        assert [response.status_code for response in responses] == [503, 503, 503]
        assert all(int(response.headers["retry-after"]) >= 1 for response in responses)
        error = responses[0].json()["error"]
        assert (error["code"], "damaged" in error["message"]) == ("not_ready", True)
    assert noted[0].tags(metrics.DAMAGED_PICTURES) == [("repainted",)] * len(urls)
    job = (await http.get(urls[0].rpartition("/scenes")[0])).json()
    assert job["status"] == "queued"
    assert "repainted" in caplog.text and job["id"] in caplog.text
    for number, scene in enumerate(job["scenes"]):
        assert scene == {"index": number, "status": "queued", "repaints": 1}

    async with working(mine, graph):
        job = await ended(http, job["id"])
    assert job["status"] == "succeeded"
    for number, (url, first) in enumerate(zip(urls, before, strict=True)):
        after = await http.get(url)
        assert (after.status_code, after.content) == (200, first.content)
        assert after.headers["etag"] == first.headers["etag"]
        assert "x-degraded" not in after.headers
        assert job["scenes"][number] == {"index": number, "status": "succeeded", "url": url, "repaints": 1}


async def test_layers_come_back_too_and_times_do_not_count_as_a_change(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED | {"layers": True})
    before = await http.get(url, headers=JSON)
    rot(mine, name_in(before), ROT["cut short"])
    assert (await http.get(url, headers=JSON)).status_code == 503
    async with working(mine, graph):
        (scene,) = (await ended(http, url.split("/")[3]))["scenes"]
    after = await http.get(url, headers=JSON)
    assert after.json()["layers"] == before.json()["layers"]
    assert after.json()["image"] == before.json()["image"]
    assert after.json()["degraded"] == []
    assert (scene["repaints"], "changed" in scene) == (1, False)


@pytest.mark.parametrize("layers", [False, True])
async def test_another_picture_than_before_is_declared(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, layers: bool
) -> None:
    """Repaint it differently, as other weights would; here the seed is changed."""
    requested = PAINTED | {"layers": layers}
    (url,) = await kept(http, mine, graph, requested)
    before = await http.get(url, headers=JSON)
    rot(mine, name_in(before), ROT["emptied"])
    change(mine, job=func.replace(scenes.c.job, '"seed":1,', '"seed":2,'))
    assert (await http.get(url)).status_code == 503
    async with working(mine, graph):
        (scene,) = (await ended(http, url.split("/")[3]))["scenes"]
        after = await http.get(url)
        assert (scene["repaints"], scene["changed"]) == (1, True)
        assert after.headers["x-degraded"] == "picture: repainted"
        assert after.content != before.content
        if layers:
            assert "picture: repainted" in (await http.get(url, headers=JSON)).json()["degraded"]
        else:
            assert hashlib.sha256(after.content).hexdigest() == name_in(after) != name_in(before)
        # The next time it is painted as at first, which is not a change.
        rot(mine, name_in(after), ROT["emptied"])
        change(mine, job=func.replace(scenes.c.job, '"seed":2,', '"seed":1,'))
        assert (await http.get(url)).status_code == 503
        (scene,) = (await ended(http, url.split("/")[3]))["scenes"]
    assert "x-degraded" not in (await http.get(url)).headers
    assert (scene["repaints"], "changed" in scene) == (2, False)


async def test_a_disk_that_rots_all_it_holds_does_not_paint_for_ever(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, noted: list[Noted]
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED)
    name, most = name_in(await http.get(url)), mine.jobs.max_repaints
    async with working(mine, graph):
        for _ in range(most):
            rot(mine, name, ROT["one bit flipped"])
            assert (await http.get(url)).status_code == 503
            await ended(http, url.split("/")[3])
        rot(mine, name, ROT["one bit flipped"])
        responses = [await http.get(url) for _ in range(2)] + [await http.head(url)]
    assert [response.status_code for response in responses] == [410] * 3
    error = responses[0].json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "gone")
    assert f"painted again {most} times" in error["message"]
    assert responses[1].json()["error"]["message"] == error["message"]
    job = (await http.get(url.rpartition("/scenes")[0])).json()
    assert (job["status"], job["failed"]) == ("failed", 1)
    assert (job["scenes"][0]["error"]["code"], job["scenes"][0]["repaints"]) == ("gone", most)
    assert noted[0].tags(metrics.DAMAGED_PICTURES) == [("repainted",)] * most + [("gone",)]
    events = parse_events((await http.get(f"{url.rpartition('/scenes')[0]}/events")).text)
    assert events[0][1]["error"]["code"] == "gone"


@pytest.mark.parametrize("words", ["", "{", "null", '{"character": 1}'])
async def test_without_its_words_it_is_gone(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, noted: list[Noted], words: str
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED)
    rot(mine, name_in(await http.get(url)), ROT["emptied"])
    change(mine, job=words)
    response = await http.get(url)
    assert (response.status_code, response.json()["error"]["code"]) == (410, "gone")
    assert "request" in response.json()["error"]["message"]
    assert noted[0].tags(metrics.DAMAGED_PICTURES) == [("gone",)]


async def test_one_that_cannot_be_painted_any_more_is_gone(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED)
    rot(mine, name_in(await http.get(url)), ROT["emptied"])
    change(mine, deadline_s=0.0001)
    assert (await http.get(url)).status_code == 503
    async with working(mine, graph):
        assert (await ended(http, url.split("/")[3]))["status"] == "failed"
    response = await http.get(url)
    assert (response.status_code, response.json()["error"]["code"]) == (410, "gone")
    assert "deadline" in response.json()["error"]["message"]


async def test_one_that_is_cancelled_meanwhile_is_gone_and_can_be_removed(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED)
    rot(mine, name_in(await http.get(url)), ROT["emptied"])
    assert (await http.get(url)).status_code == 503
    job = url.rpartition("/scenes")[0]
    assert (await http.delete(job)).json()["status"] == "cancelled"
    assert (await http.get(url)).status_code == 410
    assert (await http.delete(job)).status_code == 200
    assert (await http.get(url)).status_code == 404


async def test_two_jobs_with_the_same_picture_are_both_healed(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, noted: list[Noted]
) -> None:
    first, second = [(await kept(http, mine, graph, PAINTED))[0] for _ in range(2)]
    before = await http.get(second)
    assert name_in(await http.get(first)) == name_in(before)
    rot(mine, name_in(before), ROT["cut short"])
    assert (await http.get(first)).status_code == 503
    async with working(mine, graph):
        await ended(http, first.split("/")[3])
        # Pictures that were noted as loose are checked meanwhile, and kept.
        engine = open_database(mine.jobs.database_url(mine.state_folder))
        await eventually(lambda: asyncio.to_thread(lambda: not notes(engine)))
        engine.dispose()
    for url in (first, second):
        assert (await http.get(url)).content == before.content
    assert noted[0].tags(metrics.DAMAGED_PICTURES) == [("repainted",)]


async def test_a_job_that_is_painted_after_the_rot_does_not_trust_the_file(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, noted: list[Noted]
) -> None:
    (first,) = await kept(http, mine, graph, PAINTED)
    before = await http.get(first)
    rot(mine, name_in(before), ROT["emptied"])
    (second,) = await kept(http, mine, graph, PAINTED)
    for url in (second, first):
        assert (await http.get(url)).content == before.content
    assert noted[0].tags(metrics.DAMAGED_PICTURES) == []


async def test_who_follows_the_job_hears_of_the_new_end(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph
) -> None:
    url, _ = await kept(http, mine, graph, PAINTED, PAINTED | {"seed": 2})
    rot(mine, name_in(await http.get(url)), ROT["emptied"])
    job = url.rpartition("/scenes")[0]
    whole = (await http.get(f"{job}/events")).text
    last = next(line for line in reversed(whole.splitlines()) if line.startswith("id: "))
    assert (await http.get(url)).status_code == 503
    async with working(mine, graph):
        events = parse_events(
            (await http.get(f"{job}/events", headers={"Last-Event-ID": last.removeprefix("id: ")})).text
        )
    ends = [data for name, data in events if name == "scene.ended" and data["index"] == 0]
    assert ends[-1]["repaints"] == 1
    assert events[-1] == ("job.ended", events[-1][1]) and events[-1][1]["status"] == "succeeded"


async def test_a_store_that_fails_is_not_a_damaged_picture(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    (url,) = await kept(http, mine, graph, PAINTED)
    pictures = type(open_pictures(mine.jobs.pictures_place(mine.state_folder)))

    def fail(*arguments: object) -> bytes:
        raise PermissionError("not allowed")

    with monkeypatch.context() as broken:
        broken.setattr(pictures, "get", fail)
        message = (await http.get(url)).json()["error"]["message"]
        assert message == "the store of jobs is unavailable; try again"
    assert (await http.get(url)).status_code == 200


async def test_a_second_look_before_a_picture_is_given_up(
    http: httpx.AsyncClient, mine: ServiceConfig, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every store writes a file atomically: a reader may see half of it."""
    (url,) = await kept(http, mine, graph, PAINTED)
    get, looks = FolderPictures.get, iter([b"half"])

    def half(pictures: FolderPictures, name: str) -> bytes:
        if (data := next(looks, None)) is not None:
            return intact(name, data)
        return get(pictures, name)

    monkeypatch.setattr(FolderPictures, "get", half)
    assert (await http.get(url)).status_code == 200


def notes(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return list(connection.execute(select(loose_pictures.c.picture)).scalars())


@pytest.fixture
def seen(engine: Engine, store: JobStore, leases: Leases, config: ServiceConfig) -> SceneState:
    """Return a scene with a picture, in either database."""
    new = admit_all([SceneRequest.model_validate(SCENE | {"seed": 1})], "a" * 32, config)
    store.submit("a" * 32, "me", new, now=0.0)
    claim = leases.claim(0.0)
    assert claim and leases.succeed(claim.lease, "f" * 64, "jpeg", {}, 1.0)
    found = store.scene("me", "a" * 32, 0)
    assert found
    return found


def test_of_many_readers_one_has_it_painted_again(
    engine: Engine, store: JobStore, leases: Leases, seen: SceneState
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: paint_again(engine, "a" * 32, seen, "empty", 3), range(8)))
    assert sorted(map(str, found)) == ["None"] * 7 + ["repainted"]
    assert notes(engine) == ["f" * 64], "tidying checks whether another scene has it"
    claim = leases.claim(2.0)
    assert claim and claim.first_painted == "f" * 64
    assert leases.succeed(claim.lease, "f" * 64, "jpeg", {}, 3.0)
    assert paint_again(engine, "a" * 32, seen, "empty", 3) is None, "the reader saw an outdated state"
    again = store.scene("me", "a" * 32, 0)
    assert again and (again.status, again.repaints, again.changed) == ("succeeded", 1, False)


def test_it_is_not_forgotten_while_it_is_painted_again(
    engine: Engine, store: JobStore, leases: Leases, seen: SceneState
) -> None:
    assert paint_again(engine, "a" * 32, seen, "empty", 3, now=1.0) == "repainted"
    assert leases.forget(10.0, now=100.0) == 0
    claim = leases.claim(100.0)
    assert claim and leases.succeed(claim.lease, "e" * 64, "jpeg", {}, 101.0)
    again = store.scene("me", "a" * 32, 0)
    assert again and again.changed and again.picture == "e" * 64
    assert leases.forget(10.0, now=112.0) == 1


def test_given_up(engine: Engine, store: JobStore, seen: SceneState) -> None:
    assert paint_again(engine, "a" * 32, seen, "empty", 0, now=5.0) == "gone"
    again = store.scene("me", "a" * 32, 0)
    assert again and (again.status, again.picture) == ("failed", None)
    assert again.error and again.error["code"] == "gone" and "found empty" in again.error["message"]
