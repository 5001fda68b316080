from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serve.config.access import Authentication
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api

ClientWith = Callable[..., httpx.AsyncClient]


def page_of(config: ServiceConfig) -> dict[str, Any]:
    nothing: Any = None
    page: dict[str, Any] = build_api(config, Graph(nothing, nothing, nothing)).openapi()
    return page


def layer_of(page: dict[str, Any], route: str = "/v1/characters") -> dict[str, Any]:
    content = page["paths"][route]["post"]["requestBody"]["content"]["application/json"]
    fields: dict[str, Any] = content["schema"]["properties"]
    return fields


def test_a_services_own_limits_are_reported() -> None:
    config = ServiceConfig.model_validate({"limits": {"max_image_size": 500, "max_steps": 30}})
    fields = layer_of(page_of(config))
    side = fields["width"]["anyOf"][0]
    assert side == {"type": "integer", "minimum": 64, "maximum": 480, "multipleOf": 32}
    assert fields["num_inference_steps"]["anyOf"][0]["maximum"] == 30
    usual = {name: value for name, value in fields["num_inference_steps"].items() if name != "default"}
    alias = fields["steps"] | {"default": None}  # An alias does not state the default.
    assert alias == usual | {
        "title": "steps",
        "description": "another name for num_inference_steps",
        "default": None,
    }
    assert fields["prompt"]["maxLength"] == 2_000
    assert fields["model"]["anyOf"][0]["enum"] == ["storybook-character"]


def test_each_layer_has_the_limits_of_its_own_model() -> None:
    model = {"source": "runwayml/stable-diffusion-v1-5"}
    background = ServiceConfig().background.model_dump() | {"generator": {"model": model}}
    config = ServiceConfig.model_validate({"background": background})
    scene = layer_of(page_of(config), "/v1/scenes")

    def multiple(kind: str) -> int:
        whole = next(option for option in scene[kind]["anyOf"] if option["type"] == "object")
        number: int = whole["properties"]["width"]["anyOf"][0]["multipleOf"]
        return number

    assert (multiple("character"), multiple("background")) == (32, 8)
    assert "multipleOf" not in scene["merge"]["anyOf"][0]["properties"]["width"]["anyOf"][0]


def test_a_services_own_defaults_are_reported() -> None:
    usual = ServiceConfig().background.model_dump()
    background = usual | {"defaults": usual["defaults"] | {"num_inference_steps": 9, "guidance_scale": 4.5}}
    merge = {"mode": "paste", "position": "left", "width": 768, "height": 512}
    page = page_of(ServiceConfig.model_validate({"background": background, "merge": merge}))
    scene, alone = layer_of(page, "/v1/scenes"), layer_of(page, "/v1/backgrounds")
    for kind, steps, guidance in (("character", 25, 7.5), ("background", 9, 4.5)):
        layer = next(option for option in scene[kind]["anyOf"] if option["type"] == "object")["properties"]
        assert (layer["num_inference_steps"]["default"], layer["guidance_scale"]["default"]) == (
            steps,
            guidance,
        )
    assert (alone["num_inference_steps"]["default"], alone["guidance_scale"]["default"]) == (9, 4.5)
    frame = scene["merge"]["anyOf"][0]["properties"]
    assert {name: frame[name]["default"] for name in merge} == merge


def test_a_frame_has_limits_of_its_own() -> None:
    config = ServiceConfig.model_validate({"limits": {"max_image_size": 512, "max_frame_size": 2048}})
    frame = layer_of(page_of(config), "/v1/scenes")["merge"]["anyOf"][0]["properties"]
    assert frame["width"]["anyOf"][0]["maximum"] == 2048


@pytest.mark.parametrize(
    ("authentication", "security"),
    [("required", [{"key": []}]), (None, [{"key": []}]), ("off", [])],
)
def test_which_routes_need_a_key_is_documented(
    authentication: Authentication | None, security: list[object]
) -> None:
    page = page_of(ServiceConfig(authentication=authentication))
    assert page["components"]["securitySchemes"]["key"] == {"type": "http", "scheme": "bearer"}
    assert page["paths"]["/v1/scenes"]["post"]["security"] == security
    assert "security" not in page["paths"]["/healthz"]["get"]


ALWAYS = {"400", "401", "403", "408", "413", "429", "500", "503"}
"""The errors of a route without a body, which still reads a small one to its end."""


@pytest.mark.parametrize(
    ("method", "route", "errors"),
    [
        ("get", "/healthz", {"400", "413", "500"}),
        ("get", "/readyz", {"400", "413", "500", "503"}),
        ("get", "/v1/models", ALWAYS),
        ("get", "/v1/jobs", ALWAYS | {"422"}),
        ("get", "/v1/jobs/{job_id}/scenes/{index}", ALWAYS | {"404", "410"}),
        ("delete", "/v1/jobs/{job_id}", ALWAYS | {"404"}),
        (
            "post",
            "/v1/jobs",
            {
                "400",
                "401",
                "403",
                "408",
                "410",
                "413",
                "415",
                "422",
                "429",
                "500",
                "502",
                "503",
                "504",
                "507",
            },
        ),
        ("get", "/v1/pictures/{picture_id}", ALWAYS | {"404", "410"}),
        ("delete", "/v1/pictures/{picture_id}", ALWAYS | {"404", "422"}),
    ],
)
def test_a_route_is_reported_with_its_own_errors(method: str, route: str, errors: set[str]) -> None:
    responses = page_of(ServiceConfig())["paths"][route][method]["responses"]
    assert {status for status in responses if status >= "4"} == errors


def test_what_every_response_carries_is_documented() -> None:
    for operations in page_of(ServiceConfig())["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                assert response["headers"]["X-Request-ID"]["required"]
                assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))


async def test_a_wrong_method_gets_all_the_right_ones(client: httpx.AsyncClient) -> None:
    response = await client.request("PATCH", "/v1/jobs")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    response = await client.request("PUT", f"/v1/jobs/{'0' * 32}")
    assert (response.status_code, response.headers["Allow"]) == (405, "DELETE, GET, HEAD")


async def test_a_whole_number_may_be_written_with_a_point(client: httpx.AsyncClient) -> None:
    small = '{"prompt": "a knight", "width": 64.0, "height": 64, "num_inference_steps": 1, "seed": %s}'
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/characters", content=small % "42.0", headers=headers)
    assert (response.status_code, response.headers["X-Seed"]) == (200, "42")
    for seed in ("42.5", "9007199254740993.0", "1e300"):
        response = await client.post("/v1/characters", content=small % seed, headers=headers)
        assert response.json()["error"]["param"] == "seed"
