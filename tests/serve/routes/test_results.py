"""Signed links to pictures: valid on any number of edges until they expire, and not if they are altered."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from openai import AsyncOpenAI
from PIL import Image
from pydantic import ValidationError
from sqlalchemy import update

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.error_responses import Refusal
from serve.ingress import build_http
from serve.pictures.kept_results import ResultService
from serve.pictures.loose_pictures import old, tidy
from serve.pictures.picture_files import open_pictures
from serve.pictures.result_store import forget_expired_results
from serve.state import shared_secrets
from serve.state.open_state import open_state
from serve.state.picture_tables import results
from tests.support.local_service import served
from tests.support.scene_requests import SCENE, SMALL, error_of

URL = {"output": {"as": "url"}}
IMAGES = {"model": "background", "prompt": "a", "size": "64x64", "num_inference_steps": 1}


class Edges:
    """Several edge replicas that share one state and require keys."""

    def __init__(self, config: ServiceConfig, graph: Graph, folder: Path) -> None:
        self.folder, self._graph = folder, graph
        self.config = config.model_copy(update={"state_dir": str(folder), "authentication": "required"})
        self.key = open_keys(folder).create("game", ("generate", "jobs"))[1]
        self.engine = open_state(folder, config.jobs)
        self._two = self.app(), self.app()

    def app(self, **settings: Any) -> Any:
        data = self.config.model_dump() | settings
        return served(build_http(ServiceConfig.model_validate(data), self._graph))

    def client(self, key: str | None = None, **settings: Any) -> httpx.AsyncClient:
        """Return a client: of one edge with a key, of the other without, of a third with other settings."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(self.app(**settings) if settings else self._two[key is None])
        return httpx.AsyncClient(transport=transport, base_url="http://paint.example:8000", headers=headers)

    async def link(self, **settings: Any) -> str:
        painted = await self.client(self.key, **settings).post("/v1/backgrounds", json={**SMALL, **URL})
        assert painted.status_code == 200, painted.text
        return str(painted.json()["image"]["url"])


