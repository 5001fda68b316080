"""GET /v1/usage: a tenant's usage by day and key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.messages import Usage
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.bill import Used
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.state.open_state import open_state
from serve.usage import usage_store
from tests.support.local_service import served
from tests.support.scene_requests import error_of

SMALL = {"num_inference_steps": 4, "width": 64, "height": 96}
STEPS = 4 * 64 * 96 / 1e6
Client = Callable[..., httpx.AsyncClient]


@pytest.fixture
def keyed(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    changes = {"state_dir": str(tmp_path), "authentication": "required", "price_per_device_hour": 3.6}
    return config.model_copy(update=changes)


@pytest.fixture
async def client_of(keyed: ServiceConfig, graph: Graph) -> AsyncIterator[Client]:
    """Yield clients with a key each; each one is an ingress replica of its own."""
    keys, clients = open_keys(keyed.state_folder, keyed.jobs), list[httpx.AsyncClient]()

    def make(name: str, tenant: str | None = None, scopes: Any = ("generate", "jobs")) -> httpx.AsyncClient:
        _, whole = keys.create(name, scopes, tenant)
        transport = httpx.ASGITransport(served(build_http(keyed, graph)), raise_app_exceptions=True)
        headers = {"Authorization": f"Bearer {whole}", "Accept": "application/json"}
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)
        client.headers["X-Test-Key"] = whole.split("_")[1]
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


async def usage(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def paint(client: httpx.AsyncClient, seed: int, **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/characters", json={"prompt": "someone", "seed": seed, **SMALL, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_each_key_s_pictures_are_added_up_for_its_tenant(client_of: Client) -> None:
    one, other, stranger = client_of("a"), client_of("a2", "a"), client_of("b")
    made = [await paint(one, 8001), await paint(one, 8002), await paint(other, 8003), await paint(one, 8001)]
    await usage(other)  # Another replica's usage is written once a second, or when that replica is asked.
    seen = await usage(one)
    rows = {row["key"]: row for row in seen["data"]}
    assert set(rows) == {one.headers["X-Test-Key"], other.headers["X-Test-Key"]}
    assert rows[one.headers["X-Test-Key"]]["pictures"] == 3
    assert seen["total"]["pictures"] == 4
    assert seen["total"]["megapixel_steps"] == pytest.approx(3 * STEPS, abs=1e-5)
    device_s = sum(each["usage"]["device_s"] for each in made)
    assert seen["total"]["device_s"] == pytest.approx(device_s, abs=1e-5)
    # 3.60 per hour is 0.001 per second.
    assert seen["total"]["cost"] == pytest.approx(device_s * 0.001, abs=1e-6)
    assert (await usage(stranger))["data"] == []
    assert [row["key"] for row in (await usage(one, key=other.headers["X-Test-Key"]))["data"]] == [
        other.headers["X-Test-Key"]
    ]


async def test_every_route_that_paints_counts(client_of: Client) -> None:
    client = client_of("a")
    layer = {"prompt": "someone", **SMALL}
    scene = {"character": layer, "background": layer, "seed": 8100, "merge": {"width": 128, "height": 64}}
    for path, body, accept in (
        ("/v1/scenes", scene, "application/json"),
        ("/v1/scenes", scene | {"seed": 8101}, "text/event-stream"),
        ("/v1/backgrounds", layer | {"seed": 8102}, "image/png"),
        ("/v1/characters", layer | {"seed": 8103, "cutout": True}, "image/png"),
        ("/v1/characters", layer | {"seed": 8104}, "text/event-stream"),
        (
            "/v1/images/generations",
            {"model": "character", "prompt": "x", "n": 2, "seed": 8105, "size": "64x96"}
            | {"num_inference_steps": 4},
            "application/json",
        ),
    ):
        answer = await client.post(path, json=body, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert "event: error" not in answer.text
    seen = await usage(client)
    assert seen["total"]["pictures"] == 7
    assert seen["total"]["megapixel_steps"] == pytest.approx(9 * STEPS, abs=1e-5)


async def test_it_is_written_a_second_later_and_outlives_the_process(
    client_of: Client, keyed: ServiceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.usage.recorder.WRITE_EVERY_S", 0.01)
    await paint(client_of("a"), 8201)
    engine = open_state(keyed.state_folder, keyed.jobs)
    day = usage_store.today(engine)
    async with asyncio.timeout(60):
        while not usage_store.total(engine, "a", day, day, None).pictures:
            await asyncio.sleep(0.01)


async def test_any_scope_sees_it_and_an_admin_sees_others(client_of: Client) -> None:
    painted = client_of("a")
    await paint(painted, 8301)
    assert (await usage(painted))["total"]["pictures"] == 1
    assert (await usage(client_of("j", "a", ("jobs",))))["since"].endswith("-01")
    admin, plain = client_of("root", None, ("admin",)), client_of("b")
    refused = await plain.get("/v1/usage", params={"tenant": "a"})
    assert refused.status_code == 403 and refused.json()["error"]["param"] == "tenant"
    assert (await usage(admin))["data"] == []
    assert (await usage(admin, tenant="a"))["total"]["pictures"] == 1


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"since": "2026-01-02", "until": "2026-01-01"}, "since"),
        ({"since": "2024-01-01", "until": "2026-01-01"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"until": "1790000000"}, "until"),
        ({"limit": "0"}, "limit"),
        ({"after": "no place"}, "after"),
        ({"month": "may"}, "month"),
        ({"key": "k" * 65}, "key"),
    ],
)
async def test_what_is_no_question_is_refused_by_name(
    client_of: Client, query: dict[str, str], param: str
) -> None:
    answer = await client_of("a").get("/v1/usage", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"] == param


async def test_pages_follow_each_other(client_of: Client, keyed: ServiceConfig) -> None:
    client, engine = client_of("a"), open_state(keyed.state_folder, keyed.jobs)
    day_s = 86_400.0
    now = datetime.now(UTC).timestamp()
    with engine.begin() as connection:
        for back in range(3):
            used = {("a", key): Used(1, Usage(2.0, 1.0)) for key in ("k1", "k2")}
            usage_store.add(connection, used, now - back * day_s)
    since = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    rows, after = [], None
    while True:
        page = await usage(client, since=since, limit=2, **({"after": after} if after else {}))
        assert page["total"] == {"pictures": 6, "device_s": 12.0, "megapixel_steps": 6.0, "cost": 0.012}
        rows += page["data"]
        after = page.get("next")
        if after is None:
            break
    assert len(rows) == 6 and rows == sorted(rows, key=lambda row: row["day"], reverse=True)
    assert [row["key"] for row in rows] == ["k1", "k2"] * 3


@pytest.mark.parametrize(
    ("path", "name"),
    [("usage", "key"), ("usage", "tenant"), ("usage", "after"), ("jobs", "tenant"), ("stories", "tenant")],
)
async def test_a_name_that_no_database_holds_is_refused(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    """PostgreSQL's texts cannot contain NUL: it would raise an error, where SQLite finds nothing."""
    value = "2026-11-29.a%00" if name == "after" else "a%00"
    answer = await client.get(f"/v1/{path}?{name}={value}")
    assert (answer.status_code, error_of(answer)["param"]) == (422, name)
