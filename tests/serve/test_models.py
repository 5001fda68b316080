from __future__ import annotations

import httpx

from serve.config import ServiceConfig
from serve.models import listing


async def test_the_listing_has_the_shape_of_openais(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models")).json()
    assert body["object"] == "list"
    for model in body["data"]:
        assert set(model) == {
            "id",
            "object",
            "kind",
            "serving",
            "pipeline",
            "licence",
            "attribution",
            "commercial_use",
            "resolution",
            "memory_gb",
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
