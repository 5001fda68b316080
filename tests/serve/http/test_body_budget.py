"""Bodies that many callers send at once: bounded in total and per tenant, and refused unread."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from deployments.errors import Overloaded
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.body_limits import SMALL_BYTES, BodyBudget, BodyShare, BoundedBodies, holding
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE

MB = 1 << 20
SMALL_LIMITS = {"max_upload_bytes": MB, "max_json_bytes": MB, "max_bytes_in_flight": 4 * MB}
FORM = {"Content-Type": "multipart/form-data; boundary=B"}
JSON = {"Content-Type": "application/json"}


def shares(budget: BodyBudget, tenant: str, body_bytes: int) -> list[BodyShare]:
    """Take shares for one tenant until one is refused; return them."""
    taken: list[BodyShare] = []
    while True:
        share = BodyShare(budget, tenant)
        try:
            share.grow_to(body_bytes)
        except Overloaded:
            return taken
        taken.append(share)


def test_one_tenant_has_half_and_a_newcomer_as_much_as_the_first_leaves_free() -> None:
    budget = BodyBudget(16 * MB)
    assert len(shares(budget, "a", MB)) == 8
    assert len(shares(budget, "b", MB)) == 4
    assert len(shares(budget, "c", MB)) == 2
    assert budget.held_bytes == 14 * MB, "an eighth is reserved for small bodies"


def test_a_kept_answer_counts_and_a_large_one_is_sent_alone() -> None:
    budget = BodyBudget(16 * MB)
    first, second, other = (BodyShare(budget, tenant) for tenant in "aab")
    first.grow_as_far(100 * MB)
    assert budget.held_bytes == 14 * MB
    for share in (second, other):
        with pytest.raises(Overloaded):
            share.grow_as_far(MB)
    first.end()
    second.grow_as_far(4 * MB)
    second.grow_as_far(100 * MB)
    assert budget.held_bytes == 12 * MB
    second.end()
    assert budget.held_bytes == 0


def test_small_bodies_are_admitted_beside_a_tenants_uploads_and_bounded_too() -> None:
    budget = BodyBudget(16 * MB)
    shares(budget, "a", MB)
    assert len(shares(budget, "a", SMALL_BYTES)) == 8 * MB // SMALL_BYTES
    assert budget.held_bytes == 16 * MB


def test_what_is_given_back_can_be_taken() -> None:
    budget = BodyBudget(16 * MB)
    for share in shares(budget, "a", MB):
        share.end()
        share.end()
    assert budget.held_bytes == 0
    assert len(shares(budget, "a", MB)) == 8


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2 * MB), st.booleans()), max_size=60))
def test_the_sum_is_never_over_the_budget(requested: list[tuple[str, int, bool]]) -> None:
    budget, open_ones = BodyBudget(4 * MB), list[BodyShare]()
    for tenant, size, ends in requested:
        share = BodyShare(budget, tenant)
        try:
            share.grow_to(size // 2)
            share.grow_to(size)
        except Overloaded:
            share.end()
        open_ones.append(share)
        if ends:
            open_ones.pop(0).end()
        assert 0 <= budget.held_bytes <= 4 * MB
    for share in open_ones:
        share.end()
    assert budget.held_bytes == 0


async def test_a_body_counts_until_its_request_is_answered() -> None:
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(layer.budget.held_bytes)
        hold = holding(scope, Headers(scope=scope), MB)
        for received in (50, SMALL_BYTES, SMALL_BYTES + 1):
            hold(received)
            seen.append(layer.budget.held_bytes)
        raise RuntimeError

    layer = BoundedBodies(app, 4 * MB, MB)

    async def unread() -> Message:
        raise AssertionError("the body is not the layer's to read")

    async def said(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "headers": [(b"content-length", b"100")]}
    with pytest.raises(RuntimeError):
        await layer(scope, unread, said)
    assert seen == [100, 100, SMALL_BYTES, MB]
    assert layer.budget.held_bytes == 0


Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
def client_of(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Clients:
    """Yield clients of an application with 4 MB for bodies, each with a key of its own or without one."""
    store, apps = open_keys(tmp_path), dict[bool, Any]()

    def make(tenant: str = "", **limits: object) -> httpx.AsyncClient:
        data = config.model_dump() | {
            "authentication": "required" if tenant else "off",
            "state_dir": str(tmp_path),
        }
        data["limits"] |= SMALL_LIMITS | limits
        data["jobs"] |= {"max_json_bytes": MB}
        keyed = bool(tenant)
        if keyed not in apps:
            apps[keyed] = served(build_http(ServiceConfig.model_validate(data), graph))
        key = store.create(tenant, ("admin",), tenant)[1] if tenant else ""
        headers = {"Authorization": f"Bearer {key}"} if tenant else {}
        transport = httpx.ASGITransport(apps[keyed], raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    return make


class Upload:
    """A body that sends `first`, and then nothing until it may end."""

    def __init__(self, first: bytes = b"--B") -> None:
        self._first = first
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun.set()
        yield self._first
        await self.may_end.wait()


@asynccontextmanager
async def stalled(
    client: httpx.AsyncClient,
    count: int,
    refused: int,
    first: bytes = b"--B",
    path: str = "/v1/merges",
    **headers: str,
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Start `count` uploads that do not end; yield their tasks once `refused` of them have been refused."""
    bodies = [Upload(first) for _ in range(count)]
    tasks = [asyncio.create_task(client.post(path, content=body, headers=FORM | headers)) for body in bodies]

    async def responded() -> bool:
        return sum(task.done() for task in tasks) >= refused

    try:
        await eventually(responded)
        yield tasks
    finally:
        for body in bodies:
            body.may_end.set()
        await asyncio.gather(*tasks)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_stalled_uploads_take_half_of_the_budget_and_the_rest_are_refused_unread(
    client_of: Clients,
) -> None:
    client = client_of()
    late = Upload()
    async with stalled(client, 40, 38, **{"Content-Length": str(900_000)}) as uploads:
        refused = [task.result() for task in uploads if task.done()]
        assert len(refused) == 38
        assert Counter(map(code, refused)) == {(429, "overloaded"): 38}
        response = await client.post("/v1/merges", content=late, headers=FORM | {"Content-Length": "900000"})
        assert code(response) == (429, "overloaded")
        assert response.headers["retry-after"] == "2"
        assert not late.begun.is_set(), "none of it was read"
        assert (await client.post("/v1/scenes", json=SCENE)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
    again = await client.post("/v1/merges", content=b"--B--".ljust(900_000), headers=FORM)
    assert again.status_code == 422, "it is read, and is not a valid form"


async def test_one_tenants_uploads_leave_room_to_another(client_of: Clients) -> None:
    mine, theirs = client_of("a"), client_of("b")
    announced = {"Content-Length": str(900_000)}
    async with stalled(mine, 10, 8, **announced) as uploads:
        assert sum(task.done() for task in uploads) == 8
        response = await theirs.post("/v1/merges", content=b"--B--".ljust(900_000), headers=FORM)
        assert response.status_code == 422, "it was read"


@pytest.mark.parametrize("path", ["/v1/scenes", "/v1/characters", "/v1/images/generations", "/v1/jobs"])
async def test_it_is_so_on_every_route_that_reads_a_body(client_of: Clients, path: str) -> None:
    client = client_of()
    async with stalled(client, 4, 2, path=path, **JSON, **{"Content-Length": str(900_000)}) as uploads:
        assert [code(task.result()) for task in uploads if task.done()] == [(429, "overloaded")] * 2
        assert not uploads[0].done()


PART = b'--B\r\nContent-Disposition: form-data; name="character"; filename="a.png"\r\n\r\n'
LONG_PART = PART.ljust(950_000)


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (LONG_PART, {}),
        (gzip.compress(LONG_PART), {"Content-Encoding": "gzip"}),
        (gzip.compress(LONG_PART), {"Content-Encoding": "gzip", "Content-Length": "2000"}),
    ],
    ids=["chunked", "chunked and compressed", "compressed"],
)
async def test_what_its_header_does_not_announce_counts_as_it_grows(
    client_of: Clients, sent: bytes, headers: dict[str, str]
) -> None:
    client = client_of()
    async with stalled(client, 6, 4, sent, **headers) as uploads:
        refused = [task.result() for task in uploads if task.done()]
        assert Counter(map(code, refused)) == {(429, "overloaded"): len(refused)}
        assert len(refused) == 4, "the admitted ones take no more than half"


async def test_what_announces_more_than_any_route_takes_is_too_large_and_never_busy(
    client_of: Clients,
) -> None:
    client = client_of()
    announced = {"Content-Length": str(10 * MB)}
    async with stalled(client, 2, 0, **{"Content-Length": str(900_000)}):
        response = await client.post("/v1/merges", content=Upload(), headers=FORM | announced)
        assert code(response) == (413, "payload_too_large")


async def test_a_body_that_dawdles_is_given_up_and_its_bytes_are_free_again(client_of: Clients) -> None:
    client = client_of(body_timeout_s=0.05)
    announced = {"Content-Length": str(900_000)}
    async with stalled(client, 2, 0, **announced) as uploads:
        assert [code(response) for response in await asyncio.gather(*uploads)] == [
            (408, "request_timeout")
        ] * 2
        response = await client.post("/v1/merges", content=b"--B--".ljust(900_000), headers=FORM)
        assert response.status_code == 422
