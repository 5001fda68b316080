"""`output.upscale`: pictures for print on every route that has an output, declared and bounded."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.merge_requests import BACKGROUND, CHARACTER
from tests.support.scene_requests import SCENE, error_of
from tests.support.story_requests import TINY

JSON = {"Accept": "application/json"}
LARGER = {"output": {"format": "png", "upscale": 3}}
FRAME = {"merge": {"width": 128, "height": 64}}
LAYER = {"prompt": "a wood", "seed": 1, **TINY}
UPSCALED = {"factor": 3.0, "method": "lanczos"}


def opened(picture: dict[str, Any]) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(picture["b64_json"])))


async def test_a_scene_is_so_many_times_as_large_and_its_layers_are_not(client: httpx.AsyncClient) -> None:
    request = SCENE | FRAME | {"character": LAYER, "background": LAYER, "seed": 1, "layers": True}
    plain = (
        await client.post("/v1/scenes", json=request | {"output": {"format": "png"}}, headers=JSON)
    ).json()
    response = await client.post("/v1/scenes", json=request | LARGER, headers=JSON)
    body = response.json()
    assert response.headers["x-upscaled"] == "lanczos; factor=3"
    assert (body["image"]["width"], body["image"]["height"]) == (384, 192)
    assert body["image"]["upscaled"] == UPSCALED and "upscaled" not in plain["image"]
    small, large = opened(plain["image"]), opened(body["image"])
    assert large.tobytes() == small.resize((384, 192), Image.Resampling.LANCZOS).tobytes()
    assert body["merge"] == plain["merge"] and body["layers"] == plain["layers"]


@pytest.mark.parametrize("path", ["/v1/characters", "/v1/backgrounds"])
async def test_a_layer_alone(client: httpx.AsyncClient, path: str) -> None:
    body = (await client.post(path, json=LAYER | LARGER, headers=JSON)).json()
    assert (opened(body["image"]).size, body["image"]["upscaled"]) == ((192, 192), UPSCALED)


async def test_a_cut_out_keeps_its_transparency(client: httpx.AsyncClient) -> None:
    layer = {"prompt": "a knight", "seed": 42, "cutout": True}
    response = await client.post("/v1/characters", json=layer | {"output": {"format": "png", "upscale": 2}})
    picture = Image.open(BytesIO(response.content))
    assert (picture.size, picture.mode) == ((768, 1024), "RGBA")
    refused = await client.post("/v1/characters", json=layer | {"output": {"format": "webp", "upscale": 2}})
    assert (refused.status_code, error_of(refused)["param"]) == (422, "output.format")


async def test_a_merge_of_files(client: httpx.AsyncClient) -> None:
    files = {"character": ("c.png", CHARACTER), "background": ("b.png", BACKGROUND)}
    data = {"options": json.dumps(FRAME | LARGER)}
    response = await client.post("/v1/merges", files=files, data=data)
    assert Image.open(BytesIO(response.content)).size == (384, 192)
    assert response.headers["x-upscaled"] == "lanczos; factor=3"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/scenes", SCENE | {"merge": {"width": 1024, "height": 512}, "output": {"upscale": 4.01}}),
        ("/v1/scenes", SCENE | {"output": {"upscale": 0.5}}),
        ("/v1/backgrounds", {"prompt": "a wood", "width": 512, "height": 1024, "output": {"upscale": 4.01}}),
        ("/v1/jobs", {"scenes": [SCENE | {"output": {"upscale": 32.1}}]}),
    ],
)
async def test_no_side_is_longer_than_the_limit(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    response = await client.post(path, json=body)
    assert response.status_code == 422, response.text
    assert error_of(response)["param"].endswith("output.upscale")


async def test_a_side_may_be_as_long_as_the_limit(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", json={"scenes": [SCENE | {"output": {"upscale": 32}}]})
    assert response.status_code == 202, response.text


async def test_a_merge_whose_frame_its_files_may_name(client: httpx.AsyncClient) -> None:
    """The tags of an earlier scene's layers name a frame of up to 1,024 pixels a side."""
    files = {"character": ("c.png", CHARACTER), "background": ("b.png", BACKGROUND)}
    sent = {"options": json.dumps({"merge": {"width": 128}, "output": {"upscale": 5}})}
    refused = await client.post("/v1/merges", files=files, data=sent)
    assert (refused.status_code, error_of(refused)["param"]) == (422, "output.upscale")
