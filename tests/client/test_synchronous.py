"""The client with responses that follow the contract, and responses that do not."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import scenewright
from scenewright import InvalidRequest, Retries, Scenewright, ScenewrightError, ServerUnreachable
from tests.support.client_answers import RESPONSE, a_png, picture


def service(answer: Callable[[httpx.Request], httpx.Response], **options: object) -> Scenewright:
    retries = Retries(most=0)
    transport = httpx.MockTransport(answer)
    return Scenewright("http://scenes:1/", retries=retries, transport=transport, **options)  # type: ignore[arg-type]


def test_a_scene_is_requested_and_read(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        body = RESPONSE | {"layers": {"mask": picture(b"m")}}
        return httpx.Response(200, json=body, headers={"X-Backend": "simulated"})

    client = service(answer, api_key="k")
    scene = client.scene("a knight", {"prompt": "a castle"}, seed=42, merge={"mode": "paste"})
    assert str(seen[0].url) == "http://scenes:1/v1/scenes"
    assert seen[0].headers["authorization"] == "Bearer k"
    assert json.loads(seen[0].content) == {
        "character": "a knight",
        "background": {"prompt": "a castle"},
        "seed": 42,
        "merge": {"mode": "paste"},
    }
    assert scene.seeds == {"character": 42, "background": 123}
    assert scene.merge["confidence"] == 0.97
    assert scene.degraded == ["character: reduced"]
    assert scene.backend == "simulated"
    assert scene.layers == {"mask": b"m"}
    assert scene.image.getpixel((0, 0)) == (255, 0, 0)
    scene.save(tmp_path / "scene.png")
    assert (tmp_path / "scene.png").read_bytes() == a_png()


def test_a_list_of_characters_paints_several() -> None:
    seen: list[httpx.Request] = []

    def response(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=RESPONSE | {"seeds": {"characters": [1, 2], "background": 3}})

    figures = ["a knight", {"prompt": "a dragon", "position": {"x": 0.7}, "depth": 1}]
    scene = service(response).scene(figures, "a castle", seed=1)
    assert json.loads(seen[0].content) == {"characters": figures, "background": "a castle", "seed": 1}
    assert scene.seeds == {"character-0": 1, "character-1": 2, "background": 3}


def test_an_answer_is_awaited_longer_than_its_deadline() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=RESPONSE)

    service(answer).scene("a", "b", deadline_s=500)
    assert seen[0].extensions["timeout"]["read"] > 500


def test_an_error_carries_what_the_service_said() -> None:
    error = {"type": "t", "code": "invalid_request", "message": "no", "param": "seed", "request_id": "r1"}
    client = service(lambda request: httpx.Response(422, json={"error": error}))
    with pytest.raises(ScenewrightError) as caught:
        client.scene("a", "b", seed=-1)
    assert caught.value.args == (422, "invalid_request", "no", "seed", "r1", None)
    assert type(caught.value) is InvalidRequest
    assert str(caught.value) == "no"


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"image": {}}),
        httpx.Response(200, json={**RESPONSE, "image": picture(b"") | {"b64_json": "a"}}),
        httpx.Response(404, text="Path '/v1/scenes' not found."),
        httpx.Response(502, json={"error": "bad gateway"}),
        httpx.Response(500, json={"detail": "x"}),
    ],
)
def test_another_server_is_recognised(strange: httpx.Response) -> None:
    with pytest.raises(ScenewrightError) as caught:
        service(lambda request: strange).scene("a", "b")
    assert caught.value.code == "not_scenewright"


def test_nobody_there() -> None:
    with pytest.raises(ServerUnreachable, match=r"no Scenewright at http://127.0.0.1:9"):
        Scenewright("http://127.0.0.1:9", retries=Retries(most=0)).models()


@pytest.mark.parametrize("fault", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")])
def test_an_answer_that_never_ends(fault: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(ServerUnreachable):
        service(answer).scene("a", "b")


def test_readiness() -> None:
    error = {"error": {"code": "not_ready", "message": "character: loading"}}
    assert service(lambda request: httpx.Response(200, json={"status": "ready"})).ready()
    waiting = service(lambda request: httpx.Response(503, json=error))
    assert not waiting.ready()
    assert waiting.unready_reason() == "character: loading"


def test_usage() -> None:
    seen: list[httpx.URL] = []
    body = {"since": "2026-11-01", "until": "2026-11-30", "data": [], "total": {"pictures": 0}}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, json=body)

    assert service(answer).usage("2026-11-01", key="k1") == body
    assert str(seen[0]) == "http://scenes:1/v1/usage?since=2026-11-01&key=k1"


def test_models() -> None:
    body = {"object": "list", "data": [{"id": "m"}]}
    assert service(lambda request: httpx.Response(200, json=body)).models() == [{"id": "m"}]


def test_it_needs_httpx_and_pillow_alone() -> None:
    of_the_command_line = {"__main__.py", "cli.py"}
    for file in Path(scenewright.__file__).parent.glob("*.py"):
        if file.name in of_the_command_line:
            continue
        tree = ast.parse(file.read_text())
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert all(node.level < 2 for node in froms), f"{file.name} imports from outside the package"
        names = {node.module.split(".")[0] for node in froms if node.module and not node.level}
        names |= {
            name.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in node.names
        }
        assert names - set(sys.stdlib_module_names) <= {"httpx", "PIL"}, file.name
