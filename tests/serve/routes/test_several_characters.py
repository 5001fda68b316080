"""Scenes of several characters: painted together, reported by index, and merged again from their layers."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deployments.diffusion.simulated import simulated_painter
from deployments.imaging.marks.provenance import LONGEST_PROMPT
from tests.support.events import parse_events
from tests.support.scene_requests import SMALL, error_of

JSON, EVENTS = {"Accept": "application/json"}, {"Accept": "text/event-stream"}
FIGURE = {"prompt": "a knight", "steps": 1, "width": 128, "height": 192}
SCENE: dict[str, Any] = {
    "characters": [FIGURE, FIGURE],
    "background": SMALL,
    "seed": 7,
    "merge": {"width": 256, "height": 128},
    "output": {"format": "png"},
}


async def painted(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/scenes", json=SCENE | changes, headers=JSON)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def pixels(picture: dict[str, str]) -> Any:
    return np.asarray(Image.open(BytesIO(base64.b64decode(picture["b64_json"]))))


async def test_the_answer_has_a_list_of_each(client: httpx.AsyncClient) -> None:
    body = await painted(client, layers=True)
    assert body["seeds"] == {"characters": [7, 8], "background": 7}
    models = {
        "characters": ["simulated storybook-character"] * 2,
        "background": "simulated storybook-background",
    }
    assert body["models"] == models
    one, other = body["merge"]["figures"]
    assert (one["mode"], other["mode"], body["merge"]["mode"]) == ("cutout", "cutout", "cutout")
    assert one["box"][0] + one["box"][2] <= other["box"][0], "from left to right"
    assert {name: type(layers) for name, layers in body["layers"].items()} == {
        "characters": list,
        "background": dict,
        "masks": list,
        "painted": list,
    }
    first, second = map(pixels, body["layers"]["painted"])
    assert first.shape == second.shape
    assert not np.array_equal(first, second), "equal descriptions give different figures"
    assert {"character-0-denoise", "character-1-denoise", "background-denoise", "merge"} <= set(
        body["timings_ms"]
    )


async def test_the_headers_name_every_figure(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", json=SCENE)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-seed"] == "characters=7,8; background=7"
    modes, confidence = response.headers["x-merge"].split("; ")
    assert modes == "cutout,cutout"
    assert len(confidence.removeprefix("confidence=").split(",")) == 2
    assert "character-1-queue;dur=" in response.headers["server-timing"]


async def test_a_character_alone_is_answered_as_before(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/scenes",
        json={name: value for name, value in SCENE.items() if name != "characters"} | {"character": FIGURE},
        headers=JSON,
    )
    body = response.json()
    assert body["seeds"] == {"character": 7, "background": 7}
    assert set(body["merge"]) == {"mode", "confidence", "box"}
    assert response.headers["x-seed"] == "character=7; background=7"


async def test_the_same_request_gives_the_same_picture_and_seeds_of_ones_own_count(
    client: httpx.AsyncClient,
) -> None:
    first = await painted(client)
    figures = [FIGURE | {"seed": 7}, FIGURE | {"seed": 8}]
    assert (await painted(client, characters=figures, seed=7))["image"] == first["image"]
    body = await painted(client, characters=[FIGURE | {"seed": 3}, FIGURE, FIGURE], seed=2**53 - 1)
    assert body["seeds"]["characters"] == [3, 0, 1], "after the last seed comes the first"
    one, other = (await painted(client, seed=None))["seeds"]["characters"]
    assert one != other


async def test_layers_give_the_scene_again_and_another_without_a_trace(client: httpx.AsyncClient) -> None:
    placed = [FIGURE | {"position": {"x": 0.4}}, FIGURE | {"position": {"x": 0.55}, "depth": 1}]
    first = await painted(client, characters=placed, layers=True)
    layers = first["layers"]

    async def merged(options: dict[str, Any]) -> Any:
        files = [("character", base64.b64decode(each["b64_json"])) for each in layers["characters"]]
        files.append(("background", base64.b64decode(layers["background"]["b64_json"])))
        form = {"options": json.dumps(options | {"output": {"format": "png"}})}
        return (await client.post("/v1/merges", files=files, data=form, headers=JSON)).json()

    figures = [{"position": {"x": 0.4}}, {"position": {"x": 0.55}, "depth": 1}]
    for options in ({}, {"merge": SCENE["merge"], "figures": figures}):
        again = await merged(options)
        assert np.array_equal(pixels(again["image"]), pixels(first["image"]))
        assert again["merge"] == first["merge"]
    moved = [{"position": {"x": 0.9}, "depth": 0}, {"position": "left", "depth": 1}]
    wanted = await painted(client, characters=[FIGURE | moved[0], FIGURE | moved[1]], merge=SCENE["merge"])
    made = await merged({"merge": SCENE["merge"], "figures": moved})
    assert np.array_equal(pixels(made["image"]), pixels(wanted["image"]))


async def test_events_have_the_index_of_a_figure(client: httpx.AsyncClient) -> None:
    # A seed of its own, since cached layers report no steps.
    three = {"characters": [FIGURE | {"steps": 3}] * 2, "background": SMALL | {"steps": 3}, "seed": 77}
    response = await client.post("/v1/scenes?previews=1", json=SCENE | three, headers=EVENTS)
    events = parse_events(response.text)
    done = [data for name, data in events if name == "layer.completed"]
    completed = {(data["layer"], data.get("index"), data["seed"]) for data in done}
    assert completed == {("character", 0, 77), ("character", 1, 78), ("background", None, 77)}
    steps = [data for name, data in events if name == "layer.progress"]
    assert {(data["layer"], data.get("index")) for data in steps} == {
        ("character", 0),
        ("character", 1),
        ("background", None),
    }
    assert len([data for data in steps if "preview" in data]) == 3
    assert events[-1][0] == "scene.completed"
    assert len(events[-1][1]["merge"]["figures"]) == 2
    for name, data in events:
        if name == "scene.preview":
            assert Image.open(BytesIO(base64.b64decode(data["preview"]))).size == (256, 128)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"characters": None}, "character"),
        ({"character": "a"}, "characters"),
        ({"characters": []}, "characters"),
        ({"characters": ["a"] * 5}, "characters"),
        ({"characters": "a"}, "characters"),
        ({"characters": ["a", {"prompt": " "}]}, "characters.1.prompt"),
        ({"characters": ["a", {"prompt": "a", "width": 71}]}, "characters.1.width"),
        ({"characters": [{"prompt": "a", "scale": 5}]}, "characters.0.scale"),
        ({"characters": [{"prompt": "a", "depth": 101}]}, "characters.0.depth"),
        ({"characters": [{"prompt": "a", "position": "up"}]}, "characters.0.position"),
        ({"characters": [{"prompt": "a", "position": {"x": 3}}]}, "characters.0.position.x"),
        ({"characters": [{"prompt": "a", "steps": 900}, "b"]}, "characters.0.num_inference_steps"),
        ({"merge": {"position": "left"}}, "merge.position"),
    ],
)
async def test_what_is_invalid_is_refused_by_name(
    client: httpx.AsyncClient, changes: dict[str, Any], param: str
) -> None:
    response = await client.post("/v1/scenes", json=SCENE | changes)
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (422, "invalid_request", param)


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return a figure whose picture is flat in every attempt."""
    draw = simulated_painter.draw

    def drawn(kind: Any, width_px: int, height_px: int, seed: int) -> Any:
        made = draw(kind, width_px, height_px, seed)
        return np.full_like(made, 128) if width_px == 136 else made

    monkeypatch.setattr(simulated_painter, "draw", drawn)
    return FIGURE | {"width": 136, "seed": 99}


