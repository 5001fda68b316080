"""Tokens for browsers: their scopes, expiry and budget, across any number of edges."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from deployments.errors import CutoutFailed, GenerationFailed
from serve.auth.browser_tokens import TokenStore, _signature
from serve.auth.key_store import KeyStore, open_keys
from serve.auth.quotas import Quota
from serve.auth.token_cache import TokenBudget
from serve.config.access import Scope
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.error_responses import Refusal
from serve.ingress import build_http
from serve.routes.charges import charged, note_done
from serve.state import shared_secrets
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE, SMALL, error_of

SCENE_COSTS = 2 * 64 * 64 / 1e6


class Edges:
    """Several edge replicas that share one database and its keys."""

    def __init__(self, config: ServiceConfig, graph: Graph, folder: Path) -> None:
        self.keys: KeyStore = open_keys(folder)
        settings = {"state_dir": str(folder), "authentication": "required"}
        self._build = lambda: served(build_http(config.model_copy(update=settings), graph))

    def client(self, bearer: str = "") -> httpx.AsyncClient:
        """Return a client of an edge of its own."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        transport = httpx.ASGITransport(self._build())
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    async def mint(self, *scopes: Scope, **requested: Any) -> tuple[str, str]:
        """Mint a token with a new key of these scopes. Return the key's id and the token."""
        key, whole = self.keys.create(f"tenant {len(self.keys.all())}", scopes or ("generate",))
        minted = await self.client(whole).post("/v1/tokens", json=requested)
        assert minted.status_code == 201, minted.text
        return key.id, minted.json()["token"]


@pytest.fixture
def edges(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Edges:
    return Edges(config, graph, tmp_path)


async def test_a_token_paints_at_another_edge_for_ten_minutes(edges: Edges) -> None:
    _, key = edges.keys.create("game", ("generate", "jobs"))
    minted = await edges.client(key).post("/v1/tokens", json={})
    assert minted.status_code == 201, minted.text
    assert minted.headers["cache-control"] == "no-store"
    body = minted.json()
    assert body["scopes"] == ["generate"]
    assert 590 <= body["expires_at"] - _now(edges) <= 600
    painted = await edges.client(body["token"]).post("/v1/scenes", json=SCENE)
    assert painted.status_code == 200, painted.text


def _now(edges: Edges) -> float:
    return edges.keys.read()[1]


async def test_only_its_hash_is_kept(edges: Edges, tmp_path: Path) -> None:
    _, token = await edges.mint()
    assert token.startswith("swt_")
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert token[-66:-23].encode() not in kept
    assert token[-22:].encode() not in kept


@pytest.mark.parametrize(
    ("has", "requested", "status"),
    [
        (("generate",), ["jobs"], 403),
        (("jobs",), ["generate"], 403),
        (("jobs",), ["jobs"], 201),
        (("admin",), ["generate", "jobs"], 201),
        (("admin",), ["admin"], 422),
        (("generate",), [], 422),
        (("generate",), ["nothing"], 422),
    ],
)
async def test_its_scopes_are_some_of_its_keys(
    edges: Edges, has: tuple[Scope, ...], requested: list[str], status: int
) -> None:
    _, key = edges.keys.create("game", has)
    assert (await edges.client(key).post("/v1/tokens", json={"scopes": requested})).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"ttl_s": 0},
        {"ttl_s": 3_601},
        {"ttl_s": True},
        {"budget": {"requests": 0}},
        {"budget": {"requests": 1.5}},
        {"budget": {"megapixel_steps": -1}},
        {"budget": {"megapixel_steps": 0}},
        {"budget": {"dollars": 1}},
        {"scopes": "generate"},
        {"forever": True},
        [],
    ],
)
async def test_what_cannot_be_requested(edges: Edges, body: Any) -> None:
    _, key = edges.keys.create("game", ("generate",))
    refused = await edges.client(key).post("/v1/tokens", json=body)
    assert (refused.status_code, error_of(refused)["code"]) == (422, "invalid_request")


