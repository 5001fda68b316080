from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.scene_requests import SCENE, SMALL, error_of


@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        ("scenes", {}, "character"),
        ("scenes", {"character": "a"}, "background"),
        ("scenes", SCENE | {"tone": "dark"}, "tone"),
        ("scenes", SCENE | {"seed": "42"}, "seed"),
        ("scenes", SCENE | {"seed": 10**299}, "seed"),
        ("scenes", SCENE | {"merge": {"width": 1032}}, "merge.width"),
        ("scenes", SCENE | {"merge": {"height": 63}}, "merge.height"),
        ("scenes", SCENE | {"character": SMALL | {"width": 71}}, "character.width"),
        ("scenes", SCENE | {"background": SMALL | {"height": 1032}}, "background.height"),
        ("scenes", SCENE | {"character": "  "}, "character.prompt"),
        ("scenes", SCENE | {"character": "a" * 2_001}, "character.prompt"),
        ("scenes", SCENE | {"character": SMALL | {"model": "other"}}, "character.model"),
        ("scenes", SCENE | {"character": SMALL | {"guidance_scale": 10**299}}, "character.guidance_scale"),
        ("scenes", SCENE | {"deadline_s": -1}, "deadline_s"),
        ("characters", {}, "prompt"),
        ("characters", {"prompt": "a", "width": 70}, "width"),
        ("characters", {"prompt": "a", "num_inference_steps": 151}, "num_inference_steps"),
        ("backgrounds", {"prompt": "a", "cutout": True}, "cutout"),
        ("backgrounds", {"prompt": "a", "model": "storybook-character"}, "model"),
        ("backgrounds", [], "body"),
        ("backgrounds", "a castle", "body"),
        ("backgrounds", 7, "body"),
    ],
)
async def test_what_is_invalid_is_refused_by_name(
    client: httpx.AsyncClient, route: str, body: Any, param: str
) -> None:
    response = await client.post(f"/v1/{route}", json=body)
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (422, "invalid_request", param)
    assert error["message"].startswith(param) or "model" in param
    assert "Request" not in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"character": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\\ud800"}',
        b"\xff",
        b"[" * 65 + b"]" * 65,
    ],
)
async def test_what_is_not_json_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/scenes", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/scenes/", "/v1", "/docs"])
async def test_an_unknown_route(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json=SCENE)
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/scenes"), ("PUT", "/v1/characters"), ("POST", "/readyz")]
)
async def test_a_wrong_method(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"]


async def test_alive(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_a_scene_from_words_alone(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", json={"character": "a knight", "background": "a castle"})
    picture = Image.open(BytesIO(response.content))
    assert (response.status_code, picture.format, picture.size) == (200, "JPEG", (1024, 512))


async def test_the_other_names_of_steps_and_guidance(client: httpx.AsyncClient) -> None:
    long = {
        "prompt": "a",
        "width": 64,
        "height": 64,
        "num_inference_steps": 3,
        "guidance_scale": 2.0,
        "seed": 1,
    }
    short = {"prompt": "a", "width": 64, "height": 64, "steps": 3, "cfg_scale": 2.0, "seed": 1}
    first, second = [await client.post("/v1/characters", json=body) for body in (long, short)]
    assert first.status_code == second.status_code == 200
    assert first.content == second.content


async def test_a_cut_out_is_refused_where_there_is_none(client: httpx.AsyncClient) -> None:
    speck = {"prompt": "a knight", "width": 1024, "height": 64}  # the simulated figure is tiny in it
    requested = {"character": speck, "background": "a castle", "merge": {"mode": "cutout"}, "seed": 1}
    response = await client.post("/v1/scenes", json=requested)
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (422, "cutout_failed", "merge.mode")


async def test_a_deadline_that_cannot_be_kept(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", json=SCENE | {"deadline_s": 0.0001})
    assert (response.status_code, error_of(response)["code"]) == (504, "deadline_exceeded")


async def test_a_larger_and_a_smaller_limit(client_with: Callable[..., httpx.AsyncClient]) -> None:
    wide = SMALL | {"width": 1280}
    large = await client_with(limits={"max_image_size": 2048}).post("/v1/backgrounds", json=wide)
    assert Image.open(BytesIO(large.content)).size == (1280, 64)
    small = client_with(limits={"max_image_size": 256})
    assert error_of(await small.post("/v1/backgrounds", json=wide))["param"] == "width"
    scene = await small.post("/v1/scenes", json={"character": "a", "background": "b"})
    assert Image.open(BytesIO(scene.content)).size == (256, 128)


async def test_the_services_merge_defaults(client_with: Callable[..., httpx.AsyncClient]) -> None:
    scene = {"character": SMALL, "background": SMALL, "merge": {"mode": "paste"}}
    client = client_with(merge={"width": 320, "height": 160, "position": "left", "quality": 30})
    response = await client.post(
        "/v1/scenes", json=scene | {"seed": 1}, headers={"Accept": "application/json"}
    )
    assert response.json()["merge"]["box"] == [0, 0, 160, 160]
    coarse = await client.post("/v1/scenes", json=scene | {"seed": 1})
    fine = await client.post("/v1/scenes", json=scene | {"seed": 1, "output": {"quality": 95}})
    assert len(coarse.content) < len(fine.content)
