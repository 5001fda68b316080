"""POST, GET, HEAD and DELETE of /v1/pictures, over real HTTP semantics and real stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from serve.auth.quotas import Quota
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api, build_http
from serve.state.disk_space import DiskSpace
from tests.support.local_service import served
from tests.support.uploads import TINTS, As, a_file, a_huge_file, error_of, files_of

ClientOf = Callable[..., httpx.AsyncClient]


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    return config.model_copy(update={"state_dir": str(tmp_path / "state")})


@pytest.fixture
def send(mine: ServiceConfig, graph: Graph) -> ClientOf:
    def make(tenant: str = "a", quota: Quota | None = None, **changes: Any) -> httpx.AsyncClient:
        config = mine.model_copy(update=changes)
        app = As(build_http(config, graph), tenant, quota)
        return httpx.AsyncClient(transport=httpx.ASGITransport(served(app)), base_url="http://localhost")

    return make


async def upload(client: httpx.AsyncClient, data: bytes = b"", field: str = "file") -> httpx.Response:
    return await client.post("/v1/pictures", files={field: ("picture.png", data or a_file(), "image/png")})


async def test_a_picture_is_kept_for_a_day_under_an_id_of_its_contents(send: ClientOf) -> None:
    client = send()
    first = (await upload(client)).json()
    again = (await upload(client, a_file())).json()
    other = (await upload(client, a_file(255 - TINTS))).json()
    assert set(first) == {"id", "width", "height", "expires_at"}
    assert first["id"].startswith("pic_") and (first["width"], first["height"]) == (40, 24)
    assert 86_300 < first["expires_at"] - time.time() < 86_500
    assert again["id"] == first["id"] != other["id"]


async def test_what_comes_back_is_the_picture_itself_or_what_is_known_of_it(send: ClientOf) -> None:
    client = send()
    events = (await upload(client)).json()
    address = f"/v1/pictures/{events['id']}"
    picture = await client.get(address, headers={"Accept": "image/*"})
    assert picture.headers["content-type"] == "image/png" and picture.headers["etag"]
    assert (np.asarray(Image.open(BytesIO(picture.content))) == TINTS).all()
    assert (await client.get(address, headers={"Accept": "application/json"})).json() == events
    head = await client.head(address)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", picture.headers["etag"])


async def test_what_is_removed_is_gone_and_so_is_its_file(send: ClientOf, mine: ServiceConfig) -> None:
    client = send()
    events = (await upload(client)).json()
    address = f"/v1/pictures/{events['id']}"
    assert len(files_of(mine)) == 1
    assert (await client.delete(address)).json() == events
    assert files_of(mine) == []
    for gone in (await client.get(address), await client.delete(address)):
        assert error_of(gone) == (404, "not_found", None)


async def test_another_tenant_s_picture_is_not_there_and_stays_when_an_equal_one_goes(send: ClientOf) -> None:
    a, b = send("a"), send("b")
    address = f"/v1/pictures/{(await upload(a)).json()['id']}"
    for refused in (await b.get(address), await b.delete(address), await b.head(address)):
        assert refused.status_code == 404
    await upload(b)
    assert (await b.delete(address)).status_code == 200
    assert (await a.get(address)).status_code == 200


@pytest.mark.parametrize("name", ["pic_", "pic_%00", "pic_" + "0" * 64, "x" * 4_000, "pic_" + "A" * 64])
async def test_an_id_that_no_picture_has(send: ClientOf, name: str) -> None:
    assert error_of(await send().get(f"/v1/pictures/{name}")) == (404, "not_found", None)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"no picture at all", 422, "invalid_request"),
        (a_huge_file(), 422, "invalid_request"),
        (a_file()[:200], 422, "invalid_request"),
        (bytes(17 << 20), 413, "payload_too_large"),
    ],
    ids=["words", "200 megapixels", "cut off", "17 MiB"],
)
async def test_what_cannot_be_read_is_refused_and_keeps_nothing(
    send: ClientOf, mine: ServiceConfig, data: bytes, status: int, code: str
) -> None:
    refused = await upload(send(), data)
    assert error_of(refused) == (status, code, "file" if status == 422 else None)
    assert files_of(mine) == []


async def test_nothing_is_fetched_from_an_address(send: ClientOf) -> None:
    client = send()
    requested = await client.post("/v1/pictures", json={"url": "http://localhost/picture.png"})
    assert error_of(requested) == (415, "unsupported_media_type", None)
    form = {"file": ("picture.png", a_file()), "url": (None, "http://localhost/picture.png")}
    refused = await client.post("/v1/pictures", files=form)
    assert error_of(refused) == (422, "invalid_request", "url")
    assert "url is not a known field" in refused.json()["error"]["message"]


async def test_the_number_of_pictures_is_bounded_for_each_tenant(send: ClientOf, mine: ServiceConfig) -> None:
    few = replace(mine.pictures, max_kept=2)
    client = send("a", pictures=few)
    pictures = [a_file(np.full((20, 20, 3), tint, np.uint8)) for tint in range(3)]
    events = [await upload(client, data) for data in pictures]
    assert [response.status_code for response in events] == [200, 200, 507]
    assert error_of(events[2])[1] == "insufficient_storage" and events[2].headers["retry-after"]
    assert (await upload(client, pictures[0])).status_code == 200, "the picture is kept already"
    assert (await upload(send("b", pictures=few), pictures[2])).status_code == 200
    await client.delete(f"/v1/pictures/{events[0].json()['id']}")
    assert (await upload(client, pictures[2])).status_code == 200


async def test_its_bytes_count_among_those_that_a_tenant_may_keep(
    send: ClientOf, mine: ServiceConfig
) -> None:
    little = replace(mine.jobs, max_stored_bytes=2_000)
    client = send("a", jobs=little)
    assert (await upload(client)).status_code == 507
    assert (await upload(client, a_file(np.zeros((20, 20, 3), np.uint8)))).status_code == 200


async def test_a_disk_that_is_nearly_full_keeps_nothing_more(
    send: ClientOf, mine: ServiceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskSpace, "left_bytes", lambda self: 100)
    assert error_of(await upload(send())) == (507, "insufficient_storage", None)
    assert files_of(mine) == []


@pytest.mark.parametrize("damage", [b"", b"rotten"], ids=["emptied", "rotten"])
async def test_a_damaged_file_is_gone_until_it_is_uploaded_again(
    send: ClientOf, mine: ServiceConfig, damage: bytes
) -> None:
    client = send()
    address = f"/v1/pictures/{(await upload(client)).json()['id']}"
    files_of(mine)[0].write_bytes(damage)
    gone = await client.get(address)
    assert error_of(gone) == (410, "gone", None) and "upload it again" in gone.json()["error"]["message"]
    await upload(client)
    assert (await client.get(address)).status_code == 200


async def test_an_upload_is_charged_by_its_megapixels(send: ClientOf) -> None:
    quota = Quota(rate=1e-9, burst=0.003)
    client = send("a", quota)
    assert [(await upload(client)).status_code for _ in range(2)] == [200, 429]


async def test_an_upload_that_was_read_is_paid_for_where_there_is_no_room_for_it(
    send: ClientOf, mine: ServiceConfig
) -> None:
    """Otherwise a tenant whose storage is full could have pictures decoded for free."""
    quota = Quota(rate=1e-9, burst=0.003)
    none = replace(mine.jobs, max_stored_bytes=10)
    assert (await upload(send("a", quota, jobs=none))).status_code == 507
    assert (await upload(send("a", quota))).status_code == 429


async def test_an_upload_that_is_refused_before_it_is_read_costs_nothing(send: ClientOf) -> None:
    quota = Quota(rate=1e-9, burst=0.003)
    client = send("a", quota)
    for refused in (a_huge_file(), b"no picture"):
        assert (await upload(client, refused)).status_code == 422
    assert (await upload(client)).status_code == 200


async def test_the_page_of_the_api_names_what_may_go_wrong(mine: ServiceConfig, graph: Graph) -> None:
    paths = build_api(mine, graph).openapi()["paths"]
    assert {"410", "404"} <= set(paths["/v1/pictures/{picture_id}"]["get"]["responses"])
    assert "410" not in paths["/v1/pictures/{picture_id}"]["delete"]["responses"]
    assert {"507", "413", "415", "422"} <= set(paths["/v1/pictures"]["post"]["responses"])
