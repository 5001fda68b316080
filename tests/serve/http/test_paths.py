"""Addresses in responses and in the page, as the caller reaches them."""

from __future__ import annotations

from urllib.parse import urljoin

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.http_telemetry import HttpMetrics
from serve.ingress import build_http
from serve.telemetry import metrics
from tests.support.local_service import mounted, served
from tests.support.noted import Noted
from tests.support.scene_requests import SCENE


@pytest.fixture
def below(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    """Serve under /paint, as with a `route_prefix`."""
    app = mounted(served(build_http(config, graph)), "/paint")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_a_job_s_address_has_the_prefix(below: httpx.AsyncClient) -> None:
    submitted = await below.post("/paint/v1/jobs", json={"scenes": [SCENE]})
    assert submitted.headers["location"] == f"/paint/v1/jobs/{submitted.json()['id']}"
    assert (await below.get(submitted.headers["location"])).json()["total"] == 1


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("/paint", "/paint"),
        ("/paint/", "/paint"),
        ("/a/b-c", "/a/b-c"),
        ("", ""),
        ("/", ""),
        ("paint", ""),
        ("//page.example", ""),
        ("https://page.example", ""),
        ("/..", ""),
        ("/a/../b", ""),
        ('/"><x', ""),
        ("/a" * 200, ""),
    ],
)
async def test_a_prefix_that_a_proxy_cut_off(client: httpx.AsyncClient, said: str, prefix: str) -> None:
    headers = {"X-Forwarded-Prefix": said}
    submitted = await client.post("/v1/jobs", json={"scenes": [SCENE]}, headers=headers)
    assert submitted.headers["location"] == f"{prefix}/v1/jobs/{submitted.json()['id']}"


async def test_what_the_operator_set_wins(below: httpx.AsyncClient) -> None:
    headers = {"X-Forwarded-Prefix": "/other"}
    submitted = await below.post("/paint/v1/jobs", json={"scenes": [SCENE]}, headers=headers)
    assert submitted.headers["location"].startswith("/paint/v1/jobs/")


@pytest.mark.parametrize("outside", ["http://localhost/paint", "https://tools.example/apps/paint"])
async def test_the_page_is_below_a_slash(below: httpx.AsyncClient, outside: str) -> None:
    for method in ("GET", "HEAD"):
        response = await below.request(method, "/paint?x=1")
        assert response.status_code == 307
        assert urljoin(outside, response.headers["location"]) == f"{outside}/?x=1"
    assert (await below.post("/paint")).status_code in (404, 405)
    assert (await below.get("/paint/")).status_code == 200


async def test_the_description_names_its_place(below: httpx.AsyncClient) -> None:
    assert (await below.get("/paint/openapi.json")).json()["servers"] == [{"url": "/paint"}]


async def test_metrics_know_no_prefix(config: ServiceConfig, graph: Graph, noted: list[Noted]) -> None:
    app = mounted(HttpMetrics(served(build_http(config, graph))), "/paint")
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    for path in ("/paint/healthz", "/paint/readyz", "/paint/v1/models"):
        assert (await client.get(path)).status_code == 200
    (recorder,) = noted
    assert recorder.tags(metrics.REQUESTS) == [("/v1/models", "200")]
