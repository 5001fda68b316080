"""Pictures in S3: moto's server on a local port, which s3fs finds by its usual environment variables."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from moto.s3.models import s3_backends
from s3fs import S3FileSystem

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.pictures.picture_files import Damaged, open_pictures
from tests.support.job_requests import ended, submit, working
from tests.support.local_service import REPOSITORY, captured, served
from tests.support.polling import eventually
from tests.support.s3_server import serving_s3
from tests.support.scene_requests import SCENE

DATA = b"a picture"
NAME = hashlib.sha256(DATA).hexdigest()


def kept_in(bucket: str) -> dict[str, Any]:
    """Return the bucket's objects on the server by key."""
    keys: dict[str, Any] = s3_backends["123456789012"]["aws"].get_bucket(bucket).keys
    return dict(keys.items())


@pytest.mark.parametrize("folder", ["", "/", "/some/folder", "/some/folder/"])
def test_a_picture_is_one_object(bucket: str, folder: str) -> None:
    pictures = open_pictures(f"s3://{bucket}{folder}")
    pictures.put(DATA)
    assert list(kept_in(bucket)) == [f"{folder}/{NAME[:2]}/{NAME}".replace("//", "/").removeprefix("/")]
    assert pictures.get(NAME) == DATA


def test_a_bucket_that_is_not_there_is_reported_and_not_made(bucket: str) -> None:
    pictures = open_pictures(f"s3://{bucket}-mistyped/folder")
    with pytest.raises(OSError, match="bucket"):
        pictures.put(DATA)
    with pytest.raises(OSError, match="bucket") as gone:
        pictures.get(NAME)
    assert not isinstance(gone.value, Damaged)
    pictures.drop(NAME)
    assert list(s3_backends["123456789012"]["aws"].buckets) == [bucket]


def test_a_server_that_is_gone(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    with serving_s3() as another:
        monkeypatch.setenv("AWS_ENDPOINT_URL", another)
        pictures = open_pictures(f"s3://{bucket}/elsewhere")
        pictures.put(DATA)
    for act in (
        lambda: pictures.put(DATA),
        lambda: pictures.get(NAME),
        lambda: pictures.drop(NAME),
    ):
        with pytest.raises(OSError, match="endpoint"):
            act()


def test_keys_that_are_not_there(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(OSError, match="credentials"):
        open_pictures(f"s3://{bucket}").put(DATA)


@pytest.fixture
def mine(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    jobs = replace(config.jobs, poll_s=0.02, pictures="s3://scenes/painted")
    return config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})


def client_of(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(build_http(config, graph)), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_a_job_is_painted_into_the_bucket(mine: ServiceConfig, graph: Graph, bucket: str) -> None:
    scenes = [SCENE | {"seed": seed, "output": {"format": "png"}} for seed in (1, 2)]
    async with client_of(mine, graph) as http:
        job_id = await submit(http, *scenes)
        async with working(mine, graph):
            job = await ended(http, job_id)
        assert (job["status"], job["done"]) == ("succeeded", 2)
        for scene, reported in zip(scenes, job["scenes"], strict=True):
            kept, painted = await http.get(reported["url"]), await http.post("/v1/scenes", json=scene)
            assert kept.content == painted.content
            name = hashlib.sha256(kept.content).hexdigest()
            assert f"painted/{name[:2]}/{name}" in kept_in(bucket)
        assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 200
        assert kept_in(bucket) == {}
        assert (await http.delete(f"/v1/jobs/{job_id}")).status_code == 404
    assert not (mine.state_folder / "pictures").exists()


async def test_a_job_waits_for_its_bucket(
    mine: ServiceConfig,
    graph: Graph,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("serve.jobs.scene_painting.RETRY_S", 0.01)
    server = s3_backends["123456789012"]["aws"]
    server.delete_bucket(bucket)

    async def reported() -> bool:
        return caplog.text.count("could not be kept") > mine.jobs.max_attempts

    async with client_of(mine, graph) as http, working(mine, graph):
        with captured(caplog):
            job_id = await submit(http, SCENE)
            await eventually(reported)
        assert (
            f"a picture of job {job_id} could not be kept: The specified bucket does not exist" in caplog.text
        )
        server.create_bucket(bucket, "us-east-1")
        assert (await ended(http, job_id))["status"] == "succeeded"
    assert len(kept_in(bucket)) == 1


def test_compose_s_container_makes_the_bucket_that_the_service_uses(bucket: str) -> None:
    compose = yaml.safe_load((REPOSITORY / "docker/compose.postgres-s3.yaml").read_text())
    place = compose["services"]["scenewright"]["environment"]["SCENEWRIGHT_PICTURES"]
    python, option, code = compose["services"]["bucket"]["command"]
    assert (python, option) == ("python", "-c")
    with pytest.raises(OSError, match="bucket"):
        open_pictures(place).put(DATA)
    for _ in range(2):  # as at every start of the containers
        exec(code, {})  # noqa: S102 (code of our own file)
    S3FileSystem.clear_instance_cache()
    assert open_pictures(place).get(open_pictures(place).put(DATA)) == DATA
