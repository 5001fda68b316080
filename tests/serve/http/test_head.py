"""Every route that answers GET answers HEAD, with the same headers and no body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api
from tests.support.scene_requests import SCENE

VARYING = ("date", "x-request-id")


def routes_of(routes: Iterable[Any]) -> Iterator[Route | APIRoute]:
    for route in routes:
        if isinstance(route, Route | APIRoute):
            yield route
        else:  # FastAPI keeps an included router as one entry.
            yield from routes_of(route.original_router.routes)


def got_paths() -> list[str]:
    """Return the paths of all GET routes, including the page's files and the OpenAPI page."""
    nothing: Any = None
    api = build_api(ServiceConfig(), Graph(nothing, nothing, nothing))
    return [route.path for route in routes_of(api.routes) if "GET" in (route.methods or ())]


def headers_of(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in VARYING}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("path", got_paths())
async def test_head_is_get_without_its_body(client: httpx.AsyncClient, path: str, known: bool) -> None:
    job = (await client.post("/v1/jobs", json={"scenes": [SCENE]})).json()["id"]
    await client.delete(f"/v1/jobs/{job}")
    values = {"job_id": job, "index": "0", "name": "main.js", "model_id:path": "storybook-character"}
    values |= {"picture_id": "pic_unknown", "story_id": "0" * 32}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value if known else "unknown")
    assert "{" not in path
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert headers_of(head) == headers_of(got)
    assert head.headers["x-request-id"]


def test_the_walk_finds_them_all() -> None:
    assert {"/", "/static/{name}", "/openapi.json", "/v1/jobs/{job_id}/events", "/readyz"} <= {*got_paths()}


async def test_a_stream_of_events_ends_with_its_headers(client: httpx.AsyncClient) -> None:
    """A GET would last until the job ends, which never happens here."""
    job = (await client.post("/v1/jobs", json={"scenes": [SCENE]})).json()["id"]
    async with asyncio.timeout(20):
        response = await client.head(f"/v1/jobs/{job}/events")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("path", ["/v1/scenes", "/v1/merges"])
async def test_where_get_is_not_answered_head_is_not(client: httpx.AsyncClient, path: str) -> None:
    response = await client.head(path)
    assert (response.status_code, response.headers["allow"], response.content) == (405, "POST", b"")


async def test_allow_lists_it(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/jobs")).headers["allow"] == "GET, HEAD, POST"


async def test_a_match_of_etags_is_reported_to_head_too(client: httpx.AsyncClient) -> None:
    etag = (await client.head("/")).headers["etag"]
    assert (await client.head("/", headers={"If-None-Match": etag})).status_code == 304
