"""Uploads whose files are kept in S3, and what remains of one if the bucket is gone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from moto.s3.models import s3_backends
from sqlalchemy import Table, func, select

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.state.open_state import open_state
from serve.state.picture_tables import loose_pictures, pictures
from serve.state.storage_budget import stored
from tests.support.local_service import served
from tests.support.s3_server import bucket as bucket
from tests.support.s3_server import s3 as s3
from tests.support.uploads import As, a_file, error_of

OWNER = "a"


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path, bucket: str) -> ServiceConfig:
    """Keep files in the bucket, with room for only one picture of `a_file`'s bytes."""
    jobs = replace(config.jobs, pictures=f"s3://{bucket}/uploaded", max_stored_bytes=len(a_file()) * 3 // 2)
    return config.model_copy(update={"state_dir": str(tmp_path / "state"), "jobs": jobs})


@pytest.fixture
def client(mine: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(As(build_http(mine, graph), OWNER)))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def objects(bucket: str) -> list[str]:
    return list(s3_backends["123456789012"]["aws"].get_bucket(bucket).keys)


def rows(config: ServiceConfig, table: Table) -> int:
    with open_state(config.state_folder, config.jobs).connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def kept(config: ServiceConfig) -> tuple[int, int]:
    """Return the number and bytes of the pictures that count against the owner's budget."""
    with open_state(config.state_folder, config.jobs).connect() as connection:
        return stored(connection, OWNER)


async def upload(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v1/pictures", files={"file": ("picture.png", a_file(), "image/png")})


async def test_an_upload_is_an_object_until_it_is_removed(
    client: httpx.AsyncClient, mine: ServiceConfig, bucket: str
) -> None:
    address = f"/v1/pictures/{(await upload(client)).json()['id']}"
    data = (await client.get(address, headers={"Accept": "image/png"})).content
    name = hashlib.sha256(data).hexdigest()
    assert objects(bucket) == [f"uploaded/{name[:2]}/{name}"] and address.endswith(name)
    assert (rows(mine, pictures), rows(mine, loose_pictures), kept(mine)) == (1, 0, (1, len(data)))
    assert (await client.delete(address)).status_code == 200
    assert (objects(bucket), kept(mine), rows(mine, loose_pictures)) == ([], (0, 0), 0)
    assert not (mine.state_folder / "pictures").exists()


async def test_an_upload_without_its_bucket_is_refused_and_takes_no_room(
    client: httpx.AsyncClient, mine: ServiceConfig, bucket: str
) -> None:
    server = s3_backends["123456789012"]["aws"]
    server.delete_bucket(bucket)
    for _ in range(3):
        refused = await upload(client)
        assert error_of(refused) == (503, "not_ready", None) and refused.headers["retry-after"]
    assert (rows(mine, pictures), rows(mine, loose_pictures), kept(mine)) == (0, 0, (0, 0))
    server.create_bucket(bucket, "us-east-1")
    assert (await upload(client)).status_code == 200, "refused uploads have taken no room"
    assert len(objects(bucket)) == 1
