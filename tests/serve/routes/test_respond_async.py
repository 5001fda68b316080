"""`Prefer: respond-async`: 202 at once and a job that continues, for scenes, layers and OpenAI's route."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.polling import until
from tests.support.scene_requests import SCENE, SMALL, error_of
from tests.support.uploads import a_file

LATER = {"Prefer": "respond-async"}
PIXELS = np.random.default_rng(5).integers(60, 200, (64, 96, 3)).astype(np.uint8)
PICTURE = a_file(PIXELS)
MASK = a_file(np.dstack([PIXELS, np.where(np.arange(96) < 48, 0, 255) * np.ones((64, 1))]).astype(np.uint8))
IMAGES = {"model": "background", "prompt": "a", "size": "64x64", "num_inference_steps": 1}


def ended(url: str, path: str) -> dict[str, Any]:
    """Return the job at that address once it has ended."""

    def look() -> dict[str, Any] | None:
        answer = httpx.get(f"{url}{path}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job if job["status"] in ("succeeded", "failed", "cancelled") else None

    return dict(until(look))


def later(url: str, path: str, body: Any, **headers: str) -> str:
    answer = httpx.post(f"{url}{path}", json=body, headers=LATER | headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return str(answer.headers["location"])


@pytest.mark.parametrize(
    ("path", "body", "size", "mode"),
    [
        ("/v1/scenes", SCENE, (128, 64), "RGB"),
        ("/v1/characters", SMALL, (64, 64), "RGB"),
        ("/v1/characters", {**SMALL, "cutout": True}, (64, 64), "RGBA"),
        ("/v1/backgrounds", {**SMALL, "output": {"format": "webp", "as": "url"}}, (64, 64), "RGB"),
        ("/v1/images/generations", IMAGES, (64, 64), "RGB"),
    ],
)
def test_the_job_paints_what_the_request_would_have(
    url_with_worker: str, path: str, body: dict[str, Any], size: tuple[int, int], mode: str
) -> None:
    body = {**body, "seed": 7}
    job = ended(url_with_worker, location := later(url_with_worker, path, body))
    assert (job["status"], job["total"]) == ("succeeded", 1), job
    found = httpx.get(f"{url_with_worker}{location}/scenes/0")
    picture = Image.open(BytesIO(found.content))
    assert (picture.size, picture.mode) == (size, mode)
    assert "7" in found.headers["x-seed"]
    body["output"] = {**body.get("output", {}), "as": None}
    if path.startswith("/v1/images"):
        del body["output"]
    now = httpx.post(f"{url_with_worker}{path}", json=body)
    data = base64.b64decode(now.json()["data"][0]["b64_json"]) if "images" in path else now.content
    assert Image.open(BytesIO(data)).format == picture.format
    assert data == found.content


@pytest.mark.parametrize("model", ["background", "scene"])
def test_an_edit_goes_on_as_a_job(url_with_worker: str, model: str) -> None:
    form = {"prompt": "a | b", "model": model, "seed": "7", "num_inference_steps": "2", "n": "2"}
    address, headers = f"{url_with_worker}/v1/images/edits", LATER | {"Idempotency-Key": f"edit-{model}"}
    first, again = (
        httpx.post(address, data=form, files={"image": PICTURE, "mask": MASK}, headers=headers) for _ in "ab"
    )
    assert (first.status_code, again.status_code) == (202, 202), first.text + again.text
    location = first.headers["location"]
    assert again.headers["location"] == location
    job = ended(url_with_worker, location)
    assert (job["status"], job["total"]) == ("succeeded", 2), job
    now = httpx.post(address, data=form, files={"image": PICTURE, "mask": MASK}).json()["data"]
    for number, each in enumerate(now):
        found = httpx.get(f"{url_with_worker}{location}/scenes/{number}")
        assert found.content == base64.b64decode(each["b64_json"])
    other = httpx.post(address, data=form, files={"image": MASK, "mask": MASK}, headers=headers)
    assert (other.status_code, error_of(other)["param"]) == (422, "Idempotency-Key")


def test_what_is_refused_of_an_edit_is_read_and_kept_nowhere(url_with_worker: str) -> None:
    for form, files, param in (
        ({"size": "9999x64"}, {"image": PICTURE}, "size"),
        ({}, {"image": MASK, "mask": PICTURE}, "mask"),
    ):
        refused = httpx.post(
            f"{url_with_worker}/v1/images/edits", data={"prompt": "x"} | form, files=files, headers=LATER
        )
        assert (refused.status_code, error_of(refused)["param"]) == (422, param), refused.text


def test_the_accepted_format_counts(url_with_worker: str) -> None:
    for path, body in (("/v1/scenes", SCENE), ("/v1/backgrounds", SMALL)):
        location = later(url_with_worker, path, body, Accept="image/png")
        ended(url_with_worker, location)
        assert httpx.get(f"{url_with_worker}{location}/scenes/0").headers["content-type"] == "image/png"


def test_a_kept_picture_counts_among_the_bytes_that_are_held(
    url_with_worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    monkeypatch.setattr("serve.routes.kept_scene.hold_response", lambda _, size: held.append(size))
    location = later(url_with_worker, "/v1/backgrounds", SMALL)
    ended(url_with_worker, location)
    found = httpx.get(f"{url_with_worker}{location}/scenes/0")
    assert found.status_code == 200 and held == [len(found.content)]


def test_several_images_are_several_parts(url_with_worker: str) -> None:
    body = {**IMAGES, "n": 3, "response_format": "url"}
    job = ended(url_with_worker, later(url_with_worker, "/v1/images/generations", body))
    assert [scene["status"] for scene in job["scenes"]] == ["succeeded"] * 3


def test_a_repeated_request_is_the_same_job(url_with_worker: str) -> None:
    first = later(url_with_worker, "/v1/characters", SMALL, **{"Idempotency-Key": "one"})
    again = later(url_with_worker, "/v1/characters", SMALL, **{"Idempotency-Key": "one"})
    assert first == again
    headers = LATER | {"Idempotency-Key": "one"}
    other = httpx.post(f"{url_with_worker}/v1/backgrounds", json=SMALL, headers=headers)
    assert (other.status_code, error_of(other)["param"]) == (422, "Idempotency-Key")


@pytest.mark.parametrize("path", ["/v1/scenes", "/v1/characters", "/v1/backgrounds"])
def test_pictures_that_it_starts_from_are_held(url_with_worker: str, path: str) -> None:
    file = BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    layer = {**SMALL, "image": {"b64_json": base64.b64encode(file.getvalue()).decode()}, "strength": 0.5}
    body = {**SCENE, "background": layer} if path == "/v1/scenes" else layer
    job = ended(url_with_worker, later(url_with_worker, path, body))
    assert job["status"] == "succeeded", job


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/scenes", {**SCENE, "merge": {"width": 9_999}}, "merge.width"),
        ("/v1/characters", {**SMALL, "width": 9_999}, "width"),
        ("/v1/characters", {**SMALL, "cutout": True, "output": {"format": "jpeg"}}, "output.format"),
        ("/v1/backgrounds", {**SMALL, "image": {"id": f"pic_{'0' * 64}"}}, "image.id"),
        ("/v1/images/generations", {**IMAGES, "size": "9999x64"}, "size"),
    ],
)
def test_what_cannot_be_painted_is_refused_in_the_request_s_words(
    url_with_worker: str, path: str, body: dict[str, Any], param: str
) -> None:
    refused = httpx.post(f"{url_with_worker}{path}", json=body, headers=LATER)
    assert (refused.status_code, error_of(refused)["param"]) == (422, param), refused.text


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("respond-async", 202),
        ("Respond-Async, wait=10", 202),
        ("return=minimal, respond-async; q=1", 202),
        ("wait=10", 200),
        ("respond-asynchronously", 200),
        ('x="respond-async"', 200),
        ("", 200),
    ],
)
async def test_how_it_is_preferred(client: httpx.AsyncClient, prefer: str, status: int) -> None:
    answer = await client.post("/v1/backgrounds", json=SMALL, headers={"Prefer": prefer})
    assert answer.status_code == status


async def test_it_needs_the_scope_of_jobs(config: ServiceConfig, graph: Graph, tmp_path: Path) -> None:
    key = open_keys(tmp_path).create("game", ("generate",))[1]
    settings = {"state_dir": str(tmp_path), "authentication": "required"}
    transport = httpx.ASGITransport(served(build_http(config.model_copy(update=settings), graph)))
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    headers = LATER | {"Authorization": f"Bearer {key}"}
    refused = await client.post("/v1/scenes", json=SCENE, headers=headers)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")
