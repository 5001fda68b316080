"""`null` means omitted, for every optional field of every request that the OpenAPI page describes."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from serve.api.layer_schema import PictureInput, Pose
from serve.api.scene_schema import SceneRequest
from serve.api.wire import ALIASES, Wire
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.body import parse
from serve.ingress import build_api
from serve.stories.story_schema import PageChange, StoryChange
from tests.support.poses import KEYPOINTS
from tests.support.scene_requests import SCENE, SMALL, error_of

VALUES: dict[str, Any] = {
    "prompt": "a",
    "background": "b",
    "scenes": [SCENE],
    "title": "a",
    "pages": [{"characters": ["a"], "background": "b"}],
    "characters": ["a"],
    "x": 0.5,
    "name": "mira",
    "poses": ["a"],
    "url": "https://example.com/hook",
}
"""A value for each field that a request needs."""
EITHER = {"character": "a", "characters": ["a"]}
"""A scene needs one of these."""


def page() -> dict[str, Any]:
    nothing: Any = None
    made: dict[str, Any] = build_api(ServiceConfig(), Graph(nothing, nothing, nothing)).openapi()
    return made


def subclasses(shape: type[Wire]) -> Iterator[type[Wire]]:
    for each in shape.__subclasses__():
        yield each
        yield from subclasses(each)


def bodies() -> Iterator[dict[str, Any]]:
    """Yield the schemas of all request bodies in the page, and of the JSON fields of forms."""
    for operations in page()["paths"].values():
        for operation in operations.values():
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if kind == "application/json":
                    yield content["schema"]
                else:
                    fields = content["schema"]["properties"].values()
                    yield from (field for field in fields if "title" in field)


def shapes() -> list[type[Wire]]:
    """Return the classes of the request bodies by the page's titles, so that new routes are included."""
    known = {shape.__name__: shape for shape in subclasses(Wire)}
    return [known[schema["title"]] for schema in bodies()]


def inner_shapes(annotation: Any) -> Iterator[type[Wire]]:
    if isinstance(annotation, type) and issubclass(annotation, Wire):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from inner_shapes(argument)


def minimal(shape: type[Wire], beside: str = "", null: bool = False) -> dict[str, Any]:
    """Return the fields that a request needs beside `beside`, or if that field is null."""
    if shape is PictureInput:  # needs one of its two fields
        return {"b64_json": "a"} if beside == "id" else {"id": "a"}
    if shape is Pose:
        others = {"image": {"keypoints": KEYPOINTS}, "keypoints": {"image": {"id": "a"}}}
        return others[beside] if null else {}
    if shape is PageChange:  # needs at least one field
        return {"alt": "a"} if beside == "text" else {"text": "a"}
    if shape is StoryChange:
        return {"author": "a"} if beside == "title" else {"title": "a"}
    needed = {name: VALUES[name] for name, field in shape.model_fields.items() if field.is_required()}
    if shape is not SceneRequest or (beside in EITHER and not null):
        return needed
    name = "characters" if beside == "character" else "character"
    return needed | {name: EITHER[name]}


