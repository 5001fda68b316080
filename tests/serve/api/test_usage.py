"""Responses report their usage, on every route that paints and in each format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

SMALL = {"num_inference_steps": 4, "width": 64, "height": 96}
STEPS = 4 * 64 * 96 / 1e6
JSON = {"Accept": "application/json"}
TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
}


def scene(seed: int) -> dict[str, Any]:
    return {
        "character": {"prompt": "a knight", **SMALL},
        "background": {"prompt": "a castle", **SMALL},
        "seed": seed,
        "merge": {"width": 128, "height": 64},
    }


def check(usage: Mapping[str, Any], steps: float) -> None:
    assert usage["megapixel_steps"] == pytest.approx(steps, abs=1e-5)
    assert 0 < usage["device_s"] < 60


async def test_a_scene_is_its_layers_and_takes_nothing_again(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/scenes", json=scene(7001), headers=JSON)
    assert first.status_code == 200, first.text
    assert set(first.json()["usage"]) == {"device_s", "megapixel_steps"}
    check(first.json()["usage"], 2 * STEPS)
    again = await client.post("/v1/scenes", json=scene(7001), headers=JSON)
    assert again.json()["usage"] == {"device_s": 0.0, "megapixel_steps": 0.0}
    assert again.headers["X-Usage"] == "device_s=0; megapixel_steps=0"


async def test_a_picture_has_it_as_a_header(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/scenes", json=scene(7002))
    assert made.status_code == 200, made.text
    check(
        {name: float(n) for name, n in (part.split("=") for part in made.headers["X-Usage"].split("; "))},
        2 * STEPS,
    )


async def test_a_stream_ends_with_it(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/scenes", json=scene(7003), headers={"Accept": "text/event-stream"})
    assert made.status_code == 200, made.text
    last = made.text.strip().split("\n\n")[-1]
    assert "event: scene.completed" in last
    check(json.loads(last.split("data: ", 1)[1])["usage"], 2 * STEPS)


async def test_several_figures_are_all_in_it(client: httpx.AsyncClient) -> None:
    wanted = scene(7004)
    figure = wanted.pop("character")
    wanted["characters"] = [figure, figure | {"prompt": "a witch"}]
    made = await client.post("/v1/scenes", json=wanted, headers=JSON)
    assert made.status_code == 200, made.text
    check(made.json()["usage"], 3 * STEPS)


@pytest.mark.parametrize(
    ("path", "more"),
    [("/v1/characters", {}), ("/v1/backgrounds", {}), ("/v1/characters", {"cutout": True})],
)
async def test_a_layer_alone(client: httpx.AsyncClient, path: str, more: dict[str, Any]) -> None:
    wanted = {"prompt": "someone", "seed": 7005 + len(more), **SMALL, **more}
    made = await client.post(path, json=wanted, headers=JSON)
    assert made.status_code == 200, made.text
    check(made.json()["usage"], STEPS)
    assert "X-Usage" in made.headers


async def test_openais_tokens_stay_zeros_and_ours_stands_beside_them(client: httpx.AsyncClient) -> None:
    wanted = {"model": "character", "prompt": "x", "n": 2, "seed": 7007, "size": "64x96"}
    made = await client.post("/v1/images/generations", json=wanted | {"num_inference_steps": 4})
    assert made.status_code == 200, made.text
    usage = made.json()["usage"]
    check({name: usage.pop(name) for name in ("device_s", "megapixel_steps")}, 2 * STEPS)
    assert usage == TOKENS
    streamed = await client.post(
        "/v1/images/generations",
        json=wanted | {"num_inference_steps": 4, "n": 1, "seed": 7009, "stream": True},
    )
    assert streamed.status_code == 200, streamed.text
    usage = json.loads(streamed.text.strip().split("data: ")[-1])["usage"]
    check({name: usage.pop(name) for name in ("device_s", "megapixel_steps")}, STEPS)
    assert usage == TOKENS