@pytest.fixture(scope="module")
def edges(config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Edges:
    return Edges(config, graph, tmp_path_factory.mktemp("state"))


@pytest.fixture
def fresh(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Edges:
    """Return edges whose state is not shared with other tests."""
    return Edges(config, graph, tmp_path)


def picture_in(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(BytesIO(answer.content))


async def test_a_link_outlives_the_secret_that_signed_it(
    fresh: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_secrets, "READ_EVERY_S", 0.0)
    monkeypatch.setattr(shared_secrets, "KNOWN_AFTER_S", 0.0)
    old = await fresh.link()
    shared_secrets.rotate(fresh.engine, "links")
    new = await fresh.link()
    for link in (old, new):
        picture_in(await fresh.client().get(link))
    shared_secrets.rotate(fresh.engine, "links", at_once=True)
    for link in (old, new):
        assert (await fresh.client().get(link)).status_code == 403
    picture_in(await fresh.client().get(await fresh.link()))


async def test_a_scene_s_link_is_answered_by_another_edge_without_a_key(edges: Edges) -> None:
    body = {**SCENE, "layers": True, "output": {"as": "url", "format": "webp"}}
    painted = await edges.client(edges.key).post("/v1/scenes", json=body, headers={"Accept": "image/*"})
    assert painted.status_code == 200, painted.text
    answer = painted.json()
    assert answer["image"].keys() == {"format", "width", "height", "url", "expires_at"}
    assert 3_500 < answer["image"]["expires_at"] - answer["created"] <= 3_601
    assert "b64_json" not in painted.text
    found = await edges.client().get(answer["image"]["url"])
    assert picture_in(found).size == (128, 64)
    assert found.headers["content-type"] == "image/webp"
    assert "max-age" not in found.headers["cache-control"] and "private" in found.headers["cache-control"]
    figure = picture_in(await edges.client().get(answer["layers"]["character"]["url"]))
    assert (figure.format, figure.mode) == ("PNG", "RGBA")
    assert (await edges.client().head(answer["image"]["url"])).status_code == 200


@pytest.mark.parametrize("path", ["/v1/characters", "/v1/backgrounds", "/v1/scenes"])
async def test_streams_have_links_too(edges: Edges, path: str) -> None:
    body = {**(SCENE if path == "/v1/scenes" else SMALL), **URL}
    streamed = await edges.client(edges.key).post(path, json=body, headers={"Accept": "text/event-stream"})
    last = json.loads(streamed.text.rstrip().rpartition("data: ")[2])
    picture_in(await edges.client().get(last["image"]["url"]))


async def test_cutouts_and_merges_have_links_too(edges: Edges) -> None:
    client = edges.client(edges.key)
    cut = await client.post("/v1/characters", json={**SMALL, **URL, "cutout": True})
    assert picture_in(await edges.client().get(cut.json()["image"]["url"])).mode == "RGBA"
    file = BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    files = {"character": file.getvalue(), "background": file.getvalue()}
    options = json.dumps({"merge": {"width": 128, "height": 64, "mode": "paste"}, **URL})
    merged = await client.post("/v1/merges", files=files, data={"options": options})
    assert merged.status_code == 200, merged.text
    assert merged.json()["seeds"] == {"character": None, "background": None}
    assert picture_in(await edges.client().get(merged.json()["image"]["url"])).size == (128, 64)


async def test_the_official_client_gets_links(edges: Edges) -> None:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(edges.app()))
    official = AsyncOpenAI(api_key=edges.key, base_url="http://paint.example:8000/v1", http_client=http)
    answer = await official.images.generate(
        model="background", prompt="a", n=2, size="64x64", response_format="url",  # type: ignore[call-overload]
        extra_body={"num_inference_steps": 1},
    )  # fmt: skip
    assert [each.b64_json for each in answer.data] == [None, None]
    for each in answer.data:
        assert each.url.startswith("http://paint.example:8000/v1/results/")
        picture_in(await edges.client().get(each.url))


async def test_openais_streams_have_none(edges: Edges) -> None:
    refused = await edges.client(edges.key).post(
        "/v1/images/generations", json={**IMAGES, "stream": True, "response_format": "url"}
    )
    assert (refused.status_code, error_of(refused)["code"]) == (422, "invalid_request")


async def test_the_file_is_the_one_that_is_sent_without_links(edges: Edges) -> None:
    client = edges.client(edges.key)
    body = {**SMALL, "seed": 4, "output": {"format": "png"}}
    whole = await client.post("/v1/backgrounds", json=body, headers={"Accept": "application/json"})
    body["output"] = {"format": "png", "as": "url"}
    linked = await client.post("/v1/backgrounds", json=body)
    file = await edges.client().get(linked.json()["image"]["url"])
    assert file.content == base64.b64decode(whole.json()["image"]["b64_json"])


def altered(url: str, **changes: str | None) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | changes
    return parts._replace(query=urlencode({name: q for name, q in query.items() if q is not None})).geturl()


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": "99999999999"},
        {"expires": "0"},
        {"expires": "-1"},
        {"expires": "١"},
        {"expires": "1e9"},
        {"expires": ""},
        {"expires": None},
        {"signature": None},
        {"signature": ""},
        {"signature": "A" * 43},
        {"signature": "\u00e9" * 43},
        {"more": "1"},
    ],
    ids=str,
)
async def test_an_altered_link_is_refused(edges: Edges, changes: dict[str, str | None]) -> None:
    refused = await edges.client().get(altered(await edges.link(), **changes))
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("0" * 32 + ".jpeg", 403),
        ("{id}.png", 403),
        ("{id}.svg", 404),
        ("{id}", 404),
        ("{ID}.jpeg", 404),
        ("{id}.jpeg.jpeg", 404),
        ("..%2f..%2fv1%2fmodels", 404),
        ("", 404),
        ("{id}.jpeg/", 404),
    ],
)
async def test_another_name_is_refused(edges: Edges, name: str, status: int) -> None:
    url = await edges.link()
    own = urlsplit(url).path.rpartition("/")[2].partition(".")[0]
    given = name.replace("{id}", own).replace("{ID}", own.upper())
    if own == own.upper():
        pytest.skip("the id has only digits")
    refused = await edges.client().get(f"/v1/results/{given}?{urlsplit(url).query}")
    assert refused.status_code == status, refused.text
    error_of(refused)


