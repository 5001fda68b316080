from __future__ import annotations

import json
from typing import Any

import httpx
import pytest


@pytest.fixture
async def page(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    page: dict[str, Any] = response.json()
    return page


def body_of(page: dict[str, Any], path: str) -> dict[str, Any]:
    schema: dict[str, Any] = page["paths"][path]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    return schema


async def test_every_route_is_there(page: dict[str, Any]) -> None:
    routes = {(method, path) for path, methods in page["paths"].items() for method in methods}
    assert routes >= {
        ("post", "/v1/scenes"),
        ("post", "/v1/characters"),
        ("post", "/v1/backgrounds"),
        ("post", "/v1/merges"),
        ("get", "/v1/models"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }


async def test_bodies_are_described(page: dict[str, Any]) -> None:
    scene = body_of(page, "/v1/scenes")
    assert scene["required"] == ["background"]
    assert [option["required"] for option in scene["oneOf"]] == [["character"], ["characters"]]
    assert scene["additionalProperties"] is False
    assert {"seed", "merge", "enhance", "fallback", "output", "deadline_s"} <= set(scene["properties"])
    kinds = [kind.get("type") for kind in scene["properties"]["character"]["anyOf"]]
    assert kinds == ["string", "object", "null"]
    assert scene["properties"]["merge"]["anyOf"][0]["properties"]["mode"]["anyOf"][0]["enum"] == [
        "auto",
        "cutout",
        "paste",
    ]
    assert "cutout" in body_of(page, "/v1/characters")["properties"]
    assert "cutout" not in body_of(page, "/v1/backgrounds")["properties"]


async def test_a_form_is_described(page: dict[str, Any]) -> None:
    content = page["paths"]["/v1/merges"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert form["required"] == ["character", "background"]
    picture = {"type": "string", "format": "binary"}
    assert form["properties"]["background"] == picture
    several = {"type": "array", "items": picture, "minItems": 1, "maxItems": 4}
    assert form["properties"]["character"] == several
    assert set(form["properties"]["options"]["properties"]) == {
        "merge",
        "figures",
        "enhance",
        "attribution",
        "layers",
        "output",
    }


async def test_every_reference_leads_somewhere(page: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in page["components"]["schemas"]}
    text = json.dumps(page)
    assert {part.split('"')[0] for part in text.split('"$ref": "')[1:]} <= known
    assert "$defs" not in text


async def test_errors_are_described_with_their_shape(page: dict[str, Any]) -> None:
    responses = page["paths"]["/v1/scenes"]["post"]["responses"]
    assert {"200", "400", "408", "413", "415", "422", "429", "500", "502", "503", "504"} <= set(responses)
    shape = responses["422"]["content"]["application/json"]["schema"]["$ref"]
    assert shape.endswith("/ErrorResponse")
    assert "HTTPValidationError" not in json.dumps(page)


async def test_a_scenes_answer_is_json_or_a_picture(page: dict[str, Any]) -> None:
    content = page["paths"]["/v1/scenes"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream", "image/jpeg", "image/png", "image/webp"}
