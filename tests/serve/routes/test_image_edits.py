"""POST /v1/images/edits: the official client over real HTTP, and forms that it does not send."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI
from PIL import Image

from serve.api.known_pictures import InputPicture
from serve.api.layer_schema import PictureInput
from serve.api.openai_edits import FIELDS, TEXTS, EditsRequest, read_texts
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served
from tests.support.uploads import a_file, a_huge_file, error_of

WIDE, HIGH = 96, 64
PLACE = np.random.default_rng(5).integers(60, 200, (HIGH, WIDE, 3)).astype(np.uint8)
ALPHA = np.full((HIGH, WIDE, 1), 255, np.uint8)
ALPHA[:, : WIDE // 2] = 0
FILE, MASK = a_file(PLACE), a_file(np.concatenate([PLACE, ALPHA], 2))
FEW: dict[str, Any] = {"num_inference_steps": 4, "seed": 3}
KEPT = ALPHA[..., 0] > 0


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:
    with listening(served(build_http(config, graph))) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def pixels(b64_json: str | None) -> Any:
    assert b64_json
    return np.asarray(Image.open(BytesIO(base64.b64decode(b64_json))))


def only(made: Any) -> Any:
    assert made.data and len(made.data) == 1
    return pixels(made.data[0].b64_json)


@pytest.mark.parametrize(
    "image", [FILE, BytesIO(FILE), ("place.png", FILE), ("place.png", FILE, "image/png"), [FILE]], ids=type
)
def test_a_picture_is_varied_in_its_own_size(client: OpenAI, image: Any) -> None:
    made = client.images.edit(image=image, prompt="a castle", extra_body=FEW)
    assert only(made).shape == PLACE.shape and (made.output_format, made.size) == ("png", "96x64")


def test_a_file_of_the_disk(client: OpenAI, tmp_path: Path) -> None:
    (tmp_path / "place.jpg").write_bytes(a_file(PLACE, "JPEG"))
    with (tmp_path / "place.jpg").open("rb") as file:
        made = client.images.edit(image=file, prompt="a castle", model="background", extra_body=FEW)
    assert only(made).shape == PLACE.shape


def test_what_is_not_transparent_in_the_mask_comes_back_as_it_was_sent(client: OpenAI) -> None:
    made = only(client.images.edit(image=FILE, mask=MASK, prompt="a bridge", extra_body=FEW))
    assert (made[KEPT] == PLACE[KEPT]).all() and (made[~KEPT] != PLACE[~KEPT]).any()


def test_it_is_the_same_picture_as_from_our_own_route(client: OpenAI, url: str) -> None:
    made = only(client.images.edit(image=FILE, mask=MASK, prompt="a bridge", extra_body=FEW))
    white = a_file(np.where(KEPT, 0, 255).astype(np.uint8))
    layer = {
        "prompt": "a bridge",
        "image": {"b64_json": base64.b64encode(FILE).decode()},
        "mask": {"b64_json": base64.b64encode(white).decode()},
        "output": {"format": "png"},
    }
    answer = httpx.post(f"{url}/v1/backgrounds", json=layer | FEW)
    assert answer.status_code == 200, answer.text
    assert (np.asarray(Image.open(BytesIO(answer.content))) == made).all()


def test_a_half_transparent_pixel_is_kept(client: OpenAI) -> None:
    """OpenAI paints only where the mask is fully transparent."""
    alpha = ALPHA.copy()
    alpha[:, WIDE // 2 :] = 1
    mask = a_file(np.concatenate([PLACE, alpha], 2))
    made = only(client.images.edit(image=FILE, mask=mask, prompt="a bridge", extra_body=FEW))
    assert (made[KEPT] == PLACE[KEPT]).all()


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_formats_and_sizes(client: OpenAI, output_format: Any) -> None:
    made = client.images.edit(
        image=FILE, prompt="x", size="128x64", output_format=output_format, extra_body=FEW
    )
    assert made.data and made.data[0].b64_json
    picture = Image.open(BytesIO(base64.b64decode(made.data[0].b64_json)))
    assert (picture.format, picture.size) == (output_format.upper(), (128, 64))


def test_compression_is_taken_from_the_form(client: OpenAI) -> None:
    sizes = [
        len(
            client.images.edit(
                image=FILE, prompt="x", output_format="jpeg", output_compression=quality, extra_body=FEW
            )
            .data[0]
            .b64_json  # type: ignore[index, arg-type]
        )
        for quality in (5, 95)
    ]
    assert sizes[0] < sizes[1]


def test_several_differ_by_their_seeds(client: OpenAI) -> None:
    made = client.images.edit(image=FILE, prompt="x", n=3, extra_body=FEW)
    assert made.data and len({image.b64_json for image in made.data}) == 3
    again = client.images.edit(image=FILE, prompt="x", extra_body=FEW | {"seed": 4})
    assert again.data and made.data[1].b64_json == again.data[0].b64_json


def test_a_character_is_varied_and_cut_out(client: OpenAI) -> None:
    made = client.images.edit(
        image=FILE, prompt="a knight", model="character", background="opaque", extra_body=FEW
    )
    assert only(made).shape == PLACE.shape
    with pytest.raises(openai.UnprocessableEntityError) as opaque:
        client.images.edit(image=FILE, prompt="a", model="background", background="transparent")
    assert opaque.value.param == "background"


def test_a_scene_sets_a_figure_into_the_picture(client: OpenAI) -> None:
    made = client.images.edit(image=FILE, prompt="a knight | a castle", model="scene", extra_body=FEW)
    assert only(made).shape == PLACE.shape, "in the picture's own size"
    framed = FEW | {"merge": {"position": "left", "width": 128, "height": 64}}
    assert only(
        client.images.edit(image=FILE, prompt="a knight | a castle", model="scene", extra_body=framed)
    ).shape == (64, 128, 3)


def test_strength_is_the_layers_and_a_scene_starts_from_its_place(config: ServiceConfig) -> None:
    texts = {"prompt": "a | b", "strength": "0.25", "seed": "7"}
    image, second = PictureInput(id="pic_0"), PictureInput(id="pic_1")
    known = {image: InputPicture(name="0", width=2048, height=512)}

    found = {"image": [image, second], "mask": []}

    def requested(model: str) -> Any:
        edit = read_texts(texts | {"model": model}).of_pictures(found, known, config)
        return edit.to_request(1, config)

    layer, scene = requested("background"), requested("scene")
    assert (layer.image, layer.strength, layer.seed) == (image, 0.25, 8)
    assert (scene.character.image, scene.background.image) == (None, image)
    assert layer.references == scene.background.references == [second]
    assert scene.background.strength == 0.25
    assert (scene.merge.width, scene.merge.height) == (1024, 256), "reduced to the largest frame"


def test_what_means_nothing_here_is_left_alone(client: OpenAI) -> None:
    made = client.images.edit(
        image=FILE,
        prompt="x",
        size="auto",
        quality="high",
        user="me",
        safety_identifier="me",
        background="opaque",
        input_fidelity="high",
        complexity="low",
        response_format="b64_json",
        extra_body=FEW | {"moderation": "low", "style": "vivid"},
    )
    assert made.data


def test_what_is_not_set_may_be_sent_as_none(client: OpenAI) -> None:
    names = ("model", "n", "quality", "background", "output_format", "stream", "size", "input_fidelity")
    unset: dict[str, Any] = dict.fromkeys(names)
    nothing = dict.fromkeys(("output_compression", "response_format", "partial_images", "strength", "merge"))
    made = client.images.edit(image=FILE, prompt="x", **unset, extra_body=FEW | nothing)
    assert only(made).shape == PLACE.shape


@pytest.mark.parametrize("nothing", ["", "null"])
def test_an_empty_text_and_null_are_left_out(url: str, nothing: str) -> None:
    """A form cannot express null in another way; browsers send `null`."""
    texts = {name: nothing for name in FIELDS if name not in ("prompt", *FEW)}
    texts |= {"prompt": "x", **{name: str(value) for name, value in FEW.items()}}
    files = {"image": ("a.png", FILE), "mask": (None, nothing)}
    answer = httpx.post(f"{url}/v1/images/edits", data=texts, files=files)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]"])
def test_the_names_of_the_file(url: str, name: str) -> None:
    texts = {"prompt": "x", **{key: str(value) for key, value in FEW.items()}}
    answer = httpx.post(f"{url}/v1/images/edits", data=texts, files={name: ("a.png", FILE)})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("model", ["scene", "character", "background"])
def test_a_stream_of_partial_images(client: OpenAI, model: str) -> None:
    stream = client.images.edit(
        image=FILE,
        model=model,
        prompt="a | b",
        stream=True,
        partial_images=2,
        extra_body=FEW | {"strength": 1},
    )
    events = list(stream)
    partial = [event for event in events if event.type == "image_edit.partial_image"]
    # A scene's previews are made in parallel with the painting, so the scene may be done first.
    assert len(partial) <= 2 if model == "scene" else len(partial) == 2
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert len(events) == len(partial) + 1
    last = events[-1]
    assert last.type == "image_edit.completed" and last.usage.total_tokens == 0
    assert pixels(last.b64_json).shape == PLACE.shape
    for event in events:  # The client does not validate what it receives.
        type(event).model_validate(event.model_dump())


def test_a_stream_without_partial_images(client: OpenAI) -> None:
    stream = client.images.edit(image=FILE, prompt="x", stream=True, extra_body=FEW)
    assert [event.type for event in stream] == ["image_edit.completed"]


LARGER = a_file(np.zeros((HIGH, WIDE + 8, 4), np.uint8))


@pytest.mark.parametrize(
    ("requested", "param"),
    [
        ({"mask": LARGER}, "mask"),
        ({"mask": FILE}, "mask"),  # no part is transparent
        ({"mask": a_file(PLACE, "JPEG")}, "mask"),
        ({"mask": b"no picture"}, "mask"),
        ({"mask": a_huge_file()}, "mask"),
        ({"image": a_huge_file()}, "image"),
        ({"image": b"no picture"}, "image"),
        ({"image": b""}, "image"),
        ({"image": FILE[:-30]}, "image"),
        ({"image": [FILE] * 6}, "image"),
        ({"extra_body": {"reference_scale": 0.5}}, "reference_scale"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "a" * 2_001}, "prompt"),
        ({"model": "gpt-image-1"}, "model"),
        ({"model": "scene"}, "prompt"),
        ({"n": 11}, "n"),
        ({"n": 0}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": "9999x64"}, "size"),
        ({"size": "70x64"}, "size"),
        ({"output_format": "gif"}, "output_format"),
        ({"response_format": "link"}, "response_format"),
        ({"markup": FILE}, "markup"),
        ({"svg": {"model": "x"}}, "svg"),
        ({"extra_body": {"strength": 0}}, "strength"),
        ({"extra_body": {"strength": 1.5}}, "strength"),
        ({"extra_body": {"strength": float("nan")}}, "strength"),
        ({"extra_body": {"seed": "many"}}, "seed"),
        ({"extra_body": {"merge": {"tone": "dark"}}}, "merge.tone"),
        ({"extra_body": {"image_url": "http://example.com/a.png"}}, "image_url"),
        ({"extra_body": {"deadline_s": 10_000}}, "deadline_s"),
        ({"extra_body": {"num_inference_steps": 9_999}}, "num_inference_steps"),
        ({"extra_body": {"negative_prompt": "a" * 2_001}}, "negative_prompt"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals_are_the_clients_own_exceptions(client: OpenAI, requested: Any, param: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.images.edit(**{"image": FILE, "prompt": "a castle"} | requested)
    assert refused.value.code == "invalid_request"
    assert refused.value.param == param and refused.value.request_id


def test_several_pictures_in_a_stream_are_refused(client: OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="n must be 1"):
        client.images.edit(image=FILE, prompt="x", stream=True, n=2)


def test_a_mask_without_a_picture_and_other_bodies(url: str) -> None:
    address = f"{url}/v1/images/edits"
    missing = httpx.post(address, data={"prompt": "x"}, files={"mask": MASK})
    assert error_of(missing) == (422, "invalid_request", "image")
    twice = httpx.post(address, files=[("prompt", (None, "x")), ("prompt", (None, "y")), ("image", FILE)])
    assert error_of(twice) == (422, "invalid_request", "prompt")
    both = {"prompt": "x", "merge": json.dumps({"width": 64}), "merge[width]": "64"}
    assert error_of(httpx.post(address, data=both, files={"image": FILE}))[2] == "merge"
    words = httpx.post(address, data={"prompt": "x"}, files={"image": ("a.txt", FILE, "text/html")})
    assert error_of(words) == (415, "unsupported_media_type", "image")
    assert error_of(httpx.post(address, json={"prompt": "x"}))[:2] == (415, "unsupported_media_type")
    large = httpx.post(address, data={"prompt": "x" * (17 << 20)}, files={"image": FILE})
    assert error_of(large)[:2] == (413, "payload_too_large")
    long = httpx.post(address, data={"prompt": "x", "user": "x" * (1 << 20)}, files={"image": FILE})
    assert error_of(long) == (413, "payload_too_large", "user")
    bad = httpx.post(address, files={"prompt": (None, b"\xff"), "image": ("a.png", FILE)})
    assert error_of(bad) == (422, "invalid_request", "prompt")


def test_a_model_that_cannot_says_so(config: ServiceConfig, graph: Graph) -> None:
    data = config.model_dump()
    data["background"]["generator"] |= {"backend": "diffusers", "simulated": {}}
    data["background"]["generator"]["model"] |= {"painter": "denoiser"}
    other = ServiceConfig.model_validate(data)
    with listening(served(build_http(other, graph))) as url:
        for more in ({}, {"mask": ("m.png", MASK)}):
            files = {"image": ("a.png", FILE), **more}
            refused = httpx.post(f"{url}/v1/images/edits", data={"prompt": "x"}, files=files)
            assert error_of(refused) == (422, "unsupported_task", [*files][-1])
        place = {"prompt": "b", "image": {"b64_json": base64.b64encode(FILE).decode()}}
        body = {"prompt": "", "character": "a", "background": place}
        refused = httpx.post(f"{url}/v1/images/generations", json=body)
        assert error_of(refused) == (422, "unsupported_task", "background.image")


def test_the_form_knows_which_fields_are_texts() -> None:
    numbers = {"n", "output_compression", "stream", "partial_images", "num_inference_steps", "guidance_scale"}
    numbers |= {"seed", "enhance_prompt", "merge", "deadline_s", "strength", "reference_scale"}
    assert set(FIELDS) - TEXTS == numbers
    assert set(FIELDS) | {"image", "mask", "references"} == set(EditsRequest.model_fields)
    read = read_texts({"prompt": "12", "n": "2", "user": "true", "merge[mode]": "paste"})
    assert (read.prompt, read.n, read.user, read.merge.mode) == ("12", 2, "true", "paste")