NOT_FOR_TOKENS = (
    ("POST", "/v1/tokens"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/nothing"),
    ("POST", "/v1/jobsx"),
    ("DELETE", f"/v1/pictures/pic_{'0' * 64}"),
    ("POST", "/v1/stories"),
    ("GET", "/v1/stories"),
    ("GET", f"/v1/stories/{'0' * 32}/book.pdf"),
    ("GET", "/v1/cast"),
    ("PUT", "/v1/cast/mira"),
    ("GET", "/v1/cast/mira/sheet"),
    ("GET", "/nothing"),
)


async def test_what_a_token_may_not(edges: Edges) -> None:
    _, token = await edges.mint("admin")
    client = edges.client(token)
    for method, path in NOT_FOR_TOKENS:
        refused = await client.request(method, path)
        assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden"), (method, path)


async def test_a_token_sees_no_other_tenants_jobs(edges: Edges) -> None:
    _, other = edges.keys.create("other", ("jobs",))
    job = (await edges.client(other).post("/v1/jobs", json={"scenes": [SCENE]})).json()["id"]
    _, token = await edges.mint("admin", scopes=["jobs"])
    assert (await edges.client(token).get(f"/v1/jobs/{job}")).status_code == 404
    assert (await edges.client(token).get("/v1/jobs")).json()["data"] == []


@pytest.mark.parametrize("way", ["revoke", "expire"])
async def test_it_ends_with_its_key_at_every_edge(edges: Edges, way: str) -> None:
    key_id, token = await edges.mint()
    clients = [edges.client(token) for _ in range(2)]
    for client in clients:
        assert (await client.get("/v1/models")).status_code == 200
    if way == "revoke":
        edges.keys.revoke(key_id)
    else:
        edges.keys.replace(key_id, grace_s=0.01)
    for client in clients:

        async def refused(client: httpx.AsyncClient = client) -> bool:
            return (await client.get("/v1/models")).status_code == 401

        await eventually(refused)
    assert (await edges.client(token).get("/v1/models")).status_code == 401


async def test_it_ends_by_itself(edges: Edges) -> None:
    _, token = await edges.mint(ttl_s=1)
    client = edges.client(token)

    async def refused() -> bool:
        return (await client.get("/v1/models")).status_code == 401

    await eventually(refused)
    assert "expired" in error_of(await client.get("/v1/models"))["message"]


async def test_it_never_outlives_its_key(edges: Edges) -> None:
    _, key = edges.keys.create("game", ("generate",), None, _now(edges) + 60)
    minted = await edges.client(key).post("/v1/tokens", json={})
    assert minted.json()["expires_at"] <= _now(edges) + 60


async def test_its_requests_are_counted_over_all_edges(edges: Edges) -> None:
    _, token = await edges.mint(budget={"requests": 3})
    clients = [edges.client(token) for _ in range(2)]
    work = [clients[n % 2].post("/v1/backgrounds", json=SMALL) for n in range(6)]
    answers = await asyncio.gather(*work)
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert error_of(refused)["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) >= 1
    assert (await clients[0].get("/v1/models")).status_code == 200, "reading does not count as a request"


async def test_its_megapixel_steps_are_counted_over_all_edges(edges: Edges) -> None:
    _, token = await edges.mint(budget={"megapixel_steps": 3.5 * SCENE_COSTS})
    clients = [edges.client(token) for _ in range(2)]
    answers = await asyncio.gather(*(clients[n % 2].post("/v1/backgrounds", json=SMALL) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 3


async def test_what_was_refused_is_given_back(edges: Edges) -> None:
    _, token = await edges.mint(budget={"megapixel_steps": 1.5 * SCENE_COSTS})
    client = edges.client(token)
    refused = await client.post("/v1/backgrounds", json={**SMALL, "steps": 100})
    assert refused.status_code == 429
    assert (await client.post("/v1/backgrounds", json=SMALL)).status_code == 200


async def test_streams_and_openais_route_take_of_it_too(edges: Edges) -> None:
    _, token = await edges.mint(budget={"megapixel_steps": SCENE_COSTS / 2})
    client = edges.client(token)
    events = await client.post("/v1/scenes", json=SCENE, headers={"Accept": "text/event-stream"})
    assert "rate_limited" in events.text
    body = {"model": "background", "prompt": "a", "size": "64x64", "num_inference_steps": 1}
    assert (await client.post("/v1/images/generations", json=body)).status_code == 429


async def test_jobs_take_of_it_once_for_a_key_of_idempotency(edges: Edges) -> None:
    cost = SCENE_COSTS + 128 * 64 / 1e6
    _, token = await edges.mint("jobs", scopes=["jobs"], budget={"megapixel_steps": 2.5 * cost})
    client, body = edges.client(token), {"scenes": [SCENE, SCENE]}
    first = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "a"})
    again = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code) == (202, 202), again.text
    assert first.json()["id"] == again.json()["id"]
    refused = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "b"})
    assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limited")


async def test_it_counts_against_its_tenants_rate(edges: Edges) -> None:
    _, key = edges.keys.create("game", ("generate",), None, None, rate=1e-9, burst=1.5 * SCENE_COSTS)
    token = (await edges.client(key).post("/v1/tokens", json={})).json()["token"]
    client = edges.client(token)
    assert (await client.post("/v1/backgrounds", json=SMALL)).status_code == 200
    refused = await client.post("/v1/backgrounds", json=SMALL)
    assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limited")


