"""Create, change, paint and delete cast members with both clients, against the complete service."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenewright import AsyncScenewright, Conflict, NotFound, NotScenewright, Scenewright
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served
from tests.support.sending import NEVER, not_sent, raised
from tests.support.uploads import TINTS, a_file

Call = Callable[..., Any]
STEPS = {"num_inference_steps": 2}


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    mine = config.model_copy(update={"state_dir": str(tmp_path_factory.mktemp("state"))})
    with listening(served(build_http(mine, graph))) as address:
        yield address


def calling(kind: type, url: str, **options: Any) -> Call:
    """Return a function that calls a method of the client, or of its cast, by name."""

    def ended(name: str, *arguments: Any, **fields: Any) -> Any:
        async def done() -> Any:
            async with kind(url, retries=NEVER, **options) as client:
                called = getattr(client if name in ("scene", "character") else client.cast, name)
                return await called(*arguments, **fields)

        if kind is AsyncScenewright:
            return asyncio.run(done())
        with kind(url, retries=NEVER, **options) as client:
            called = getattr(client if name in ("scene", "character") else client.cast, name)
            return called(*arguments, **fields)

    return ended


@pytest.fixture(params=[Scenewright, AsyncScenewright])
def call(request: pytest.FixtureRequest, url: str) -> Iterator[Call]:
    called = calling(request.param, url)
    yield called
    for member in called("list")["data"]:
        called("remove", member["name"])


def test_a_hero_is_kept_changed_painted_and_removed(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mira.png").write_bytes(a_file())
    references = [tmp_path / "mira.png", a_file(255 - TINTS)]
    added = call("add", "mira", references, description="a girl", seed=7)
    assert (added["version"], len(added["references"])) == (1, 2)
    assert call("get", "mira") == added
    changed = call("change", "mira", 1, added["references"][:1], description="a girl", seed=8)
    assert (changed["version"], len(changed["references"])) == (2, 1)
    assert call("list") == {"data": [changed], "next": None}
    assert type(raised(call, "change", "mira", 1)) is Conflict
    assert type(raised(call, "add", "mira")) is Conflict
    layer = call("character", "waves", cast="mira", **STEPS)
    assert (layer.seed, layer.cast["name"], layer.cast["version"]) == (8, "mira", 2)
    assert 0 <= layer.cast["consistency"] <= 1
    figures = [{"prompt": "a fox", **STEPS}, {"cast": "mira", "prompt": "waves", **STEPS}]
    scene = call("scene", figures, {"prompt": "a hill", **STEPS})
    assert set(scene.cast) == {"character-1"} and scene.cast["character-1"]["version"] == 2
    assert call("remove", "mira") == changed
    assert type(raised(call, "get", "mira")) is NotFound


def test_a_sheet_is_an_archive(call: Call) -> None:
    call("add", "mira", description="a girl", seed=7)
    poses = [{"name": "idle", "prompt": "standing", **STEPS}, {"prompt": "waving", **STEPS}]
    with zipfile.ZipFile(BytesIO(call("sheet", "mira", poses))) as files:
        assert list(json.loads(files.read("mira.json"))["frames"]) == ["idle.png", "waving.png"]
    with zipfile.ZipFile(BytesIO(call("sheet", "mira"))) as files:
        assert "poses/standing.png" in files.namelist()


@pytest.mark.parametrize(
    ("references", "param"),
    [
        (["mira.png"], "references.0"),
        ([b"x", Path("/nowhere/mira.png")], "references.1"),
        ("mira.png", "references"),
        (b"mira", "references"),
        (None, "references"),
    ],
)
@pytest.mark.parametrize("kind", [Scenewright, AsyncScenewright])
def test_references_that_cannot_be_read_send_nothing(kind: type, references: Any, param: str) -> None:
    assert not_sent(calling(kind, "http://scenes:1"), "add", "mira", references).param == param


@pytest.mark.parametrize("name", ["", "..", "a" * 300, None])
@pytest.mark.parametrize("method", ["get", "remove", "change", "sheet"])
def test_a_name_that_is_no_path_is_not_sent(method: str, name: Any) -> None:
    assert not_sent(calling(Scenewright, "http://scenes:1"), method, name).param == "name"


@pytest.mark.parametrize("kind", [Scenewright, AsyncScenewright])
def test_an_answer_of_another_form_is_no_member(kind: type) -> None:
    for method, arguments in (("get", ["mira"]), ("list", []), ("sheet", ["mira"]), ("remove", ["mira"])):
        for body in ({}, {"data": [{}]}, {"name": 1, "version": 1}, []):
            transport = httpx.MockTransport(lambda request, body=body: httpx.Response(200, json=body))
            call = calling(kind, "http://scenes:1", transport=transport)
            assert type(raised(call, method, *arguments)) is NotScenewright, (method, body)
