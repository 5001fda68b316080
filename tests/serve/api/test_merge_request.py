"""POST /v1/merges: two files in, a scene's response out; errors name the wrong field of a form."""

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

from deployments.imaging.composite.pasting import paste
from deployments.messages import MergeOptions
from tests.support.merge_requests import BACKGROUND, CHARACTER, FIGURE, JSON, PLACE, SMALL, error_of, file


async def merge(
    client: httpx.AsyncClient,
    options: Any = None,  # text, a file's tuple, or an object to be sent as JSON
    headers: dict[str, str] | None = None,
    **changed: Any,
) -> httpx.Response:
    files = {"character": ("c.png", CHARACTER), "background": ("b.png", BACKGROUND)} | changed
    sent = {name: file for name, file in files.items() if file is not None}
    if isinstance(options, tuple):
        return await client.post("/v1/merges", files=sent | {"options": options}, headers=headers)
    words = options if isinstance(options, str) else json.dumps(options)
    data = {} if options is None else {"options": words}
    return await client.post("/v1/merges", files=sent, data=data, headers=headers)


def picture(response: httpx.Response) -> Image.Image:
    return Image.open(BytesIO(response.content))


async def test_two_pictures_become_one(client: httpx.AsyncClient) -> None:
    response = await merge(client)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    assert picture(response).size == (1024, 512)
    mode, confidence = response.headers["x-merge"].split("; ")
    assert mode == "cutout"
    assert float(confidence.removeprefix("confidence=")) >= 0.5
    assert "merge;dur=" in response.headers["server-timing"]


async def test_options_are_those_of_a_scene(client: httpx.AsyncClient) -> None:
    options = {
        "merge": {"mode": "paste", "position": "left", "width": 256, "height": 128, "contrast": 1.0},
        "output": {"format": "png"},
    }
    response = await merge(client, options)
    requested = MergeOptions("paste", "left", 256, 128, contrast=1.0)
    assert response.headers["x-merge"] == "paste; confidence=0.00"
    assert picture(response).tobytes() == paste(FIGURE, PLACE, requested)[0].tobytes()


async def test_attribution_marks_the_bottom_right(client: httpx.AsyncClient) -> None:
    png = {**SMALL, "output": {"format": "png"}}
    plain, marked = [
        np.asarray(picture(await merge(client, png | {"attribution": marks}))) for marks in (False, True)
    ]
    rows, columns = np.nonzero((plain != marked).any(axis=-1))
    assert len(rows) > 500, "the mark is visible"
    assert rows.min() > 64 and rows.max() >= 120 and columns.max() >= 248


async def test_options_may_come_as_a_file(client: httpx.AsyncClient) -> None:
    options = ("o.json", json.dumps(SMALL).encode(), "application/json")
    assert picture(await merge(client, options)).size == (256, 128)


async def test_the_answer_as_json(client: httpx.AsyncClient) -> None:
    response = await merge(client, SMALL | {"layers": True}, JSON)
    body = response.json()
    assert body["id"] == response.headers["x-request-id"]
    assert (body["image"]["format"], body["image"]["width"], body["image"]["height"]) == ("jpeg", 256, 128)
    assert body["merge"]["mode"] == "cutout"
    assert set(body["layers"]) == {"character", "background", "mask", "painted"}
    assert body["seeds"] == body["models"] == {"character": None, "background": None}
    assert body["degraded"] == body["warnings"] == []
    assert set(body["timings_ms"]) == {"merge", "output"}
    assert "layers" not in (await merge(client, SMALL, JSON)).json()


async def test_layers_of_a_scene_give_the_scene_again(client: httpx.AsyncClient) -> None:
    requested = {"mode": "auto", "position": {"x": 0.4}, "width": 256, "height": 128, "harmonize": 0.9}
    scene = {"character": "a knight", "background": "a castle", "seed": 3, "layers": True}
    png = {"output": {"format": "png"}}
    painted = (
        await client.post("/v1/scenes", json={**scene, "merge": requested, **png}, headers=JSON)
    ).json()
    assert painted["merge"]["mode"] == "cutout"
    layers = {name: base64.b64decode(layer["b64_json"]) for name, layer in painted["layers"].items()}
    sent = {name: (f"{name}.png", layers[name]) for name in ("character", "background")}
    for options in (png, {"merge": requested, **png}):
        again = (await merge(client, options, JSON, **sent)).json()
        assert again["merge"] == painted["merge"]
        both = [Image.open(BytesIO(base64.b64decode(made["image"]["b64_json"]))) for made in (again, painted)]
        assert both[0].tobytes() == both[1].tobytes()


