"""OpenAI's official client, over real HTTP, against the whole edge."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import openai
import pytest
from openai import OpenAI
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served


@pytest.fixture(scope="module")
def client(config: ServiceConfig, graph: Graph) -> Iterator[OpenAI]:
    with (
        listening(served(build_http(config, graph))) as url,
        OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


FEW: dict[str, Any] = {"num_inference_steps": 4, "seed": 3}


def picture(b64_json: str | None) -> Image.Image:
    assert b64_json
    return Image.open(BytesIO(base64.b64decode(b64_json)))


def test_a_scene_from_one_prompt(client: OpenAI) -> None:
    made = client.images.generate(
        model="scene", prompt="a knight | a castle", size="256x128", output_format="jpeg", extra_body=FEW
    )
    assert made.data and len(made.data) == 1
    image = picture(made.data[0].b64_json)
    assert (image.format, image.size) == ("JPEG", (256, 128))
    assert (made.output_format, made.size) == ("jpeg", "256x128")


def test_both_layers_as_fields_are_the_same_scene(client: OpenAI) -> None:
    words = client.images.generate(model="scene", prompt="a knight | a castle", extra_body=FEW)
    fields = {"character": {"prompt": "a knight"}, "background": "a castle", **FEW}
    given = client.images.generate(model="scene", prompt="", extra_body=fields)
    assert words.data and given.data
    assert words.data[0].b64_json == given.data[0].b64_json


@pytest.mark.parametrize("model", ["character", "background"])
def test_several_pictures_of_one_layer_differ_by_their_seeds(client: OpenAI, model: str) -> None:
    made = client.images.generate(model=model, prompt="x", n=3, size="64x96", extra_body=FEW)
    assert made.data and len({image.b64_json for image in made.data}) == 3
    again = client.images.generate(model=model, prompt="x", size="64x96", extra_body=FEW | {"seed": 4})
    assert again.data and made.data[1].b64_json == again.data[0].b64_json
    assert {picture(image.b64_json).size for image in made.data} == {(64, 96)}


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_formats(client: OpenAI, output_format: Any) -> None:
    made = client.images.generate(
        model="background", prompt="x", size="64x64", output_format=output_format, extra_body=FEW
    )
    assert made.data and picture(made.data[0].b64_json).format == output_format.upper()


def test_what_means_nothing_here_is_left_alone(client: OpenAI) -> None:
    made = client.images.generate(
        model="background",
        prompt="x",
        size="auto",
        quality="high",
        style="vivid",
        moderation="low",
        user="me",
        background="opaque",
        response_format="b64_json",
        extra_body=FEW,
    )
    assert made.data


@pytest.mark.parametrize("model", ["scene", "character", "background"])
def test_a_stream_of_partial_images(client: OpenAI, model: str) -> None:
    stream = client.images.generate(
        model=model, prompt="a | b", stream=True, partial_images=2, size="128x64", extra_body=FEW
    )
    events = list(stream)
    assert [event.type for event in events[:-1]] == ["image_generation.partial_image"] * (len(events) - 1)
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    # A scene's previews are made in parallel with the painting, so the scene may be done first.
    assert len(partial) <= 2 if model == "scene" else len(partial) == 2
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert all(picture(event.b64_json).format == "JPEG" for event in partial)
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert picture(last.b64_json).size == (128, 64)
    assert last.usage.total_tokens == 0


def test_a_stream_without_partial_images(client: OpenAI) -> None:
    stream = client.images.generate(model="background", prompt="x", stream=True, size="64x64", extra_body=FEW)
    assert [event.type for event in stream] == ["image_generation.completed"]


@pytest.mark.parametrize("size", ["huge", "512", "512X384", "512 x 384", "0x64", "-64x64", "AUTO", ""])
def test_a_size_that_is_none_is_reported_in_words(client: OpenAI, size: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=r"must be WIDTHxHEIGHT .* such as 512x384"):
        client.images.generate(model="scene", prompt="a | b", size=size)


@pytest.mark.parametrize(
    ("requested", "param"),
    [
        ({"prompt": "a knight"}, "prompt"),
        ({"prompt": "a | b | c"}, "prompt"),
        ({"prompt": "a |"}, "prompt"),
        ({"prompt": "", "model": "character"}, "prompt"),
        ({"prompt": "a | b", "model": "dall-e-3"}, "model"),
        ({"prompt": "a | b", "n": 11}, "n"),
        ({"prompt": "a | b", "n": 0}, "n"),
        ({"prompt": "a | b", "size": "20000x20"}, "size"),
        ({"prompt": "a | b", "size": "huge"}, "size"),
        ({"prompt": "a | b", "size": "9999x64"}, "size"),
        ({"prompt": "x", "model": "background", "size": "70x64"}, "size"),
        ({"prompt": "a | b", "response_format": "link"}, "response_format"),
        ({"prompt": "a | b", "output_format": "gif"}, "output_format"),
        ({"prompt": "a | b", "background": "transparent"}, "background"),
        ({"prompt": "", "extra_body": {"character": "a"}}, "background"),
        ({"prompt": "a | b", "extra_body": {"tone": "dark"}}, "tone"),
        ({"prompt": "a | b", "extra_body": {"deadline_s": 10_000}}, "deadline_s"),
        ({"prompt": "a | b", "extra_body": {"num_inference_steps": 9_999}}, "num_inference_steps"),
        ({"prompt": "a | b", "extra_body": {"guidance_scale": 31}}, "guidance_scale"),
        ({"prompt": "a | b", "extra_body": {"negative_prompt": "a" * 2_001}}, "negative_prompt"),
        (
            {"prompt": "", "extra_body": {"character": {"prompt": "a", "steps": 200}, "background": "b"}},
            "character.num_inference_steps",
        ),
    ],
    ids=str,
)
def test_refusals_are_the_clients_own_exceptions(client: OpenAI, requested: Any, param: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.images.generate(**{"model": "scene"} | requested)
    assert refused.value.code == "invalid_request"
    assert refused.value.param == param
    assert refused.value.request_id
    assert "pattern" not in refused.value.message


def test_other_errors_too(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as late:
        client.images.generate(model="scene", prompt="a | b", extra_body={"deadline_s": 0.0001})
    assert (late.value.status_code, late.value.code) == (504, "deadline_exceeded")
    with pytest.raises(openai.UnprocessableEntityError):
        client.images.generate(model="scene", prompt="a | b", stream=True, n=2)


def test_no_good_cut_out(config: ServiceConfig, particular: Graph, client: OpenAI) -> None:
    with listening(served(build_http(config, particular))) as url:
        client = client.with_options(base_url=f"{url}/v1")
        with pytest.raises(openai.UnprocessableEntityError) as opaque:
            client.images.generate(model="character", prompt="a", background="transparent", extra_body=FEW)
        assert opaque.value.code == "cutout_failed"
        with pytest.raises(openai.UnprocessableEntityError):
            client.images.generate(model="scene", prompt="a | b", extra_body=FEW)
        with pytest.raises(openai.UnprocessableEntityError, match="cut out"):
            client.images.generate(model="scene", prompt="a | b", stream=True, extra_body=FEW)


def test_a_fault_after_a_partial_image(config: ServiceConfig, particular: Graph, client: OpenAI) -> None:
    with listening(served(build_http(config, particular))) as url:
        stream = client.with_options(base_url=f"{url}/v1").images.generate(
            model="scene",
            prompt="a | b",
            stream=True,
            partial_images=3,
            extra_body=FEW | {"num_inference_steps": 40},
        )
        events = iter(stream)
        assert next(events).type == "image_generation.partial_image"
        with pytest.raises(openai.APIError, match="cut out"):
            list(events)


def test_the_models_it_lists(client: OpenAI) -> None:
    assert {"storybook-character", "storybook-background"} <= {model.id for model in client.models.list()}


def test_each_model_that_it_lists_can_be_looked_up_and_one_that_serves_be_named(client: OpenAI) -> None:
    for model in client.models.list():
        found: Any = client.models.retrieve(model.id)
        assert found.id == model.id
        if found.serving:
            made = client.images.generate(model=model.id, prompt="x", size="64x64", extra_body=FEW)
            assert made.data and picture(made.data[0].b64_json).size == (64, 64)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none/such")


def test_what_is_not_set_may_be_sent_as_none(client: OpenAI) -> None:
    """Pass all optional arguments, as wrappers do."""
    names = ("model", "n", "quality", "style", "user", "moderation", "background", "output_format", "stream")
    unset: dict[str, Any] = dict.fromkeys(names)
    nothing = dict.fromkeys(("output_compression", "response_format", "partial_images", "seed", "merge"))
    made = client.images.generate(
        prompt="a | b", size="128x64", **unset, extra_body={"num_inference_steps": 1, **nothing}
    )
    assert made.data and picture(made.data[0].b64_json).size == (128, 64)
