from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from serve.api.model_list import listing
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api, build_http
from tests.support.local_service import served
from tests.support.scene_requests import error_of


async def test_the_listing_has_the_shape_of_openais(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models")).json()
    assert body["object"] == "list"
    for model in body["data"]:
        assert set(model) == {
            "id",
            "object",
            "kind",
            "serving",
            "default_for",
            "defaults",
            "pipeline",
            "family",
            "tasks",
            "licence",
            "attribution",
            "commercial_use",
            "resolution",
            "memory_gb",
            "loras",
            "knows",
        }
        assert model["object"] == "model"


def test_the_served_models_come_first_and_the_known_ones_after() -> None:
    data = listing(ServiceConfig())["data"]
    assert [(model["id"], model["serving"]) for model in data[:2]] == [
        ("storybook-character", ["character"]),
        ("storybook-background", ["background"]),
    ]
    others = {model["id"]: model for model in data[2:]}
    sd1 = others["stable-diffusion-v1-5/stable-diffusion-v1-5"]
    assert (sd1["serving"], sd1["licence"]) == ([], "CreativeML Open RAIL-M")
    assert (sd1["commercial_use"], sd1["memory_gb"]) == ("with restrictions", {"least": 4.0, "most": 6.0})
    assert sd1["resolution"] == {"width": 512, "height": 512, "multiple_of": 8}
    assert "stabilityai/stable-diffusion-xl-base-1.0" in others


def test_a_served_model_says_what_it_knows_where_it_can() -> None:
    character, background, *others = listing(ServiceConfig())["data"]
    assert {"knight", "sword", "the"} <= set(character["knows"]["words"])
    assert "castle" in background["knows"]["offers"]["places"]
    assert all(model["knows"] is None for model in others)
    tune = ServiceConfig().with_environment({"CHARACTER_MODEL": "someone/anime-tune"})
    assert listing(tune)["data"][0]["knows"] is None


def test_one_model_may_serve_both_layers_and_is_listed_once() -> None:
    config = ServiceConfig().with_environment({"DIFFUSION_MODEL": "runwayml/stable-diffusion-v1-5"})
    served = [model for model in listing(config)["data"] if model["serving"]]
    assert [(model["id"], model["serving"]) for model in served] == [
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", ["character", "background"])
    ]


def test_a_fine_tune_is_listed_without_promises() -> None:
    config = ServiceConfig().with_environment({"CHARACTER_MODEL": "someone/anime-tune"})
    first = listing(config)["data"][0]
    assert (first["id"], first["memory_gb"]) == ("someone/anime-tune", None)
    assert first["licence"] == "unknown: see the model's own card"


FINE_TUNE = {"CHARACTER_MODEL": "someone/anime-tune", "BACKGROUND_MODEL": "runwayml/stable-diffusion-v1-5"}
BOTH = {"DIFFUSION_MODEL": "runwayml/stable-diffusion-v1-5"}
PAINTED = {"size": "64x64", "num_inference_steps": 1}


def client_of(config: ServiceConfig, graph: Graph, environment: dict[str, str]) -> httpx.AsyncClient:
    app = served(build_http(config.with_environment(environment), graph))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize("environment", [{}, FINE_TUNE, BOTH], ids=["bundled", "own", "both"])
async def test_each_one_is_found_by_its_id(
    config: ServiceConfig, graph: Graph, environment: dict[str, str]
) -> None:
    client = client_of(config, graph, environment)
    for model in (await client.get("/v1/models")).json()["data"]:
        for written in (model["id"], quote(model["id"], safe="")):
            response = await client.get(f"/v1/models/{written}")
            assert (response.status_code, response.json()) == (200, model)


async def test_one_is_found_by_an_older_name(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/models/runwayml/stable-diffusion-v1-5")).json()
    assert found["id"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"


@pytest.mark.parametrize("name", ["none", "", "%2Fetc%2Fpasswd", "%00", "a" * 5_000, "storybook-character/"])
async def test_there_is_no_other(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/v1/models/{name}")
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize("environment", [{}, FINE_TUNE, BOTH], ids=["bundled", "own", "both"])
async def test_each_one_that_serves_can_be_named(
    config: ServiceConfig, graph: Graph, environment: dict[str, str]
) -> None:
    client = client_of(config, graph, environment)
    for model in (await client.get("/v1/models")).json()["data"]:
        body = {"model": model["id"], "prompt": "a knight", **PAINTED}
        response = await client.post("/v1/images/generations", json=body)
        if model["serving"]:
            assert response.status_code == 200, response.text
        else:
            assert (response.status_code, error_of(response)["param"]) == (422, "model")


async def test_a_model_of_one_layer_paints_that_layer(client: httpx.AsyncClient) -> None:
    seeded = {"prompt": "a knight | a castle", "seed": 1, **PAINTED}
    for kind in ("character", "background"):
        named, layer = [
            (await client.post("/v1/images/generations", json=seeded | {"model": model})).json()["data"]
            for model in (f"storybook-{kind}", kind)
        ]
        assert named == layer


async def test_a_model_of_both_layers_paints_what_is_described(config: ServiceConfig, graph: Graph) -> None:
    client = client_of(config, graph, BOTH)
    for prompt, subject in (("a knight | a castle", "scene"), ("a knight", "character")):
        named, meant = [
            (
                await client.post(
                    "/v1/images/generations", json={"model": model, "prompt": prompt, "seed": 1, **PAINTED}
                )
            ).json()["data"]
            for model in (BOTH["DIFFUSION_MODEL"], subject)
        ]
        assert named == meant


def test_the_page_names_them() -> None:
    nothing: Any = None
    page = build_api(ServiceConfig(), Graph(nothing, nothing, nothing)).openapi()
    body = page["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["model"]["anyOf"][0]["enum"] == [
        "scene",
        "character",
        "background",
        "storybook-character",
        "storybook-background",
    ]
