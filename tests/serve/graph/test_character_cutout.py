"""`cutout` on /v1/characters: a picture with transparency, or an error that says what to change."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import httpx
import pytest
from PIL import Image
from ray import serve as ray_serve

from deployments.messages import LayerJob, LayerResult, LayerTimings
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.known_alpha.sets import samples

BODY = {"prompt": "a knight", "seed": 1, "num_inference_steps": 2, "cutout": True}


class FigurePainter:
    """A character's replica whose figure stands on a plain backdrop."""

    async def paint(self, job: LayerJob) -> LayerResult:
        assert job.plain_backdrop
        pixels = next(samples("plain", 1, held_out=True)).pixels
        return LayerResult("character", pixels, job.seed, "drawn", "simulated", LayerTimings(0, 0, 0, 0))


@pytest.fixture(scope="module")
def figures(graph: Graph) -> Graph:
    application = ray_serve.deployment(FigurePainter, name="FigurePainter").bind()
    return replace(
        graph, character=ray_serve.run(application, name="FigurePainter", _local_testing_mode=True)
    )


@pytest.mark.parametrize(("accept", "kind"), [("*/*", "image/png"), ("image/webp", "image/webp")])
async def test_a_cut_out_is_a_png_unless_webp_is_requested(
    config: ServiceConfig, figures: Graph, accept: str, kind: str
) -> None:
    transport = httpx.ASGITransport(build_http(config, figures), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post("/v1/characters", json=BODY, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, kind)
    picture = Image.open(BytesIO(response.content))
    assert picture.mode == "RGBA"
    assert picture.getchannel("A").getextrema() == (0, 255)


async def test_a_jpeg_cannot_be_cut_out(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/characters", json=BODY | {"output": {"format": "jpeg"}})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "output.format"


async def test_a_simulated_figure_can_be_cut_out(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/characters", json=BODY)
    assert response.status_code == 200
    assert Image.open(BytesIO(response.content)).getchannel("A").getextrema() == (0, 255)


async def test_where_there_is_no_figure_nothing_is_cut_out(client: httpx.AsyncClient) -> None:
    nowhere = BODY | {"width": 1024, "height": 64}  # the figure is tiny in it
    response = await client.post("/v1/characters", json=nowhere)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "cutout_failed"