async def test_layers_make_other_scenes_and_leave_nothing_behind(client: httpx.AsyncClient) -> None:
    frame = {"width": 256, "height": 128}
    scene = {"character": "a knight", "background": "a castle", "seed": 3, "output": {"format": "png"}}
    requested = {"position": "left", "harmonize": 1.0, **frame}
    painted = (
        await client.post("/v1/scenes", json=scene | {"layers": True, "merge": requested}, headers=JSON)
    ).json()
    files = {name: base64.b64decode(layer["b64_json"]) for name, layer in painted["layers"].items()}
    place = ("b.png", files["background"])
    for other in (
        {"position": "center", "harmonize": 0.0, **frame},
        {"position": "right", "harmonize": 0.5, "shadow": False, "scale": 0.5, **frame},
    ):
        wanted = await client.post("/v1/scenes", json=scene | {"merge": other})
        options = {"merge": other, "output": {"format": "png"}}
        for layer in ("character", "painted"):
            made = await merge(client, options, character=("c.png", files[layer]), background=place)
            assert picture(made).tobytes() == picture(wanted).tobytes()
    pasting = {"merge": {"mode": "paste", **frame}, "output": {"format": "png"}}
    pasted = await merge(client, pasting, character=("c.png", files["painted"]), background=place)
    pixels = [np.asarray(Image.open(BytesIO(files[name]))) for name in ("painted", "background")]
    expected, _ = paste(*pixels, MergeOptions("paste", "left", 256, 128))
    assert picture(pasted).tobytes() == expected.tobytes(), "the position is the scene's"


async def test_layers_painted_alone_give_the_scene_of_their_seeds(client: httpx.AsyncClient) -> None:
    png = {"output": {"format": "png"}}
    layer = {"prompt": "a knight", "seed": 3, **png}
    character = (await client.post("/v1/characters", json=layer | {"cutout": True})).content
    background = (await client.post("/v1/backgrounds", json=layer | {"width": 768, "height": 384})).content
    merged = await merge(client, png, character=("c.png", character), background=("b.png", background))
    scene = {"character": "a knight", "background": "a knight", "seed": 3, **png}
    painted = await client.post("/v1/scenes", json=scene)
    assert picture(merged).tobytes() == picture(painted).tobytes()


async def test_a_merge_that_falls_back_says_why(client: httpx.AsyncClient) -> None:
    body = (await merge(client, SMALL, JSON, character=("c.png", BACKGROUND))).json()
    assert body["merge"]["mode"] == "paste"
    assert "could not be cut out" in body["warnings"][0]
    insisting = {"merge": {"mode": "cutout"}}
    assert error_of(await merge(client, insisting, character=("c.png", BACKGROUND))) == (
        422,
        "cutout_failed",
        "merge.mode",
    )


@pytest.mark.parametrize(
    ("options", "status", "code", "param"),
    [
        ({"merge": {"width": 1}}, 422, "invalid_request", "merge.width"),
        ({"merge": {"width": 4096}}, 422, "invalid_request", "merge.width"),
        ({"seed": 1}, 422, "invalid_request", "seed"),
        ([], 422, "invalid_request", "options"),
        ("{", 400, "invalid_json", None),
        ('{"enhance": NaN}', 400, "invalid_json", None),
        ('{"enhance": true, "enhance": true}', 400, "invalid_json", None),
    ],
)
async def test_wrong_options_are_refused(
    client: httpx.AsyncClient, options: Any, status: int, code: str, param: str | None
) -> None:
    assert error_of(await merge(client, options)) == (status, code, param)


@pytest.mark.parametrize("name", ["character", "background"])
@pytest.mark.parametrize(
    ("part", "status", "code"),
    [
        (None, 422, "invalid_request"),
        (("c.png", b""), 422, "invalid_request"),
        (("c.png", b"words"), 422, "invalid_request"),
        (("c.png", CHARACTER[:2000]), 422, "invalid_request"),
        (("c.png", file(PLACE, "WEBP", save_all=True, append_images=[Image.new("RGB", (192, 96))])), 422, ""),
        (("c.gif", file(PLACE, "GIF")), 415, "unsupported_media_type"),
        (("c.txt", b"words", "text/plain"), 415, "unsupported_media_type"),
    ],
)
async def test_the_file_at_fault_is_named(
    client: httpx.AsyncClient, name: str, part: Any, status: int, code: str
) -> None:
    response = await merge(client, **{name: part})
    assert error_of(response) == (status, code or "invalid_request", name)


