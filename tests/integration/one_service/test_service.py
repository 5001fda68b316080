"""The service as its callers meet it: real Ray, real HTTP, simulated generators."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from PIL import Image

from serve.cli import main
from tests.support.polling import until
from tests.support.running_service import SCENE, busy, replica


def timings(response: httpx.Response) -> dict[str, float]:
    return {
        name: float(ms)
        for name, ms in re.findall(r"([\w-]+);dur=([\d.]+)", response.headers["server-timing"])
    }


def test_ready_and_alive(http: httpx.Client) -> None:
    assert until(lambda: http.get("/readyz").status_code == 200)
    assert http.get("/healthz").json() == {"status": "alive"}
    assert {card["id"] for card in http.get("/v1/models").json()["data"]} > {"storybook-character"}


def test_a_scene_as_a_picture(http: httpx.Client) -> None:
    response = http.post("/v1/scenes", json=SCENE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert Image.open(BytesIO(response.content)).size == (1024, 512)
    assert response.headers["x-seed"] == "character=42; background=42"
    assert response.headers["x-backend"] == "simulated"
    assert re.fullmatch(r"(cutout|paste); confidence=\d\.\d\d", response.headers["x-merge"])
    assert response.headers["x-request-id"]
    layers = {f"{kind}-{stage}" for kind in ("character", "background") for stage in LAYER_STAGES}
    assert set(timings(response)) == layers | {"merge", "output"}


LAYER_STAGES = ("queue", "encode", "denoise", "decode")


def test_a_scene_as_json(http: httpx.Client) -> None:
    headers = {"Accept": "application/json", "X-Request-ID": "mine-1"}
    response = http.post("/v1/scenes", json=SCENE | {"output": {"format": "png"}}, headers=headers)
    assert response.status_code == 200
    assert response.headers.get_list("x-request-id") == ["mine-1"]
    body = response.json()
    assert body["id"] == "mine-1"
    assert body["image"]["format"] == "png"
    assert body["seeds"] == {"character": 42, "background": 42}
    assert body["degraded"] == []


def test_both_layers_are_painted_at_the_same_time(http: httpx.Client) -> None:
    layers = {kind: {"prompt": "x", "num_inference_steps": 20} for kind in ("character", "background")}
    begun = time.monotonic()
    response = http.post("/v1/scenes", json=layers)
    took_ms = 1e3 * (time.monotonic() - begun)
    ms = timings(response)
    assert took_ms < ms["character-denoise"] + ms["background-denoise"]
    assert took_ms > max(ms["character-denoise"], ms["background-denoise"])


def test_pictures_from_elsewhere_are_merged_by_the_merger(http: httpx.Client) -> None:
    cutout = {"prompt": "a knight", "cutout": True, "num_inference_steps": 1}
    figure = http.post("/v1/characters", json=cutout).content
    place = http.post("/v1/backgrounds", json={"prompt": "a castle", "num_inference_steps": 1}).content
    files = {"character": ("c.png", figure), "background": ("b.jpg", place)}
    response = http.post("/v1/merges", files=files, data={"options": '{"merge": {"position": "left"}}'})
    assert response.status_code == 200, response.text
    assert response.headers["x-merge"] == "cutout; confidence=1.00"
    assert Image.open(BytesIO(response.content)).size == (1024, 512)
    refused = http.post("/v1/merges", files=files | {"background": ("b.jpg", place[:900])})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "background")


@pytest.mark.parametrize(
    ("content", "status", "code", "param"),
    [
        (b'{"character": "a"}', 422, "invalid_request", "background"),
        (b'{"character": "a", "background": "b", "sed": 1}', 422, "invalid_request", "sed"),
        (
            b'{"character": "a", "background": "b", "merge": {"width": 1}}',
            422,
            "invalid_request",
            "merge.width",
        ),
        (b'{"character": "a", "background": "b", "seed": NaN}', 400, "invalid_json", None),
        (b'{"character": "' + b"a" * (1 << 20) + b'"}', 413, "payload_too_large", None),
    ],
)
def test_a_wrong_request_is_refused(
    http: httpx.Client, content: bytes, status: int, code: str, param: str | None
) -> None:
    response = http.post("/v1/scenes", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert error["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    "header", [{"x-request-timeout-seconds": "0"}, {"x-request-disconnect-disabled": "?1"}], ids=str
)
def test_no_caller_steers_serve(http: httpx.Client, header: dict[str, str]) -> None:
    assert http.post("/v1/scenes", json=SCENE, headers=header).status_code == 400


def test_the_command_line_paints(url: str, tmp_path: Path) -> None:
    file = tmp_path / "scene.png"
    result = CliRunner().invoke(
        main, ["scene", "a knight", "a castle", "-o", str(file), "--seed", "7", "--steps", "2", "--url", url]
    )
    assert result.exit_code == 0, result.output
    with Image.open(file) as painted:
        assert painted.format == "PNG"
    assert "character 7, background 7" in result.stdout


def test_a_client_that_leaves_takes_its_work_along(http: httpx.Client, url: str) -> None:
    leaving = {"prompt": "x", "num_inference_steps": 150}  # half a minute of painting
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/characters", json=leaving, timeout=0.8, trust_env=False)
    begun = time.monotonic()
    until(lambda: not busy("Character"))
    response = http.post("/v1/characters", json={"prompt": "x", "num_inference_steps": 1})
    assert response.status_code == 200
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("deployment", ["Character", "Merger"])
def test_a_lost_replica_costs_its_requests_nothing(http: httpx.Client, deployment: str) -> None:
    """Kill it (SIGKILL) while it works: the layer is repainted from its seed, so the picture is the same."""
    scene = SCENE | {"enhance": True, "merge": {"height": 1024}, "output": {"format": "png"}}
    expected = http.post("/v1/scenes", json=scene).content
    victim = until(lambda: replica(deployment))
    with ThreadPoolExecutor(1) as pool:
        for _ in range(10):  # a merge is so short that the first try may miss it
            response = pool.submit(http.post, "/v1/scenes", json=scene)
            until(lambda response=response: busy(deployment) or response.done())
            victim.suspend()
            if caught := not response.done():
                break
            victim.resume()
        assert caught
        victim.kill()
        painted = response.result()
    assert painted.status_code == 200, painted.text
    assert painted.headers["x-seed"] == "character=42; background=42"
    assert painted.content == expected
    assert until(lambda: http.get("/readyz").status_code == 200)
