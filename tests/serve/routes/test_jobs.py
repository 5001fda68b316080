"""/v1/jobs, without a worker."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.events import parse_events
from tests.support.scene_requests import SCENE, SMALL, error_of

JOB = {"scenes": [SCENE]}


async def test_accepted_means_kept(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", json={"scenes": [SCENE] * 3})
    assert response.status_code == 202
    job = response.json()
    assert job == {"id": job["id"], "status": "queued", "total": 3}
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    found = (await client.get(response.headers["location"])).json()
    assert (found["status"], found["done"], found["failed"]) == ("queued", 0, 0)
    assert found["scenes"] == [{"index": index, "status": "queued"} for index in range(3)]
    later = (await client.post("/v1/jobs", json=JOB)).headers["location"]
    assert (await client.get(later)).json()["ahead"] == found["ahead"] + 3


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "scenes"),
        ({"scenes": []}, "scenes"),
        ({"scenes": [SCENE] * 1_001}, "scenes"),
        ({"scenes": [SCENE], "priority": 9}, "priority"),
        ({"scenes": [SCENE, {"character": "a"}]}, "scenes.1.background"),
        ({"scenes": [SCENE, SCENE | {"character": SMALL | {"width": 70}}]}, "scenes.1.character.width"),
        ({"scenes": [SCENE | {"deadline_s": 10_000}]}, "scenes.0.deadline_s"),
        ([SCENE], "body"),
    ],
)
async def test_what_is_invalid_is_refused_whole(client: httpx.AsyncClient, body: Any, param: str) -> None:
    before = (await client.get("/v1/jobs")).json()["data"]
    response = await client.post("/v1/jobs", json=body)
    assert (response.status_code, error_of(response)["param"]) == (422, param)
    assert (await client.get("/v1/jobs")).json()["data"] == before


async def test_an_idempotency_key(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first, again = [await client.post("/v1/jobs", json=JOB, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    other = await client.post("/v1/jobs", json={"scenes": [SCENE, SCENE]}, headers=headers)
    assert (other.status_code, error_of(other)["param"]) == (422, "Idempotency-Key")
    assert (await client.post("/v1/jobs", json=JOB)).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "a" * 256, "two words"])
async def test_a_key_that_is_none(client: httpx.AsyncClient, key: str) -> None:
    response = await client.post("/v1/jobs", json=JOB, headers={"Idempotency-Key": key})
    assert (response.status_code, error_of(response)["param"]) == (422, "Idempotency-Key")


async def test_pages(client: httpx.AsyncClient) -> None:
    ids = [(await client.post("/v1/jobs", json=JOB)).json()["id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while len(seen) < len(ids):
        page = (await client.get("/v1/jobs", params=query)).json()
        assert len(page["data"]) == 2
        seen += [job["id"] for job in page["data"]]
        query["after"] = page["next"]
    assert seen[: len(ids)] == ids[::-1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "after=x", "after=Og==", "after=MToA", "page=2"]
)
async def test_a_wrong_query(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/v1/jobs?{query}")
    assert (response.status_code, error_of(response)["param"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "%00", "..%2f..", "0" * 5_000])
async def test_no_such_job(client: httpx.AsyncClient, job_id: str) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("GET", "/scenes/0"),
        ("GET", "/scenes/-1"),
        ("GET", f"/scenes/{'9' * 400}"),
    ):
        response = await client.request(method, f"/v1/jobs/{job_id}{path}")
        assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


async def test_a_picture_that_is_not_there_yet(client: httpx.AsyncClient) -> None:
    job_id = (await client.post("/v1/jobs", json=JOB)).json()["id"]
    for index in ("0", "1", "one"):
        assert (await client.get(f"/v1/jobs/{job_id}/scenes/{index}")).status_code == 404


async def test_cancelling(client: httpx.AsyncClient) -> None:
    job_id = (await client.post("/v1/jobs", json=JOB)).json()["id"]
    assert (await client.delete(f"/v1/jobs/{job_id}")).json()["status"] == "cancelled"
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["scenes"][0]["status"] == "cancelled"


async def test_a_job_that_has_ended_is_removed(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "removed"}
    job_id = (await client.post("/v1/jobs", json=JOB, headers=headers)).json()["id"]
    other = (await client.post("/v1/jobs", json=JOB)).json()["id"]
    responses = [await client.delete(f"/v1/jobs/{job_id}") for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 404]
    assert [response.json()["status"] for response in responses[:2]] == ["cancelled", "cancelled"]
    for path in ("", "/events", "/scenes/0"):
        assert (await client.get(f"/v1/jobs/{job_id}{path}")).status_code == 404
    listed = [job["id"] for job in (await client.get("/v1/jobs")).json()["data"]]
    assert job_id not in listed and other in listed
    again = (await client.post("/v1/jobs", json=JOB, headers=headers)).json()["id"]
    assert again != job_id, "its idempotency key is free again"


@pytest.mark.parametrize(
    "last", ["", "7", "zz", "{job}", "{job}.", "{job}.zz", "{job}.2", "{job}.1" + "0" * 9_000, "{other}.1"]
)
async def test_an_id_of_an_event_that_is_none_of_the_jobs(client: httpx.AsyncClient, last: str) -> None:
    """Scene 0 has ended, and none of these ids says that it was reported."""
    job, other = [(await client.post("/v1/jobs", json=JOB)).json()["id"] for _ in range(2)]
    await client.delete(f"/v1/jobs/{job}")
    headers = {"Last-Event-ID": last.format(job=job, other=other)}
    events = parse_events((await client.get(f"/v1/jobs/{job}/events", headers=headers)).text)
    assert [name for name, _ in events] == ["scene.ended", "job.ended"]


async def test_too_many_waiting(client_with: Callable[..., httpx.AsyncClient], tmp_path: Path) -> None:
    client = client_with(jobs={"max_waiting_scenes": 2, "database": f"sqlite:///{tmp_path / 'few.sqlite'}"})
    assert (await client.post("/v1/jobs", json={"scenes": [SCENE] * 2})).status_code == 202
    response = await client.post("/v1/jobs", json=JOB)
    assert (response.status_code, error_of(response)["code"]) == (429, "overloaded")
    assert int(response.headers["retry-after"]) > 0


async def test_a_body_of_many_scenes_has_its_own_limit(client_with: Callable[..., httpx.AsyncClient]) -> None:
    client = client_with(limits={"max_json_bytes": 10})
    assert (await client.post("/v1/jobs", json=JOB)).status_code == 202
    small = client_with(jobs={"max_json_bytes": 10})
    assert (await small.post("/v1/jobs", json=JOB)).status_code == 413


async def test_no_room_is_reported_before_a_job_is_accepted(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    response = await client.post("/v1/jobs", json=JOB)
    assert (response.status_code, error_of(response)["code"]) == (507, "insufficient_storage")
    assert int(response.headers["retry-after"]) > 0


async def test_a_state_folder_that_cannot_be_used(
    client_with: Callable[..., httpx.AsyncClient], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    client = client_with(jobs={"database": f"sqlite:///{tmp_path / 'file' / 'jobs.sqlite'}"})
    response = await client.post("/v1/jobs", json=JOB)
    assert (response.status_code, error_of(response)["code"]) == (503, "not_ready")
    assert "file" not in response.text
    assert (await client.get("/healthz")).status_code == 200