@pytest.mark.parametrize(("fault", "left"), [(GenerationFailed("x"), True), (CutoutFailed("x"), False)])
async def test_what_was_not_made_is_given_back(edges: Edges, fault: Exception, left: bool) -> None:
    store, (key, _) = TokenStore(edges.keys.engine), edges.keys.create("game", ("generate",))
    token, _ = store.mint(key, ("generate",), 60, megapixel_steps=5.0)
    budget = TokenBudget(token, store, 60.0)
    request: Any = SimpleNamespace(state=SimpleNamespace(quota=Quota(), budget=budget))

    async def failing() -> None:
        raise fault

    with pytest.raises(type(fault)):
        await charged(request, 5.0, lambda: True, failing())
    assert store.spend(token.id, 5.0) is left


async def test_what_was_painted_and_not_kept_is_paid(edges: Edges) -> None:
    store, (key, _) = TokenStore(edges.keys.engine), edges.keys.create("game", ("generate",))
    token, _ = store.mint(key, ("generate",), 60, megapixel_steps=5.0)
    quota, budget = Quota(rate=1e-9, burst=5.0), TokenBudget(token, store, 60.0)
    request: Any = SimpleNamespace(state=SimpleNamespace(quota=quota, budget=budget))

    async def painting() -> None:
        note_done(request)
        raise Refusal(507, "insufficient_storage", "full")

    with pytest.raises(Refusal):
        await charged(request, 5.0, lambda: True, painting())
    assert not store.spend(token.id, 1.0)
    with pytest.raises(Refusal, match="quota"):
        quota.spend(1.0, time.monotonic())


@pytest.mark.parametrize("change", ["secret", "id", "short", "query", "basic"])
async def test_what_is_no_token(edges: Edges, change: str) -> None:
    _, token = await edges.mint()
    head, token_id, secret = token.split("_", 2)
    offered = {
        "secret": f"Bearer {head}_{token_id}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "id": f"Bearer {head}_{token_id[::-1]}_{secret}",
        "short": f"Bearer {token[:-1]}",
        "query": "",
        "basic": f"Basic {token}",
    }[change]
    headers = {"Authorization": offered} if offered else {}
    path = f"/v1/models?token={token}" if change == "query" else "/v1/models"
    refused = await edges.client().get(path, headers=headers)
    assert (refused.status_code, error_of(refused)["code"]) == (401, "unauthenticated")


