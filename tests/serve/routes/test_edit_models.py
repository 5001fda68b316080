"""Models that edit by instruction, over HTTP: the fields that they accept, and those they refuse by name."""

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
    """`painted_by(source)`: a client of a service that is configured with that model for backgrounds."""

    def make(source: str) -> httpx.AsyncClient:
        return client_with(background={"generator": {"backend": "simulated", "model": {"source": source}}})

    return make


@pytest.mark.parametrize(
    ("source", "tasks"),
    [
        (KONTEXT, ["text_to_image", "inpainting", "image_editing"]),
        (QWEN, ["image_editing"]),
        ("Qwen/Qwen-Image-Edit-2509", ["image_editing", "references"]),
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


PLUS, KLEIN = "Qwen/Qwen-Image-Edit-2509", "black-forest-labs/FLUX.2-klein-4B"
OTHER = np.ascontiguousarray(PLACE[::-1])


async def edit(client: httpx.AsyncClient, pictures: int, mask: bool = False) -> httpx.Response:
    """Send a form with several pictures, as OpenAI's client does."""
    files = [("image[]", ("a.png", a_file(each))) for each in [PLACE, *[OTHER] * (pictures - 1)]]
    if mask:
        files.append(("mask", ("m.png", a_file(CLEAR))))
    texts = {name: str(value) for name, value in FEW.items()}
    return await client.post("/v1/images/edits", data=texts, files=files)


async def test_the_pictures_after_the_first_are_references(painted_by: Ask) -> None:
    for source, pictures, mask in ((PLUS, 3, False), (KLEIN, 5, False), (KONTEXT, 2, True), (KLEIN, 2, True)):
        several = await edit(painted_by(source), pictures, mask)
        assert several.status_code == 200, several.text
        one = await edit(painted_by(source), 1, mask)
        assert several.json()["data"] != one.json()["data"]


async def test_a_model_without_references_refuses_several_pictures(painted_by: Ask) -> None:
    for source, pictures, mask in ((QWEN, 2, False), (KONTEXT, 2, False), (KONTEXT, 3, True)):
        refused = await edit(painted_by(source), pictures, mask)
        assert error_of(refused) == (422, "unsupported_task", "image")
        assert "the images after the first are references" in refused.json()["error"]["message"]


async def test_a_reference_at_fault_is_named(painted_by: Ask) -> None:
    thin = np.zeros((16, 160, 3), np.uint8)
    for second in (b"no picture", a_file(thin)):
        files = [("image[]", ("a.png", a_file(PLACE))), ("image[]", ("b.png", second))]
        answer = await painted_by(PLUS).post("/v1/images/edits", data={"prompt": "x"}, files=files)
        assert error_of(answer) == (422, "invalid_request", "image.1")


async def test_references_of_an_editing_model_are_kept_for_a_job(painted_by: Ask) -> None:
    layer = FEW | {"image": inline(PLACE), "references": [inline(OTHER)]}
    answer = await painted_by(KLEIN).post("/v1/backgrounds", json=layer, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