async def test_a_link_repeated_fields_is_refused(edges: Edges) -> None:
    url = await edges.link()
    assert (await edges.client().get(f"{url}&expires=99999999999")).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_another_method_is_refused(edges: Edges, method: str) -> None:
    url = await edges.link()
    refused = await edges.client().request(method, url)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    error_of(refused)
    assert (await edges.client().get(url)).status_code == 200


async def test_one_that_ended_is_gone_and_its_file_too(fresh: Edges) -> None:
    url = await fresh.link()
    with fresh.engine.begin() as connection:
        connection.execute(update(results).values(expires_at=1.0))
    refused = await fresh.client().get(url)
    assert (refused.status_code, error_of(refused)["code"]) == (410, "gone")
    assert forget_expired_results(fresh.engine) == 1
    files = open_pictures(fresh.config.jobs.pictures_place(fresh.folder))
    for token in old(fresh.engine, -1.0):
        tidy(fresh.engine, token, files.drop)
    kept = [file for file in fresh.folder.rglob("*") if file.is_file() and len(file.name) == 64]
    assert kept == []
    assert (await fresh.client().get(url)).status_code == 410


async def test_a_worker_keeps_what_a_link_still_leads_to(fresh: Edges) -> None:
    first, second = await fresh.link(), await fresh.link()
    with fresh.engine.begin() as connection:
        own = urlsplit(first).path.rpartition("/")[2].partition(".")[0]
        connection.execute(update(results).where(results.c.id == own).values(expires_at=1.0))
    assert forget_expired_results(fresh.engine) == 1
    files = open_pictures(fresh.config.jobs.pictures_place(fresh.folder))
    for token in old(fresh.engine, -1.0):
        tidy(fresh.engine, token, files.drop)
    assert (await fresh.client().get(first)).status_code == 410
    picture_in(await fresh.client().get(second))


async def test_a_damaged_file_is_gone(fresh: Edges) -> None:
    url = await fresh.link()
    for file in fresh.folder.rglob("*"):
        if file.is_file() and len(file.name) == 64:
            file.chmod(0o600)
            file.write_bytes(b"rot")
    assert (await fresh.client().get(url)).status_code == 410