async def test_one_that_cannot_be_painted_follows_the_fallback(
    client: httpx.AsyncClient, spoiled: dict[str, Any]
) -> None:
    characters = [FIGURE, spoiled]
    body = await painted(client, characters=characters, fallback="placeholder")
    assert [how.split(":")[0] for how in body["degraded"]] == ["characters.1"] * len(body["degraded"])
    assert any("placeholder" in how for how in body["degraded"])
    assert len(body["merge"]["figures"]) == 2
    refused = await client.post("/v1/scenes", json=SCENE | {"characters": characters, "fallback": "none"})
    assert (refused.status_code, error_of(refused)["code"]) == (502, "generation_failed")


async def test_the_file_says_how_each_was_painted(client: httpx.AsyncClient) -> None:
    words = [{**FIGURE, "prompt": f"{number} " + 1_900 * "é"} for number in range(4)]
    response = await client.post(
        "/v1/scenes", json=SCENE | {"characters": words, "output": {"format": "jpeg"}}
    )
    assert response.status_code == 200, "all prompts fit into a JPEG's EXIF"
    comment = Image.open(BytesIO(response.content)).getexif().get_ifd(0x8769)[0x9286]
    events = comment.removeprefix(b"UNICODE\0").decode("utf-16-be")
    prompts, *_, settings = events.split("\n")
    assert prompts.count(" | ") == 4
    assert len(prompts) <= 2 * LONGEST_PROMPT + 20
    assert "Seed: 7" in settings and "Character 2 Seed: 8" in settings and "Character 4 Seed: 10" in settings
    assert "Background Seed: 7" in settings


async def test_openais_route_takes_several_too(client: httpx.AsyncClient) -> None:
    requested = {"model": "scene", "prompt": "", "background": SMALL, "size": "256x128", "seed": 7}
    response = await client.post("/v1/images/generations", json=requested | {"characters": [FIGURE] * 2})
    assert response.status_code == 200, response.text
    assert response.json()["size"] == "256x128"
    for wrong, param in (
        ({"characters": [FIGURE], "character": "a"}, "characters"),
        ({"characters": [FIGURE], "background": None}, "background"),
        (
            {"characters": [FIGURE | {"steps": 900}], "num_inference_steps": 2},
            "characters.0.num_inference_steps",
        ),
        ({"characters": ["a"], "num_inference_steps": 900}, "num_inference_steps"),
    ):
        refused = await client.post("/v1/images/generations", json=requested | wrong)
        assert (refused.status_code, error_of(refused)["param"]) == (422, param)