async def test_a_tenant_has_so_many_at_once(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.auth.browser_tokens.MOST_ALIVE", 2)
    _, key = edges.keys.create("game", ("generate",))
    client = edges.client(key)
    answers = [await client.post("/v1/tokens", json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]


def test_ended_ones_are_forgotten(edges: Edges) -> None:
    store, (key, _) = TokenStore(edges.keys.engine), edges.keys.create("game", ("generate",))
    old, _ = store.mint(key, ("generate",), 1, now=1_000.0)
    store.mint(key, ("generate",), 1, now=2_000.0)
    assert store.find(old.id) is None


async def test_where_no_key_is_needed_there_is_none(client: httpx.AsyncClient) -> None:
    refused = await client.post("/v1/tokens", json={})
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")


async def test_made_up_and_ended_ones_cost_no_look_into_the_database(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (key, _) = TokenStore(edges.keys.engine), edges.keys.create("game", ("generate",))
    _, ended = store.mint(key, ("generate",), 1, now=1_000.0)
    _, token = await edges.mint()
    head, token_id, end, _ = token.split("_", 3)
    secret, signature = token[-66:-23], token[-22:]
    made_up = [
        f"{head}_{'0' * 16}_{end}_{'A' * 43}_{'A' * 22}",
        f"{head}_{token_id}_{int(end) + 60}_{secret}_{signature}",
        f"{head}_{token_id}_{end}_{'A' * 43}_{signature}",
        f"{head}_{token_id}_{end}_{secret}_{'A' * 22}",
        f"{head}_{'0' * 16}_{end}_{secret}_{signature}",
        ended,
    ]
    assert f"{head}_{token_id}_{end}_{secret}_{signature}" == token
    look, looks = TokenStore.find, list[str]()

    def counted(self: TokenStore, token_id: str) -> Any:
        looks.append(token_id)
        return look(self, token_id)

    monkeypatch.setattr(TokenStore, "find", counted)
    client = edges.client()
    for each in made_up:
        refused = await client.get("/v1/models", headers={"Authorization": f"Bearer {each}"})
        assert (refused.status_code, error_of(refused)["code"]) == (401, "unauthenticated")
    assert looks == []
    for _ in range(2):
        assert (
            await client.get("/v1/models", headers={"Authorization": f"Bearer {token}"})
        ).status_code == 200
    assert looks == [token_id]


async def test_a_token_outlives_the_secret_that_signed_it(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_secrets, "READ_EVERY_S", 0.0)
    monkeypatch.setattr(shared_secrets, "KNOWN_AFTER_S", 0.0)
    server = edges.client(edges.keys.create("game", ("generate",))[1])

    async def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await edges.client().get("/v1/models", headers=headers)).status_code

    async def minted() -> str:
        return str((await server.post("/v1/tokens", json={})).json()["token"])

    old = await minted()
    shared_secrets.rotate(edges.keys.engine, "tokens")
    new = await minted()
    assert [await status(old), await status(new)] == [200, 200]
    shared_secrets.rotate(edges.keys.engine, "tokens", at_once=True)
    assert [await status(old), await status(new), await status(await minted())] == [401, 401, 200]


async def test_what_the_database_holds_mints_none(edges: Edges) -> None:
    """A token that is signed with the stored secret but has no row is not valid."""
    secret = TokenStore(edges.keys.engine).secrets.signing()
    unsigned = f"swt_{'0' * 16}_99999999999_{'A' * 43}"
    forged = f"{unsigned}_{_signature(unsigned, secret)}"
    assert (await edges.client(forged).get("/v1/models")).status_code == 401


async def test_a_token_reaches_only_its_keys_tokens_jobs(edges: Edges) -> None:
    """A page sees neither its server's jobs and stories, nor another page's list."""
    _, key = edges.keys.create("game", ("generate", "jobs"), "x")
    _, other_key = edges.keys.create("other", ("generate", "jobs"), "x")
    server, scenes = edges.client(key), {"scenes": [SCENE]}

    async def page(of: httpx.AsyncClient) -> httpx.AsyncClient:
        minted = await of.post("/v1/tokens", json={"scopes": ["jobs"]})
        return edges.client(minted.json()["token"])

    async def submitted(by: httpx.AsyncClient, path: str = "/v1/jobs", body: Any = scenes) -> str:
        taken = await by.post(path, json=body)
        assert taken.status_code == 202, taken.text
        return str(taken.json()["id"])

    own, sister, stranger = await page(server), await page(server), await page(edges.client(other_key))
    story = {"title": "t", "pages": [{"text": "a", "characters": ["a"], "background": "b"}]}
    servers = [await submitted(server), await submitted(server, "/v1/stories", story)]
    job = await submitted(own)
    barred = [(own, each) for each in servers] + [(stranger, job)]
    for client, job_id in barred:
        for method, below in (
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/scenes/0"),
            ("DELETE", ""),
            ("POST", "/release"),
        ):
            refused = await client.request(method, f"/v1/jobs/{job_id}{below}")
            assert (refused.status_code, error_of(refused)["code"]) == (404, "not_found"), (method, below)
    assert (await own.get(f"/v1/stories/{servers[1]}")).status_code == 403
    assert [each["id"] for each in (await own.get("/v1/jobs")).json()["data"]] == [job]
    assert (await sister.get("/v1/jobs")).json()["data"] == []
    assert (await own.post(f"/v1/jobs/{job}/release")).status_code == 403
    assert (await sister.get(f"/v1/jobs/{job}")).status_code == 200, (
        "another token of the same key may use the id"
    )
    assert (await own.delete(f"/v1/jobs/{job}")).json()["status"] == "cancelled"
    assert {each["id"] for each in (await server.get("/v1/jobs")).json()["data"]} == {*servers, job}
    assert (await server.get(f"/v1/jobs/{servers[0]}")).json()["status"] == "queued"


async def test_two_pages_with_one_idempotency_key_do_not_meet(edges: Edges) -> None:
    _, key = edges.keys.create("game", ("generate", "jobs"))
    server, ids = edges.client(key), set[str]()
    for seed in range(2):
        minted = await server.post("/v1/tokens", json={"scopes": ["jobs"]})
        client, body = edges.client(minted.json()["token"]), {"scenes": [{**SCENE, "seed": seed}]}
        for _ in range(2):
            taken = await client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "a"})
            assert taken.status_code == 202, taken.text
            ids.add(taken.json()["id"])
    taken = await server.post("/v1/jobs", json={"scenes": [SCENE]}, headers={"Idempotency-Key": "a"})
    assert len({*ids, taken.json()["id"]}) == 3