async def test_so_many_are_kept_at_once(fresh: Edges) -> None:
    client = fresh.client(fresh.key, results={"max_kept": 2})
    body = {**SMALL, **URL}
    answers = [await client.post("/v1/backgrounds", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 507]
    assert error_of(answers[2])["code"] == "insufficient_storage"


MERGED = {"merge": {"width": 128, "height": 64, "mode": "paste"}, **URL}
PNG = BytesIO()
Image.new("RGB", (64, 64), "red").save(PNG, "PNG")
FILES = {"character": PNG.getvalue(), "background": PNG.getvalue()}


@pytest.fixture(scope="module")
async def full(edges: Edges) -> httpx.AsyncClient:
    """Return a client of an edge that may keep one result and already keeps it."""
    await edges.link()
    return edges.client(edges.key, results={"max_kept": 1})


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/scenes", {"json": {**SCENE, **URL}}),
        ("/v1/scenes", {"json": {**SCENE, **URL, "layers": True}}),
        ("/v1/scenes", {"json": SCENE, "headers": {"Idempotency-Key": "a"}}),
        ("/v1/backgrounds", {"json": {**SMALL, **URL}}),
        ("/v1/characters", {"json": {**SMALL, **URL, "cutout": True}}),
        ("/v1/merges", {"files": FILES, "data": {"options": json.dumps(MERGED)}}),
        ("/v1/images/generations", {"json": {**IMAGES, "n": 2, "response_format": "url"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_could_not_be_kept_is_not_painted(
    full: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], accept: str
) -> None:
    def charging(*_: Any) -> Any:
        raise AssertionError("the request was charged")

    for module in ("scenes", "layers", "merges", "images"):
        monkeypatch.setattr(f"serve.routes.{module}.charged", charging)
        if module != "merges":
            monkeypatch.setattr(f"serve.routes.{module}.charged_events", charging)
    headers = {"Accept": accept, **body.get("headers", {})}
    refused = await full.post(path, **{**body, "headers": headers})
    assert (refused.status_code, error_of(refused)["code"]) == (507, "insufficient_storage")
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_what_was_painted_and_then_not_kept_is_paid(
    fresh: Edges, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """Other results may take the room while it is painted; the charge is not given back then."""
    keys = open_keys(fresh.folder)
    _, key = keys.create("poor", ("generate",), None, None, rate=1e-9, burst=0.01)

    async def full(*_: Any) -> Any:
        raise Refusal(507, "insufficient_storage", "full", retry_after_s=1)

    monkeypatch.setattr(ResultService, "link", full)
    body, client = {**SMALL, **URL}, fresh.client(key)
    first = await client.post("/v1/backgrounds", json=body, headers={"Accept": accept})
    assert "insufficient_storage" in first.text
    again = await client.post("/v1/backgrounds", json=body)
    assert (again.status_code, error_of(again)["code"]) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("headers", "settings", "begins"),
    [
        ({}, {}, "http://paint.example:8000/v1/results/"),
        (
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/p"},
            {},
            "https://a.example/p/v1/results/",
        ),
        ({"X-Forwarded-Host": "a.example/x?"}, {}, "http://paint.example:8000/v1/results/"),
        ({"X-Forwarded-Proto": "javascript"}, {}, "http://paint.example:8000/v1/results/"),
        (
            {"X-Forwarded-Host": "a.example"},
            {"results": {"base_url": "https://b.example/q/"}},
            "https://b.example/q/v1/results/",
        ),
    ],
)
async def test_where_links_lead(
    edges: Edges, headers: dict[str, str], settings: dict[str, Any], begins: str
) -> None:
    client = edges.client(edges.key, **settings)
    painted = await client.post("/v1/backgrounds", json={**SMALL, **URL}, headers=headers)
    assert painted.json()["image"]["url"].startswith(begins)


@pytest.mark.parametrize(
    "base_url", ["paint.example", "ftp://x", "https://u:p@x", "https://x?y", "https://x#y", ""]
)
def test_what_links_cannot_begin_with(config: ServiceConfig, base_url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        ServiceConfig.model_validate(config.model_dump() | {"results": {"base_url": base_url}})


@pytest.mark.parametrize("value", ["b64", "URL", 1, ["url"]])
async def test_what_a_picture_cannot_be_sent_as(edges: Edges, value: Any) -> None:
    refused = await edges.client(edges.key).post("/v1/scenes", json={**SCENE, "output": {"as": value}})
    assert (refused.status_code, error_of(refused)["param"]) == (422, "output.as")


async def test_null_is_left_out(edges: Edges) -> None:
    painted = await edges.client(edges.key).post("/v1/scenes", json={**SCENE, "output": {"as": None}})
    assert painted.headers["content-type"] == "image/jpeg"


async def test_a_job_keeps_its_pictures_as_it_is(edges: Edges) -> None:
    refused = await edges.client(edges.key).post("/v1/jobs", json={"scenes": [SCENE, {**SCENE, **URL}]})
    assert (refused.status_code, error_of(refused)["param"]) == (422, "scenes.1.output.as")
