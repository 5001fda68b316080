"""Long work runs in one thread, while the event loop goes on."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import threading
from typing import Any

import httpx
import pytest

from deployments.errors import InvalidRequest
from serve.http import body, rendering, strict_json
from serve.http.off_loop import off_loop
from serve.http.strict_json import AT_ONCE_BYTES
from serve.jobs import job_service
from serve.jobs.job_schema import JobRequest
from serve.routes import jobs as routes
from tests.support.scene_requests import SCENE, error_of

JSON = {"Content-Type": "application/json"}
LONG = json.dumps(SCENE).ljust(AT_ONCE_BYTES + 1)
PNG = {"output": {"format": "png"}}
IMAGES = {"model": "background", "prompt": "a", "size": "768x768", "num_inference_steps": 1}
JOB = json.dumps({"scenes": [SCENE] * 200})


async def test_one_at_a_time_in_a_thread_of_its_own() -> None:
    names, running = [], threading.Semaphore(1)

    def action() -> None:
        assert running.acquire(blocking=False), "another one is running"
        names.append(threading.current_thread().name)
        running.release()

    await asyncio.gather(*(off_loop(action) for _ in range(20)))
    assert set(names) == {"off-loop_0"}


async def test_faults_are_the_callers_and_the_collector_is_on_again() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await off_loop(fail)
    assert gc.isenabled()


async def test_what_failed_work_made_is_freed_in_its_thread() -> None:
    """The error refers to its frames, with which the event loop would free all that was parsed at once."""
    freed: list[str] = []

    class Parsed:
        """Records in which thread it is freed."""

        def __del__(self) -> None:
            freed.append(threading.current_thread().name)

    def fail() -> None:
        parsed = [Parsed()]
        raise ValueError(len(parsed))

    with pytest.raises(ValueError, match="1"):
        await off_loop(fail)
    assert freed == ["off-loop_0"]


def test_a_fault_of_a_body_does_not_hold_the_body() -> None:
    with pytest.raises(InvalidRequest) as fault:
        body.parse({"scenes": "x"}, JobRequest)
    assert fault.value.__context__ is None and fault.value.__cause__ is None


@pytest.mark.parametrize(("route", "sent"), [("/v1/scenes", LONG), ("/v1/jobs", JOB), ("/v1/jobs", LONG)])
async def test_a_long_body_stops_nobody(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, route: str, sent: str
) -> None:
    """Another request is answered before it is parsed."""
    responded, decode = threading.Event(), body.decode

    def wait_and_decode(*arguments: Any) -> Any:
        assert responded.wait(60), "no other request was answered meanwhile"
        return decode(*arguments)

    monkeypatch.setattr(body, "decode", wait_and_decode)
    long = asyncio.ensure_future(client.post(route, content=sent, headers=JSON))
    while (await client.get("/healthz")).status_code != 200:
        pytest.fail("the service is not alive")
    responded.set()
    assert (await long).status_code in (200, 202, 422)


async def test_neither_do_the_scenes_of_a_job(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, admit = [], job_service.admit_all

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return admit(*arguments)

    monkeypatch.setattr(job_service, "admit_all", noted)
    assert (await client.post("/v1/jobs", json={"scenes": [SCENE]})).status_code == 202
    assert threads == ["off-loop_0"]


async def test_the_options_of_a_merge(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, decode = [], body.decode

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return decode(*arguments)

    monkeypatch.setattr(body, "decode", noted)
    files = {"character": b"", "background": b"", "options": b'{"layers":' + b" " * AT_ONCE_BYTES + b"false}"}
    await client.post("/v1/merges", files=files)
    assert threads == ["off-loop_0"]


@pytest.mark.parametrize("fragment", ["[],", "{},", "0,", '"",', '{"a":[]},'])
@pytest.mark.parametrize("route", ["/v1/scenes", "/v1/jobs"])
async def test_too_many_values_are_refused_before_they_are_parsed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, route: str, fragment: str
) -> None:
    monkeypatch.setattr(strict_json, "_InSlices", lambda **hooks: pytest.fail("it was parsed"))
    size = {"/v1/scenes": 1 << 20, "/v1/jobs": 8 << 20}[route]
    sent = '{"scenes": [' + fragment * ((size - 20) // len(fragment)) + "0]}"
    response = await client.post(route, content=sent, headers=JSON)
    error = error_of(response)
    assert (response.status_code, error["code"]) == (400, "invalid_json")
    assert "contains more than" in error["message"]


async def test_a_thousand_rich_scenes_are_not_too_many(client: httpx.AsyncClient) -> None:
    layer = {
        **{"prompt": "a, b [c] {d}", "negative_prompt": "x, y", "num_inference_steps": 1, "seed": 1},
        **{"guidance_scale": 1.0, "width": 64, "height": 64, "enhance_prompt": True, "model": None},
    }
    scene = {
        **{"character": layer, "background": layer, "seed": 1, "enhance": False, "attribution": False},
        **{"layers": False, "fallback": "none", "output": {"format": "png", "quality": 90}, "deadline_s": 9},
        "merge": {
            "mode": "auto",
            "position": "left",
            "width": 64,
            "height": 64,
            "scale": 1.0,
            "contrast": None,
        },
    }
    response = await client.post("/v1/jobs", json={"scenes": [scene] * 1_000})
    assert response.status_code == 202
    await client.delete(f"/v1/jobs/{response.json()['id']}")


async def test_many_faults_are_reported_by_the_first(client: httpx.AsyncClient) -> None:
    scene = {f"field {number}": 0 for number in range(150)}
    response = await client.post("/v1/jobs", json={"scenes": [scene] * 1_000})
    assert (response.status_code, error_of(response)["param"]) == (422, "scenes.0.character")


LARGE = {"merge": {"width": 1024, "height": 1024}, "output": {"format": "png"}, "layers": True, "seed": 1}
PAINTED: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/scenes", "application/json", SCENE | LARGE),
    ("/v1/scenes", "text/event-stream", SCENE | LARGE),
    ("/v1/backgrounds", "application/json", {"prompt": "a", "steps": 1, "width": 768, "height": 768} | PNG),
    ("/v1/backgrounds", "text/event-stream", {"prompt": "a", "steps": 1, "width": 768, "height": 768} | PNG),
    ("/v1/images/generations", "application/json", IMAGES),
    ("/v1/images/generations", "text/event-stream", IMAGES | {"stream": True}),
]


@pytest.mark.parametrize(("route", "accept", "sent"), PAINTED)
async def test_large_pictures_are_made_into_json_there(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, route: str, accept: str, sent: dict[str, Any]
) -> None:
    threads, encode = [], rendering.base64.b64encode

    def noted(data: bytes) -> bytes:
        threads.append(threading.current_thread().name)
        return encode(data)

    monkeypatch.setattr(rendering.base64, "b64encode", noted)
    monkeypatch.setattr(rendering, "LARGE_BYTES", 100)
    query = "?previews=0" if "event" in accept and "images" not in route else ""
    response = await client.post(route + query, json=sent, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert set(threads) == {"off-loop_0"}
    if accept == "application/json":
        assert response.json()
        assert response.headers["content-length"] == str(len(response.content))


async def test_a_job_of_many_scenes_is_reported_there(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = (await client.post("/v1/jobs", content=JOB, headers=JSON)).json()["id"]
    threads, whole = [], routes.whole

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return whole(*arguments)

    monkeypatch.setattr(routes, "whole", noted)
    assert len((await client.get(f"/v1/jobs/{job}")).json()["scenes"]) == 200
    assert threads == ["off-loop_0"]
    await client.delete(f"/v1/jobs/{job}")


def test_base64_in_chunks_is_base64() -> None:
    for size in (0, 1, rendering.CHUNK_BYTES - 1, rendering.CHUNK_BYTES, 2 * rendering.CHUNK_BYTES + 2):
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert base64.b64decode(rendering.base64_of(data), validate=True) == data


async def test_a_long_accept_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    accept = "application/json," + "a/b," * 20_000
    response = await client.post("/v1/scenes", json=SCENE, headers={"Accept": accept})
    assert response.json()["image"]
