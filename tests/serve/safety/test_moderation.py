"""Moderation over HTTP: responses that report what was found, and refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from deployments.imaging.safety_check import SafetyConfig
from deployments.merger import Merger, MergerConfig
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.safety.text_check import text_check_of
from tests.support.local_service import local_handle, served
from tests.support.uploads import a_file

SMALL: dict[str, Any] = {"prompt": "a knight", "num_inference_steps": 2, "width": 64, "height": 96}
SCENE = {"character": SMALL, "background": SMALL, "seed": 5, "merge": {"width": 128, "height": 64}}
JSON = {"Accept": "application/json"}
HERE = "tests.serve.safety.test_moderation"
Client = Callable[..., httpx.AsyncClient]


def always(pixels: Any) -> float:
    return 0.97


def no_dragons(prompt: str, tenant: str) -> str | None:
    return "dragons are not painted here" if "dragon" in prompt else None


async def no_dragons_later(prompt: str, tenant: str) -> str | None:
    await asyncio.sleep(0)
    return no_dragons(prompt, tenant)


def broken(prompt: str, tenant: str) -> str | None:
    raise RuntimeError("the service behind it is down")


@pytest.fixture(scope="module")
def judging(graph: Graph) -> Callable[[str], Graph]:
    """Return graphs, by safety mode, whose merger finds something in every picture."""
    made: dict[str, Graph] = {}

    def make(mode: Any) -> Graph:
        if mode not in made:
            config = MergerConfig(safety=SafetyConfig(mode=mode, picture_check=f"{HERE}:always"))
            made[mode] = replace(graph, merger=local_handle(Merger, config), previews=mode != "refuse")
        return made[mode]

    return make


@pytest.fixture
def client_of(config: ServiceConfig) -> Client:
    def make(graph: Graph, **safety: Any) -> httpx.AsyncClient:
        own = SafetyConfig(**safety)
        checked = replace(graph, text_check=text_check_of(own))
        app = served(build_http(config.model_copy(update={"safety": own}), checked))
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    return make


def refused(answer: httpx.Response) -> str | None:
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == "content_refused"
    param: str | None = error["param"]
    return param


async def test_what_is_flagged_is_answered_and_says_so(
    client_of: Client, judging: Callable[[str], Graph]
) -> None:
    found = {"score": 0.97, "flagged": True}
    async with client_of(judging("flag")) as client:
        for path, body in (("/v1/scenes", SCENE), ("/v1/characters", SMALL), ("/v1/backgrounds", SMALL)):
            answer = await client.post(path, json=body, headers=JSON)
            assert answer.status_code == 200, answer.text
            assert answer.json()["safety"] == found
            assert answer.headers["X-Safety"] == "score=0.97; flagged=true"
        images = {"model": "character", "prompt": "x", "size": "64x96", "num_inference_steps": 2}
        made = await client.post("/v1/images/generations", json=images)
        assert made.json()["data"][0]["safety"] == found
        events = await client.post("/v1/images/generations", json=images | {"stream": True})
        assert json.loads(events.text.strip().split("data: ")[-1])["safety"] == found
        files = {"character": a_file(), "background": a_file()}
        assert (await client.post("/v1/merges", files=files, headers=JSON)).json()["safety"] == found
        uploaded = await client.post("/v1/pictures", files={"file": a_file()})
        assert uploaded.json()["safety"] == found


async def test_what_is_refused_is_422_on_every_route(
    client_of: Client, judging: Callable[[str], Graph]
) -> None:
    async with client_of(judging("refuse")) as client:
        for path, body in (("/v1/scenes", SCENE), ("/v1/characters", SMALL)):
            assert refused(await client.post(path, json=body, headers=JSON)) is None
        assert refused(await client.post("/v1/pictures", files={"file": a_file()})) == "file"
        files = {"character": a_file(), "background": a_file()}
        assert refused(await client.post("/v1/merges", files=files)) is None
        # A stream shows no unfinished pictures, and ends in the error.
        body = SCENE | {"seed": 6}
        events = await client.post(
            "/v1/scenes?previews=3", json=body, headers={"Accept": "text/event-stream"}
        )
        assert "content_refused" in events.text and '"preview"' not in events.text


async def test_off_says_nothing(client_of: Client, graph: Graph) -> None:
    async with client_of(graph) as client:
        answer = await client.post("/v1/scenes", json=SCENE, headers=JSON)
        assert answer.status_code == 200 and "safety" not in answer.json()
        assert "X-Safety" not in answer.headers
        layer = await client.post("/v1/characters", json=SMALL, headers=JSON)
        assert "safety" not in layer.json()
        uploaded = await client.post("/v1/pictures", files={"file": a_file()})
        assert "safety" not in uploaded.json()


async def test_blocked_words_are_refused_by_their_place(client_of: Client, graph: Graph) -> None:
    bad = SMALL | {"prompt": "a knight full of BLÓOD"}
    async with client_of(graph, blocked_words=("blood",)) as client:
        for path, body, param in (
            ("/v1/scenes", SCENE | {"background": bad}, "background.prompt"),
            ("/v1/characters", bad, "prompt"),
            ("/v1/images/generations", {"model": "character", "prompt": bad["prompt"]}, "prompt"),
            ("/v1/jobs", {"scenes": [SCENE, SCENE | {"character": bad}]}, "scenes.1.character.prompt"),
        ):
            assert refused(await client.post(path, json=body)) == param
        several = SCENE | {"characters": [SMALL, bad], "character": None}
        assert refused(await client.post("/v1/scenes", json=several)) == "characters.1.prompt"
        # A negative prompt may name what a picture must not show.
        without = await client.post("/v1/characters", json=SMALL | {"negative_prompt": "blood"})
        assert without.status_code == 200


@pytest.mark.parametrize("name", ["no_dragons", "no_dragons_later"])
async def test_a_service_of_ones_own_checks_each_prompt(client_of: Client, graph: Graph, name: str) -> None:
    async with client_of(graph, text_check=f"{HERE}:{name}") as client:
        answer = await client.post("/v1/scenes", json=SCENE | {"background": SMALL | {"prompt": "a dragon"}})
        assert refused(answer) == "background.prompt"
        assert answer.json()["error"]["message"] == "dragons are not painted here"
        alone = await client.post("/v1/characters", json=SMALL | {"prompt": "a dragon"})
        assert refused(alone) == "prompt"
        assert (await client.post("/v1/scenes", json=SCENE)).status_code == 200


async def test_nothing_is_painted_unchecked_while_it_is_down(client_of: Client, graph: Graph) -> None:
    async with client_of(graph, text_check=f"{HERE}:broken") as client:
        answer = await client.post("/v1/characters", json=SMALL)
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "not_ready"
        assert "behind it" not in answer.text
