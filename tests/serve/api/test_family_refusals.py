"""Fields that a model's family does not use are refused over HTTP, on every route that has layers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.poses import KEYPOINTS
from tests.support.uploads import TINTS, a_file

EVERY = ["text_to_image", "image_to_image", "inpainting"]
SCHNELL = "black-forest-labs/FLUX.1-schnell"
INLINE = {"b64_json": base64.b64encode(a_file(TINTS)).decode()}
NEGATED = {"prompt": "a castle", "negative_prompt": "people"}


@pytest.fixture
def client(client_with: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """Return a client of a service that is configured with FLUX.1 schnell for both layers."""
    layer = {"generator": {"backend": "simulated", "model": {"source": SCHNELL}}}
    return client_with(character=layer, background=layer)


@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        ("/v1/backgrounds", NEGATED, "negative_prompt"),
        ("/v1/characters", NEGATED, "negative_prompt"),
        ("/v1/characters", {"prompt": "a knight", "cfg_scale": 7.5}, "guidance_scale"),
        ("/v1/scenes", {"character": "a knight", "background": NEGATED}, "background.negative_prompt"),
        (
            "/v1/scenes",
            {"character": {"prompt": "a knight", "guidance_scale": 3}, "background": "a castle"},
            "character.guidance_scale",
        ),
        ("/v1/characters", {"prompt": "a knight", "speed": {"cache": 2}}, "speed.cache"),
        (
            "/v1/scenes",
            {"character": "a knight", "background": {"prompt": "a", "speed": {"cache": 2}}},
            "background.speed.cache",
        ),
        ("/v1/images/generations", NEGATED | {"prompt": "a knight | a castle"}, "negative_prompt"),
        ("/v1/images/generations", {"prompt": "a knight | a castle", "guidance_scale": 2}, "guidance_scale"),
        (
            "/v1/jobs",
            {"scenes": [{"character": "a knight", "background": NEGATED}]},
            "scenes.0.background.negative_prompt",
        ),
    ],
)
async def test_a_field_without_a_use_is_refused(
    client: httpx.AsyncClient, route: str, body: dict[str, Any], param: str
) -> None:
    response = await client.post(route, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (422, "invalid_request", param)
    assert f"is not supported by {SCHNELL}: FLUX.1 [schnell] " in error["message"]


async def test_a_silent_request_is_painted_as_the_model_likes(client: httpx.AsyncClient) -> None:
    (served, *_) = (await client.get("/v1/models")).json()["data"]
    assert (served["id"], served["family"], served["tasks"]) == (SCHNELL, "flux-schnell", EVERY)
    assert (served["licence"], served["commercial_use"]) == ("Apache-2.0", "yes")
    response = await client.post("/v1/characters", json={"prompt": "a knight", "negative_prompt": ""})
    assert response.status_code == 200
    page = (await client.get("/openapi.json")).json()
    body = page["paths"]["/v1/characters"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["num_inference_steps"]["default"] == 4
    reported = str(body["properties"]["guidance_scale"]) + str(body["properties"]["negative_prompt"])
    assert "'maximum': 0.0" in reported and "'maxLength': 0" in reported


@pytest.fixture
def distilled(client_with: Callable[..., httpx.AsyncClient], tmp_path: Path) -> httpx.AsyncClient:
    """Return a client of a service with a guidance-distilled Stable Diffusion XL for both layers."""
    folder = tmp_path / "fast-xl"
    for name, content in (
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}),
        ("unet/config.json", {"time_cond_proj_dim": 256, "sample_size": 8}),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    model = {"source": str(folder), "pose_controlnet": "controlnet"}
    layer = {"generator": {"backend": "simulated", "model": model}}
    return client_with(character=layer, background=layer)


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        (
            {"negative_prompt": "people"},
            "negative_prompt",
            "Stable Diffusion XL distilled for guidance takes none",
        ),
        ({"speed": {"cache": 2}}, "speed.cache", "distilled for guidance computes no guidance to reuse"),
        ({"pose": {"keypoints": KEYPOINTS}, "image": INLINE}, "pose", "pose together with image_to_image"),
    ],
)
async def test_what_a_distilled_model_has_no_rows_for_is_refused(
    distilled: httpx.AsyncClient, more: dict[str, Any], param: str, words: str
) -> None:
    response = await distilled.post("/v1/characters", json={"prompt": "a knight"} | more)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (422, param)
    assert words in error["message"] and "fast-xl" in error["message"]


async def test_a_pose_is_refused_by_the_name_of_the_member_it_would_start_from(
    distilled: httpx.AsyncClient,
) -> None:
    mira = {"name": "mira", "description": "a girl", "references": [INLINE]}
    assert (await distilled.post("/v1/cast", json=mira)).status_code == 201
    posed = {"prompt": "a knight", "cast": "mira", "pose": {"keypoints": KEYPOINTS}}
    response = await distilled.post("/v1/characters", json=posed)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (422, "pose")
    assert "and the layer starts from the reference of the cast member mira" in error["message"]


async def test_a_distilled_model_reads_its_scale(distilled: httpx.AsyncClient) -> None:
    (served, *_) = (await distilled.get("/v1/models")).json()["data"]
    assert (served["id"], served["family"], served["tasks"]) == ("fast-xl", "sdxl", [*EVERY, "pose"])
    response = await distilled.post("/v1/characters", json={"prompt": "a knight", "guidance_scale": 8})
    assert response.status_code == 200
