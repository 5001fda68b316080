"""Keys: which requests need one, what each key may do, and which jobs it may see."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from PIL import Image

from deployments.errors import Overloaded
from deployments.messages import LayerJob
from serve.auth.key_store import open_keys
from serve.config.access import Scope
from serve.config.service_config import ServiceConfig
from serve.graph.admission_control import AdmissionControl
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE, SMALL, error_of

Send = Callable[..., httpx.AsyncClient]


@pytest.fixture
def send(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Send:
    """Yield clients with a key of these scopes, or without one, from this machine or another."""
    store, numbers = open_keys(tmp_path), itertools.count()

    def make(
        *scopes: Scope,
        authentication: str | None = "required",
        address: str = "127.0.0.1",
        tenant: str | None = None,
        **limits: float,
    ) -> httpx.AsyncClient:
        headers = {}
        if scopes:
            _, whole = store.create(tenant or f"tenant {next(numbers)}", scopes, tenant, **limits)
            headers = {"Authorization": f"Bearer {whole}"}
        settings = {"state_dir": str(tmp_path), "authentication": authentication}
        app = served(build_http(config.model_copy(update=settings), graph))
        transport = httpx.ASGITransport(app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    return make


@pytest.mark.parametrize(
    ("authentication", "address", "status"),
    [
        (None, "127.0.0.1", 401),
        (None, "127.0.0.6", 401),
        (None, "::1", 401),
        (None, "192.0.2.1", 401),
        ("required", "127.0.0.1", 401),
        ("off", "192.0.2.1", 200),
    ],
)
async def test_which_services_require_a_key(
    send: Send, authentication: str | None, address: str, status: int
) -> None:
    """Istio's sidecar forwards every request from 127.0.0.6, Linkerd's from 127.0.0.1."""
    client = send(authentication=authentication, address=address)
    assert (await client.get("/v1/models")).status_code == status
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer sw_x_y", "Basic sw_x_y", "sw_x_y", "Bearer é"]
)
async def test_no_key_no_answer(send: Send, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("utf-8")}
    response = await send().post("/v1/scenes", json=SCENE, headers=headers)  # type: ignore[arg-type]
    error = error_of(response)
    assert (response.status_code, error["code"], error["type"]) == (
        401,
        "unauthenticated",
        "authentication_error",
    )
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_key_gets_the_reason(send: Send, tmp_path: Path) -> None:
    store = open_keys(tmp_path)
    key, whole = store.create("x", ("generate",))
    store.revoke(key.id)
    said = {}
    for offered in (whole, f"{whole}x"):
        response = await send().get("/v1/models", headers={"Authorization": f"Bearer {offered}"})
        assert response.status_code == 401
        said[offered] = error_of(response)["message"]
    assert said == {whole: "this key was revoked", f"{whole}x": "this key is not known here"}


async def test_a_key_does_what_its_scopes_say(send: Send) -> None:
    for scopes, paints, submits in ((("generate",), 200, 403), (("jobs",), 403, 202), (("admin",), 200, 202)):
        client = send(*scopes)
        painted = await client.post("/v1/backgrounds", json=SMALL)
        submitted = await client.post("/v1/jobs", json={"scenes": [SCENE]})
        assert (painted.status_code, submitted.status_code) == (paints, submits)
        refused = painted if paints == 403 else submitted
        if refused.status_code == 403:
            assert error_of(refused)["code"] == "forbidden"


async def test_anothers_job_is_not_there(send: Send) -> None:
    mine, yours = send("jobs"), send("jobs")
    job = (await mine.post("/v1/jobs", json={"scenes": [SCENE]})).headers["location"]
    assert (await mine.get(job)).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/scenes/0")):
        assert error_of(await yours.request(method, f"{job}{path}"))["code"] == "not_found"
    assert (await yours.get("/v1/jobs")).json()["data"] == []
    assert (await mine.get(job)).json()["status"] == "queued"


async def test_a_quota_of_work(send: Send) -> None:
    client = send("generate", rate=0.001, burst=0.035)
    spent = [(await client.post("/v1/backgrounds", json=SMALL)).status_code for _ in range(6)]
    assert spent == [200] * 4 + [429] * 2, (
        "64 x 64 x 1 step costs 0.0041 megapixel-steps, and so does its file"
    )
    refused = await client.post("/v1/scenes", json=SCENE)
    assert (error_of(refused)["code"], int(refused.headers["retry-after"]) > 1) == ("rate_limited", True)
    assert (await client.post("/v1/backgrounds", json={})).status_code == 422, (
        "an invalid request costs nothing"
    )


async def test_a_quota_of_requests_at_once(send: Send) -> None:
    client = send("generate", concurrent=1)
    responses = await asyncio.gather(*(client.post("/v1/backgrounds", json=SMALL) for _ in range(3)))
    assert sorted(response.status_code for response in responses) == [200, 429, 429]
    assert (await client.post("/v1/backgrounds", json=SMALL)).status_code == 200


async def test_keys_that_cannot_be_read(send: Send, tmp_path: Path) -> None:
    client = send("generate")
    database, aside = tmp_path / "jobs.sqlite", tmp_path / "aside.sqlite"
    database.rename(aside)
    database.mkdir()
    response = await client.get("/v1/models")
    assert (response.status_code, error_of(response)["code"]) == (503, "not_ready")
    database.rmdir()
    aside.rename(database)
    assert (await client.get("/v1/models")).status_code == 200
    assert (await send().get("/v1/models")).status_code == 401, "without a key the database is not read"


async def test_a_key_that_expires(send: Send, tmp_path: Path) -> None:
    store = open_keys(tmp_path)
    key, whole = store.create("short", ("generate",), expires_at=time.time() + 3_600)
    client = send()
    client.headers["Authorization"] = f"Bearer {whole}"
    assert (await client.get("/v1/models")).status_code == 200
    store.replace(key.id, grace_s=0.001)
    await eventually(lambda: ended(client))
    assert error_of(await client.get("/v1/models"))["message"] == "this key has expired"


async def ended(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/models")).status_code == 401


async def test_a_tenant_s_keys_share_its_jobs_and_its_quota(send: Send, tmp_path: Path) -> None:
    mine, too = send("jobs", "generate", rate=0.001, burst=0.017), send("generate", tenant="tenant 0")
    replaced = send("jobs", tenant="tenant 0")
    job = (await mine.post("/v1/jobs", json={"scenes": [SCENE]})).headers["location"]
    assert (await replaced.get(job)).status_code == 200
    assert [each["id"] for each in (await replaced.get("/v1/jobs")).json()["data"]] == [job.split("/")[-1]]
    painted = []
    for each in (mine, too, mine):
        headers = {"Authorization": each.headers["Authorization"]}
        painted.append((await mine.post("/v1/backgrounds", json=SMALL, headers=headers)).status_code)
    assert painted == [200, 200, 429], "two pictures fit into the tenant's quota"


async def test_an_admin_sees_ends_and_releases_all_jobs(send: Send) -> None:
    mine, yours, admin = send("jobs"), send("jobs"), send("admin")
    job = (await mine.post("/v1/jobs", json={"scenes": [SCENE]})).headers["location"]
    listed = (await admin.get("/v1/jobs")).json()["data"]
    assert [(each["id"], each["tenant"]) for each in listed] == [(job.split("/")[-1], "tenant 0")]
    for tenant, count in (("tenant 0", 1), ("tenant 1", 0), ("nobody", 0)):
        found = (await admin.get("/v1/jobs", params={"tenant": tenant})).json()["data"]
        assert len(found) == count
    for params, status in (({"tenant": "tenant 0"}, 403), ({"tenant": "tenant 1"}, 200)):
        assert (await yours.get("/v1/jobs", params=params)).status_code == status
    assert "tenant" not in (await mine.get(job)).json()
    assert (await admin.get(job)).json()["tenant"] == "tenant 0"
    assert (await yours.post(f"{job}/release")).status_code == 404
    assert (await admin.post(f"{job}/release")).json()["status"] == "queued"
    assert (await admin.get(f"{job}/scenes/0")).status_code == 404, "pictures belong to the tenant"
    assert (await admin.delete(job)).json()["status"] == "cancelled"
    assert (await mine.get(job)).json()["status"] == "cancelled"


async def test_last_use_is_noted(send: Send, tmp_path: Path) -> None:
    client = send("generate")
    assert open_keys(tmp_path).all()[0].last_used_at is None
    await client.get("/v1/models")

    async def noted() -> bool:
        return open_keys(tmp_path).all()[0].last_used_at is not None

    await eventually(noted)


async def test_merges_are_charged_by_megapixels(send: Send) -> None:
    picture = BytesIO()
    Image.new("RGB", (256, 256), "green").save(picture, "PNG")
    files = {name: picture.getvalue() for name in ("character", "background")}
    options = {"options": '{"merge": {"mode": "paste", "width": 256, "height": 256}}'}
    client = send("generate", rate=0.001, burst=0.5)
    responses = [await client.post("/v1/merges", files=files, data=options) for _ in range(3)]
    assert [each.status_code for each in responses] == [200, 200, 429], "three pictures of 0.066 megapixels"
    assert error_of(responses[2])["code"] == "rate_limited"
    poor = await send("generate", rate=0.01).post("/v1/merges", files=files, data=options)
    assert poor.status_code == 422
    broken = files | {"character": b"not a picture"}
    refused = await client.post("/v1/merges", files=broken, data=options)
    assert error_of(refused)["param"] == "character"


async def test_a_refused_scene_leaves_the_quota_as_it_was(
    send: Send, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: AdmissionControl, *jobs: LayerJob) -> NoReturn:
        raise Overloaded("full", retry_after_s=1)

    client = send("generate", rate=0.001, burst=0.01)
    with monkeypatch.context() as patched:
        patched.setattr(AdmissionControl, "admit", full)
        for _ in range(3):
            refused = await client.post("/v1/backgrounds", json=SMALL)
            assert error_of(refused)["code"] == "overloaded"
            events = await client.post("/v1/backgrounds", json=SMALL, headers={"Accept": "text/event-stream"})
            assert error_of(events)["code"] == "overloaded"
    assert (await client.post("/v1/backgrounds", json=SMALL)).status_code == 200