def nulled(shape: type[Wire]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each optional field's path at any depth, a body in which it is null, and one without it."""
    for name, field in shape.model_fields.items():
        if not field.is_required():
            base = minimal(shape, name, null=True)
            for written in filter(None, (field.alias or name, ALIASES.get(name))):
                yield written, base | {written: None}, base
        base = minimal(shape, name)
        options = (field.annotation, *typing.get_args(field.annotation))
        as_list = any(typing.get_origin(option) is list for option in options)
        as_map = any(typing.get_origin(option) is dict for option in options)
        for inner in inner_shapes(field.annotation):
            for path, with_null, without in nulled(inner):
                pair = ([with_null], [without]) if as_list else (with_null, without)
                pair = ({"a": with_null}, {"a": without}) if as_map else pair
                yield f"{name}.{path}", base | {name: pair[0]}, base | {name: pair[1]}


CASES = [
    pytest.param(shape, with_null, without, id=f"{shape.__name__}-{path}")
    for shape in shapes()
    for path, with_null, without in nulled(shape)
]


@pytest.mark.parametrize(("shape", "with_null", "without"), CASES)
def test_null_is_left_out(shape: type[Wire], with_null: dict[str, Any], without: dict[str, Any]) -> None:
    made, expected = parse(with_null, shape), parse(without, shape)
    assert made == expected
    assert made.model_dump(exclude_unset=True) == expected.model_dump(exclude_unset=True)


def test_the_walk_reaches_every_depth_and_every_route() -> None:
    ids = {str(case.id) for case in CASES}
    assert {
        "JobRequest-scenes.merge.shadow",
        "RepaintRequest-characters.position",
        "StoryRequest-cast.seed",
        "StoryRequest-pages.characters.scale",
        "SceneRequest-character.steps",
        "SceneRequest-characters",
        "SceneRequest-characters.position",
        "SceneRequest-characters.steps",
        "MergesOptions-figures.depth",
        "ImagesRequest-character.enhance_prompt",
        "ImagesRequest-stream",
        "MergesOptions-output.quality",
        "CharacterRequest-cutout",
    } <= ids


def properties(schema: Any) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield each property of a schema at any depth: its name, whether it is required, and its own schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from properties(each)
    if not isinstance(schema, dict):
        return
    for name, field in schema.get("properties", {}).items():
        if schema.get("type") == "object":
            yield name, name in schema.get("required", ()), field
    for value in schema.values():
        yield from properties(value)


def test_the_page_says_so() -> None:
    for schema in bodies():
        for name, required, field in properties(schema):
            kinds = {option.get("type") for option in field.get("anyOf", [field])}
            assert ("null" in kinds) != required, (name, json.dumps(field))


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/v1/scenes", SCENE),
        ("/v1/characters", SMALL),
        ("/v1/backgrounds", SMALL),
        ("/v1/images/generations", {"prompt": "a | b", "size": "128x64", "num_inference_steps": 1}),
        ("/v1/jobs", {"scenes": [SCENE]}),
    ],
)
async def test_all_of_them_at_once(client: httpx.AsyncClient, route: str, body: dict[str, Any]) -> None:
    title = page()["paths"][route]["post"]["requestBody"]["content"]["application/json"]["schema"]["title"]
    shape = next(shape for shape in shapes() if shape.__name__ == title)
    optional = {name: None for name, field in shape.model_fields.items() if not field.is_required()}
    response = await client.post(route, json=optional | body)
    assert response.status_code in (200, 202), response.text


@pytest.mark.parametrize(
    "options", ["null", '{"merge": null, "layers": null}', '{"output": {"format": null}}']
)
async def test_the_options_of_a_merge(client: httpx.AsyncClient, options: str) -> None:
    file = BytesIO()
    Image.new("RGBA", (64, 64), (200, 30, 30, 255)).save(file, "PNG")
    files = {"character": file.getvalue(), "background": file.getvalue()}
    response = await client.post("/v1/merges", files=files, data={"options": options})
    plain = await client.post("/v1/merges", files=files)
    assert (response.status_code, response.content) == (200, plain.content)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (SCENE | {"character": None}, "character"),
        (SCENE | {"character": {"prompt": None}}, "character.prompt"),
    ],
)
async def test_a_required_field_that_is_null_is_missing(
    client: httpx.AsyncClient, body: dict[str, Any], param: str
) -> None:
    response = await client.post("/v1/scenes", json=body)
    assert (response.status_code, error_of(response)["message"]) == (422, f"{param} is required")


async def test_an_unknown_field_that_is_null_is_unknown(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", json=SCENE | {"tone": None})
    assert error_of(response)["message"] == "tone is not a known field"


async def test_one_of_two_names_that_is_null_is_not_given(client: httpx.AsyncClient) -> None:
    both = {"prompt": "a", "width": 64, "height": 64, "steps": None, "num_inference_steps": 1}
    assert (await client.post("/v1/characters", json=both)).status_code == 200
    response = await client.post("/v1/characters", json=both | {"steps": 1})
    assert response.status_code == 422
