"""POST /v1/merges with several characters: each is placed by its entry in `figures`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.merge_requests import BACKGROUND, CHARACTER, FIGURE, JSON, SMALL, error_of, file

Parts = list[tuple[str, tuple[str, bytes]]]


async def merge(
    client: httpx.AsyncClient,
    characters: list[bytes],
    options: Any = None,
    headers: dict[str, str] | None = None,
    background: bytes = BACKGROUND,
) -> httpx.Response:
    parts: Parts = [("character", ("c.png", each)) for each in characters]
    parts.append(("background", ("b.png", background)))
    data = {} if options is None else {"options": json.dumps(options)}
    return await client.post("/v1/merges", files=parts, data=data, headers=headers)


def pixels(picture: dict[str, str]) -> Any:
    return np.asarray(Image.open(BytesIO(base64.b64decode(picture["b64_json"]))))


async def test_two_figures_stand_side_by_side(client: httpx.AsyncClient) -> None:
    response = await merge(client, [CHARACTER] * 2, SMALL | {"layers": True}, JSON)
    body = response.json()
    assert response.status_code == 200, body
    one, other = body["merge"]["figures"]
    assert {one["mode"], other["mode"]} == {"cutout"}
    assert one["box"][0] + one["box"][2] <= other["box"][0]
    assert body["merge"]["box"][0] == one["box"][0]
    assert response.headers["x-merge"].startswith("cutout,cutout; confidence=")
    assert set(body["layers"]) == {"characters", "background", "masks", "painted"}
    assert [len(body["layers"][name]) for name in ("characters", "masks", "painted")] == [2, 2, 2]


async def test_each_stands_where_it_is_placed(client: httpx.AsyncClient) -> None:
    figures = [{"position": {"x": 0.3}, "scale": 0.5, "depth": 1}, {"position": "right"}]
    body = (await merge(client, [CHARACTER] * 2, SMALL | {"figures": figures}, JSON)).json()
    boxes = [figure["box"] for figure in body["merge"]["figures"]]
    assert [x + wide / 2 for x, _, wide, _ in boxes] == pytest.approx([0.3 * 256, 0.75 * 256], abs=1)
    assert boxes[0][3] == pytest.approx(boxes[1][3] / 2, abs=1)


async def test_a_list_of_one_is_several(client: httpx.AsyncClient) -> None:
    body = (await merge(client, [CHARACTER], SMALL | {"figures": [{}], "layers": True}, JSON)).json()
    assert len(body["merge"]["figures"]) == len(body["layers"]["characters"]) == 1
    alone = (await merge(client, [CHARACTER], SMALL, JSON)).json()
    assert "figures" not in alone["merge"]


async def test_clean_layers_give_the_picture_again_and_move_without_a_trace(
    client: httpx.AsyncClient,
) -> None:
    png = {"output": {"format": "png"}, "layers": True}
    figures = [{"position": {"x": 0.2}}, {"position": {"x": 0.4}, "depth": 2}, {"position": "right"}]
    first = (await merge(client, [CHARACTER] * 3, {**SMALL, **png, "figures": figures}, JSON)).json()
    layers = [base64.b64decode(each["b64_json"]) for each in first["layers"]["characters"]]
    place = base64.b64decode(first["layers"]["background"]["b64_json"])
    for options in (png, {**SMALL, **png, "figures": figures}, {**png, "figures": [{}, {}, {}]}):
        again = (await merge(client, layers, options, JSON, place)).json()
        assert np.array_equal(pixels(again["image"]), pixels(first["image"]))
    moved = [{"position": {"x": 0.9}}, *figures[1:]]
    wanted = (await merge(client, [CHARACTER] * 3, {**SMALL, **png, "figures": moved}, JSON)).json()
    made = (await merge(client, layers, {**png, "figures": [moved[0], {}, {}]}, JSON, place)).json()
    assert np.array_equal(pixels(made["image"]), pixels(wanted["image"]))


@pytest.mark.parametrize(
    ("characters", "options", "param"),
    [
        (5, {}, "character"),
        (9, {}, "character"),
        (2, {"figures": [{}]}, "figures"),
        (1, {"figures": [{}, {}]}, "figures"),
        (2, {"figures": []}, "figures"),
        (2, {"figures": [{}] * 5}, "figures"),
        (2, {"figures": {}}, "figures"),
        (2, {"figures": [{}, {"scale": 9}]}, "figures.1.scale"),
        (2, {"figures": [{"depth": -1}, {}]}, "figures.0.depth"),
        (2, {"figures": [{}, {"position": {"x": 2}}]}, "figures.1.position.x"),
        (2, {"figures": [{"seed": 1}, {}]}, "figures.0.seed"),
        (2, {"merge": {"position": "left"}}, "merge.position"),
        (1, {"merge": {"position": "left"}, "figures": [{}]}, "merge.position"),
    ],
)
async def test_what_does_not_fit_is_refused(
    client: httpx.AsyncClient, characters: int, options: Any, param: str
) -> None:
    assert error_of(await merge(client, [CHARACTER] * characters, options)) == (422, "invalid_request", param)


async def test_the_file_at_fault_is_named(client: httpx.AsyncClient) -> None:
    for broken in (b"", b"words", CHARACTER[:2000]):
        response = await merge(client, [CHARACTER, broken])
        assert error_of(response) == (422, "invalid_request", "character.1")
    insisting = {"merge": {"mode": "cutout"}}
    response = await merge(client, [CHARACTER, BACKGROUND], insisting)
    assert error_of(response) == (422, "cutout_failed", "merge.mode")
    assert "figure 1" in response.json()["error"]["message"]


async def test_all_characters_together_have_the_pixels_of_one(
    client_with: Callable[..., httpx.AsyncClient],
) -> None:
    most = FIGURE.shape[0] * FIGURE.shape[1] * 3 // 2
    narrow = client_with(limits={"max_upload_pixels": most})
    assert (await merge(narrow, [CHARACTER])).status_code == 200
    assert error_of(await merge(narrow, [CHARACTER] * 2)) == (422, "invalid_request", "character")
    assert (await merge(narrow, [file(FIGURE[::2, ::2])] * 4)).status_code == 200
