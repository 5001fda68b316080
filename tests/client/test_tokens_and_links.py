"""The clients against the service: tokens, links, idempotency keys, and jobs that are painted later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scenewright import AsyncScenewright, Forbidden, NotSent, Overloaded, Scenewright
from scenewright.retries import Retries
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import config as config
from tests.support.local_service import graph as graph
from tests.support.local_service import listening, served
from tests.support.stub_service import run

LAYER = {"prompt": "a", "steps": 1, "width": 64, "height": 64}
SMALL = {"merge": {"width": 128, "height": 64}}


@pytest.fixture(scope="module")
def keyed(
    config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("state")
    _, key = open_keys(folder).create("game", ("generate", "jobs"))
    settings = {"state_dir": str(folder), "authentication": "required"}
    with listening(served(build_http(config.model_copy(update=settings), graph))) as url:
        yield url, key


def test_a_token_paints_within_its_budget(keyed: tuple[str, str]) -> None:
    url, key = keyed
    with Scenewright(url, key) as client:
        minted = client.mint_token(60, requests=1)
    assert minted["token"].startswith("swt_")
    assert minted["expires_at"] <= time.time() + 61
    with Scenewright(url, minted["token"], retries=Retries(most=0)) as page:
        assert page.scene(LAYER, LAYER, **SMALL).data
        with pytest.raises(Overloaded):
            page.scene(LAYER, LAYER, **SMALL)
        with pytest.raises(Forbidden):
            page.mint_token()


def test_a_link_stands_in_for_the_file(keyed: tuple[str, str], tmp_path: Path) -> None:
    url, key = keyed
    with Scenewright(url, key) as client:
        scene = client.scene(LAYER, LAYER, layers=True, output={"as": "url"}, **SMALL)
        layer = client.background("a", steps=1, width=64, height=64, output={"as": "url"})
    assert (scene.data, scene.layers) == (b"", {})
    assert set(scene.layer_urls) == {"character", "background", "mask", "painted"}
    for address in (scene.url, layer.url, *scene.layer_urls.values()):
        assert address is not None
        assert httpx.get(address, trust_env=False).headers["content-type"].startswith("image/")
    for use in (lambda: scene.image, lambda: scene.save(tmp_path / "s.jpg")):
        with pytest.raises(ValueError, match="link"):
            use()
    assert not (tmp_path / "s.jpg").exists()


def test_a_key_of_idempotency_paints_once(keyed: tuple[str, str]) -> None:
    url, key = keyed
    with Scenewright(url, key) as client:
        first = client.scene(LAYER, LAYER, idempotency_key="a", **SMALL)
        again = client.scene(LAYER, LAYER, idempotency_key="a", **SMALL)
        *_, streamed = client.scene_events(LAYER, LAYER, idempotency_key="a", **SMALL)
        assert (first.id, first.data) == (again.id, again.data)
        assert streamed == again
        with pytest.raises(NotSent):
            client.scene(LAYER, LAYER, idempotency_key="a\nb", **SMALL)


def test_what_is_painted_later_is_a_job(keyed: tuple[str, str]) -> None:
    url, key = keyed

    async def also() -> list[str]:
        async with AsyncScenewright(url, key) as client:
            token = await client.mint_token(scopes=("generate", "jobs"))
        async with AsyncScenewright(url, token["token"]) as page:
            jobs = [
                await page.scene_later(LAYER, LAYER, idempotency_key="b", **SMALL),
                await page.character_later("a", width=64, height=64),
                await page.background_later("a", width=64, height=64),
            ]
            return [(await page.job(job["id"]))["status"] for job in jobs]

    with Scenewright(url, key) as client:
        first = client.scene_later(LAYER, LAYER, idempotency_key="b", **SMALL)
        assert client.scene_later(LAYER, LAYER, idempotency_key="b", **SMALL) == first
        assert client.job(first["id"])["total"] == 1
        assert asyncio.run(also()) == ["queued"] * 3


def test_the_command_line_does_so_too(
    keyed: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, key = keyed
    monkeypatch.setenv("SCENEWRIGHT_API_KEY", key)
    monkeypatch.setenv("SCENEWRIGHT_URL", url)
    minted = run("token", "--ttl", "60", "--scope", "generate", "--requests", "5", "--megapixel-steps", "2")
    assert minted.exit_code == 0, minted.output
    assert minted.output.startswith("swt_") and minted.output.count("\n") == 1
    small = ("--steps", "1", "--width", "128", "--height", "64")
    linked = run("scene", "a", "b", "--link", "--idempotency-key", "c", *small)
    assert linked.exit_code == 0, linked.output
    address = next(line for line in linked.output.splitlines() if line.startswith("http"))
    assert httpx.get(address, trust_env=False).status_code == 200
    later = run("scene", "a", "b", "--later", *small)
    assert later.exit_code == 0, later.output
    assert run("job", "status", later.output.strip()).exit_code == 0
    for wrong in ((), ("--link", "--later"), ("--link", "-o", "s.jpg"), ("--later", "--previews", "p")):
        refused = run("scene", "a", "b", *wrong)
        assert refused.exit_code == 2, refused.output
    for wrong in (("--ttl", "0"), ("--ttl", "nan"), ("--scope", "admin"), ("--requests", "0")):
        assert run("token", *wrong).exit_code == 2