async def test_a_picture_of_too_many_pixels_is_refused(
    client_with: Callable[..., httpx.AsyncClient],
) -> None:
    response = await merge(client_with(limits={"max_upload_pixels": 10_000}))
    assert error_of(response) == (422, "invalid_request", "character")


async def test_a_form_that_is_too_large_is_refused(client_with: Callable[..., httpx.AsyncClient]) -> None:
    response = await merge(client_with(limits={"max_upload_bytes": 20_000}))
    assert error_of(response) == (413, "payload_too_large", None)


async def test_options_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    assert error_of(await merge(client, " " * 2_000_000))[0] == 413
    as_file = ("o.json", b" " * 2_000_000, "application/json")
    assert error_of(await merge(client, as_file))[0] == 413


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "",
        "multipart/form-data; boundary=x; charset=idna",
        pytest.param("multipart/form-data; boundary=x" + ";" * 50_000, id="long"),
    ],
)
async def test_other_bodies_are_refused(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert (await client.post("/v1/merges", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x--\r\n",
        b"--x\r\n\r\nvalue\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="character"\r\n\r\nwords\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\nwords\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 9000 + b'"\r\n\r\nwords\r\n--x--\r\n',
        b"no form at all",
    ],
)
@pytest.mark.parametrize("boundary", ["; boundary=x", "", "; boundary=" + 300 * "x"])
async def test_a_broken_form_is_refused(client: httpx.AsyncClient, body: bytes, boundary: str) -> None:
    headers = {"Content-Type": "multipart/form-data" + boundary}
    response = await client.post("/v1/merges", content=body, headers=headers)
    assert error_of(response)[:2] == (422, "invalid_request")


async def test_a_part_too_many_or_twice_is_refused(client: httpx.AsyncClient) -> None:
    twice = [("character", ("c.png", CHARACTER))] + [("background", ("b.png", BACKGROUND))] * 2
    assert error_of(await client.post("/v1/merges", files=twice)) == (422, "invalid_request", "background")
    assert error_of(await merge(client, mask=("m.png", CHARACTER))) == (422, "invalid_request", "mask")
    many = [("character", ("c.png", b""))] * 40
    assert error_of(await client.post("/v1/merges", files=many))[:2] == (422, "invalid_request")


BOUNDARY = "limit"


def form_of(*parts: tuple[str, bytes]) -> bytes:
    """Return a hand-written form of these parts: the headers and the content of each."""
    written = [f"--{BOUNDARY}\r\n{top}\r\n\r\n".encode() + held + b"\r\n" for top, held in parts]
    return b"".join(written) + f"--{BOUNDARY}--\r\n".encode()


def disposed(name: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}'


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "\r\nContent-Type: image/png",
        "\r\nContent-Type: text/plain",
        "\r\nContent-Type: text/plain; charset=utf-8",
        "\r\nContent-Type: application/octet-stream",
        "\r\nContent-Type: binary/octet-stream",
        "\r\nContent-Transfer-Encoding: binary",
    ],
)
async def test_parts_without_file_names_are_files(client: httpx.AsyncClient, kind: str) -> None:
    """`curl -F 'character=<c.png'` sends such parts, and so do clients that build a form from bytes."""
    form = form_of(
        (disposed("character", ";") + kind, CHARACTER),
        (disposed("background") + kind, BACKGROUND),
        (disposed("options"), json.dumps(SMALL).encode()),
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    response = await client.post("/v1/merges", content=form, headers=headers)
    assert (response.status_code, response.content) == (200, (await merge(client, SMALL)).content)


@pytest.mark.parametrize(
    "kind", ["binary/octet-stream", "application/octet-stream", "image/x-png", "image/pjpeg", "IMAGE/PNG"]
)
async def test_a_picture_under_another_of_its_types(client: httpx.AsyncClient, kind: str) -> None:
    """S3 and similar stores use `binary/octet-stream` for files of unknown type."""
    response = await merge(client, SMALL, character=("c", CHARACTER, kind))
    assert response.content == (await merge(client, SMALL)).content


async def test_words_in_place_of_a_picture_are_named(client: httpx.AsyncClient) -> None:
    form = form_of((disposed("character"), b"a knight"), (disposed("background"), BACKGROUND))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    response = await client.post("/v1/merges", content=form, headers=headers)
    assert error_of(response) == (422, "invalid_request", "character")


async def test_a_part_without_a_name_is_refused(client: httpx.AsyncClient) -> None:
    form = form_of(("Content-Disposition: form-data", CHARACTER), ("X-Other: 1", BACKGROUND))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert error_of(await client.post("/v1/merges", content=form, headers=headers))[0] == 422
