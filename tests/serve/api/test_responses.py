from __future__ import annotations

import base64
import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import Request
from PIL import Image

from deployments.messages import LayerResult, LayerTimings, MergeResult, Picture
from serve.api.responses import (
    accepted_format,
    layer_response,
    scene_response,
    wants_json,
)
from serve.graph.scene_job import SceneResult

SCENE: dict[str, Any] = {
    "character": {"prompt": "a knight", "steps": 2, "width": 64, "height": 64},
    "background": {"prompt": "a castle", "steps": 2, "width": 64, "height": 64},
    "merge": {"mode": "paste", "width": 128, "height": 64},
}
JSON = {"Accept": "application/json"}


def sending(accept: str) -> Request:
    headers = [(b"accept", accept.encode())]
    return Request({"type": "http", "headers": headers, "state": {"request_id": "r1"}})


@pytest.mark.parametrize(
    ("accept", "json", "named"),
    [
        ("application/json", True, None),
        ("*/*", False, None),
        ("image/*", False, None),
        ("", False, None),
        ("image/png", False, "png"),
        ("IMAGE/WEBP", False, "webp"),
        ("text/html, image/webp", False, "webp"),
        ("application/json, text/plain, */*", True, None),
        ("image/png;q=0.5, application/json", True, "png"),
        ("application/json;q=0.5, image/jpeg", False, "jpeg"),
        ("image/png;q=0.2, image/webp;q=0.9", False, "webp"),
        ("image/png;q=0, image/webp;q=0.1", False, "webp"),
        ("application/json;q=0, */*", False, None),
        ("application/json;q=nan, image/png", True, "png"),
        ("image/png;q=many", False, "png"),
        ("image/gif", False, None),
    ],
)
def test_what_is_accepted(accept: str, json: bool, named: str | None) -> None:
    assert (wants_json(sending(accept)), accepted_format(sending(accept))) == (json, named)


@pytest.mark.parametrize(
    ("accept", "output", "kind"),
    [
        ("*/*", None, "jpeg"),
        ("image/*", None, "jpeg"),
        ("image/png", None, "png"),
        ("image/webp", None, "webp"),
        ("image/png", "webp", "webp"),
        ("*/*", "png", "png"),
    ],
)
async def test_the_picture_itself(
    client: httpx.AsyncClient, accept: str, output: str | None, kind: str
) -> None:
    response = await client.post(
        "/v1/scenes", json=SCENE | {"output": {"format": output}}, headers={"Accept": accept}
    )
    assert (response.status_code, response.headers["content-type"]) == (200, f"image/{kind}")
    picture = Image.open(BytesIO(response.content))
    assert (picture.format, picture.size) == (kind.upper(), (128, 64))


async def test_the_headers_of_a_scene(client: httpx.AsyncClient) -> None:
    requested = SCENE | {"seed": 42, "background": SCENE["background"] | {"seed": 123}}
    headers = (await client.post("/v1/scenes", json=requested)).headers
    assert headers["x-seed"] == "character=42; background=123"
    assert headers["x-merge"] == "paste; confidence=0.00"
    assert headers["x-backend"] == "simulated"
    assert "x-degraded" not in headers
    timings = re.findall(r"([a-z-]+);dur=[0-9.]+(?:, |$)", headers["server-timing"])
    stages = ["queue", "encode", "denoise", "decode"]
    layers = [f"{layer}-{stage}" for layer in ("character", "background") for stage in stages]
    assert timings == [*layers, "merge", "output"]


async def test_the_json_of_a_scene(client: httpx.AsyncClient) -> None:
    requested = SCENE | {"seed": 42, "layers": True, "output": {"format": "png"}}
    response = await client.post("/v1/scenes", json=requested, headers=JSON)
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["id"] == response.headers["x-request-id"]
    assert (body["seeds"], body["degraded"]) == ({"character": 42, "background": 42}, [])
    assert body["merge"] == {"mode": "paste", "confidence": 0.0, "box": [64, 0, 64, 64]}
    assert body["models"] == {
        "character": "simulated storybook-character",
        "background": "simulated storybook-background",
    }
    sizes = dict.fromkeys(("character", "background", "mask", "painted"), (64, 64))
    assert set(body["layers"]) == set(sizes)
    for picture, size in (
        (body["image"], (128, 64)),
        *((part, sizes[name]) for name, part in body["layers"].items()),
    ):
        opened = Image.open(BytesIO(base64.b64decode(picture["b64_json"], validate=True)))
        assert (picture["format"], opened.format, opened.size) == ("png", "PNG", size)
        assert (picture["width"], picture["height"]) == size
    assert "layers" not in (await client.post("/v1/scenes", json=SCENE, headers=JSON)).json()


async def test_the_reported_seeds_give_the_identical_picture(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/scenes", json=SCENE)
    seeds = dict(re.findall(r"(\w+)=(\d+)", first.headers["x-seed"]))
    again = {kind: SCENE[kind] | {"seed": int(seeds[kind])} for kind in ("character", "background")}
    assert (await client.post("/v1/scenes", json=SCENE | again)).content == first.content
    assert (await client.post("/v1/scenes", json=SCENE)).content != first.content


@pytest.mark.parametrize("kind", ["character", "background"])
async def test_a_layer_alone(client: httpx.AsyncClient, kind: str) -> None:
    requested = SCENE[kind] | {"seed": 5, "output": {"format": "png"}}
    picture = await client.post(f"/v1/{kind}s", json=requested)
    assert (picture.headers["content-type"], picture.headers["x-seed"]) == ("image/png", "5")
    assert picture.headers["x-backend"] == "simulated"
    assert re.findall(r"([a-z-]+);", picture.headers["server-timing"]) == [
        "queue",
        "encode",
        "denoise",
        "decode",
    ]
    body = (await client.post(f"/v1/{kind}s", json=requested, headers=JSON)).json()
    assert (body["seed"], body["model"], body["degraded"]) == (5, f"simulated storybook-{kind}", [])
    assert base64.b64decode(body["image"]["b64_json"]) == picture.content


def test_what_is_not_as_requested_is_reported_in_every_form() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    timings = LayerTimings(1, 2, 3, 4)
    character = LayerResult(
        "character",
        pixels,
        1,
        "storybook",
        "diffusers",
        timings,
        ("reduced", "reseeded"),
        ("prompt is long",),
    )
    background = replace(character, kind="background", degraded=("placeholder",), warnings=())
    picture = Picture("jpeg", 2, 2, b"data")
    merged = MergeResult(picture, "cutout", 0.971, (1, 2, 3, 4), 5.0, 6.0)
    response = scene_response(sending("application/json"), SceneResult(character, background, merged))
    assert (
        response.headers["x-degraded"] == "character: reduced, character: reseeded, background: placeholder"
    )
    assert response.headers["x-merge"] == "cutout; confidence=0.97"
    assert response.headers["x-backend"] == "diffusers"
    assert b'"warnings":["character: prompt is long"]' in response.body
    assert (
        b'"degraded":["character: reduced","character: reseeded","background: placeholder"]' in response.body
    )
    alone = layer_response(sending("application/json"), character, picture)
    assert alone.headers["x-degraded"] == "reduced, reseeded"
    assert b'"warnings":["prompt is long"]' in alone.body
    mixed = SceneResult(character, replace(background, backend="simulated"), merged)
    assert scene_response(sending("*/*"), mixed).headers["x-backend"] == "simulated"
