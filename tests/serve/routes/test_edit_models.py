"""Models that edit by instruction, over HTTP: what they take, and what they refuse by its name."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.uploads import a_file, error_of

KONTEXT, QWEN = "black-forest-labs/FLUX.1-Kontext-dev", "Qwen/Qwen-Image-Edit"
PLACE = np.random.default_rng(5).integers(60, 200, (64, 96, 3)).astype(np.uint8)
CLEAR = np.dstack([PLACE, np.where(np.arange(96) < 48, 0, 255) * np.ones((64, 1))]).astype(np.uint8)
WHITE = np.full((64, 96), 255, np.uint8)
FEW = {"prompt": "make it red", "num_inference_steps": 2, "seed": 1}
Ask = Callable[[str], httpx.AsyncClient]


def inline(pixels: Any) -> dict[str, str]:
    return {"b64_json": base64.b64encode(a_file(pixels)).decode()}


@pytest.fixture
def painted_by(client_with: Callable[..., httpx.AsyncClient]) -> Ask:
    """The background is said to be painted by a model."""

    def make(source: str) -> httpx.AsyncClient:
        return client_with(background={"generator": {"backend": "simulated", "model": {"source": source}}})

    return make


@pytest.mark.parametrize(
    ("source", "tasks"),
    [
        (KONTEXT, ["text_to_image", "inpainting", "image_editing"]),
        (QWEN, ["image_editing"]),
        ("Qwen/Qwen-Image-Edit-2509", ["image_editing"]),
        ("black-forest-labs/FLUX.2-klein-4B", ["text_to_image", "inpainting", "image_editing", "references"]),
        ("black-forest-labs/FLUX.2-dev", ["text_to_image", "image_editing", "references"]),
    ],
)
async def test_a_picture_is_edited_by_its_prompt_alone(
    painted_by: Ask, source: str, tasks: list[str]
) -> None:
    client = painted_by(source)
    found = (await client.get("/v1/models")).json()["data"]
    assert next(each["tasks"] for each in found if each["id"] == source) == tasks
    answer = await client.post("/v1/backgrounds", json=FEW | {"image": inline(PLACE)})
    assert answer.status_code == 200, answer.text
    texts = {name: str(value) for name, value in FEW.items()}
    edited = await client.post("/v1/images/edits", data=texts, files={"image": a_file(PLACE)})
    assert edited.status_code == 200, edited.text


async def test_a_strength_is_refused_and_a_mask_where_there_is_no_class_for_it(painted_by: Ask) -> None:
    asked = FEW | {"image": inline(PLACE)}
    for source in (KONTEXT, QWEN):
        refused = await painted_by(source).post("/v1/backgrounds", json=asked | {"strength": 0.5})
        assert error_of(refused) == (422, "unsupported_task", "strength")
    masked = asked | {"mask": inline(WHITE)}
    assert (await painted_by(KONTEXT).post("/v1/backgrounds", json=masked)).status_code == 200
    refused = await painted_by(QWEN).post("/v1/backgrounds", json=masked)
    assert error_of(refused) == (422, "unsupported_task", "mask")
    files = {"image": a_file(PLACE), "mask": a_file(CLEAR)}
    form = await painted_by(QWEN).post("/v1/images/edits", data={"prompt": "x"}, files=files)
    assert error_of(form) == (422, "unsupported_task", "mask")


async def test_a_model_that_needs_a_picture_says_so(painted_by: Ask) -> None:
    client = painted_by(QWEN)
    for path, body, param in (
        ("/v1/backgrounds", FEW, "image"),
        ("/v1/scenes", {"character": "a", "background": FEW}, "background.image"),
        ("/v1/images/generations", FEW | {"model": "background"}, "image"),
        ("/v1/jobs", {"scenes": [{"character": "a", "background": "b"}]}, "scenes.0.background.image"),
    ):
        refused = await client.post(path, json=body)
        assert error_of(refused) == (422, "unsupported_task", param)
        assert (
            f"{QWEN} cannot do text_to_image: it can do image_editing" in refused.json()["error"]["message"]
        )
