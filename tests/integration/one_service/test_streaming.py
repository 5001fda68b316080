"""Streams over real Ray and real HTTP: their events, and the work that stops when a client leaves."""

from __future__ import annotations

import base64
import json
import random
import socket
from typing import Any

import httpx
import pytest

from tests.support.polling import until
from tests.support.running_service import EVENTS, ONE_STEP_S, busy, events, replica

STEPS = 150
"""Half a minute of painting: a generator that is idle sooner was stopped."""


def scene(steps: int) -> dict[str, Any]:
    layer = {"prompt": "x", "num_inference_steps": steps, "width": 64, "height": 64}
    return {"character": layer, "background": layer, "seed": 1, "merge": {"width": 128, "height": 64}}


def test_a_scene_is_reported_step_by_step(http: httpx.Client) -> None:
    with http.stream("POST", "/v1/scenes", json=scene(3), headers=EVENTS) as response:
        reported = list(events(response))
    steps = [(data["layer"], data["step"]) for name, data in reported if name == "layer.progress"]
    assert sorted(steps) == [(layer, step) for layer in ("background", "character") for step in (1, 2, 3)]
    assert reported[-1][0] == "scene.completed"
    whole = http.post("/v1/scenes", json=scene(3), headers={"Accept": "application/json"}).json()
    assert reported[-1][1]["image"] == whole["image"]


def test_http_one_zero_streams_without_chunks_until_the_connection_ends(http: httpx.Client) -> None:
    body = json.dumps(scene(15)).encode()
    head = f"POST /v1/scenes HTTP/1.0\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n"
    head += f"Host: {http.base_url.host}\r\nContent-Type: application/json\r\n\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        pieces = []
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    top, _, reported = b"".join(pieces).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 200"), top
    assert b"transfer-encoding" not in top.lower() and b"connection: close" in top.lower()
    assert reported.startswith((b"event: ", b":")) and b"event: scene.completed" in reported
    assert len(pieces) > 5, "the response arrives in pieces"


@pytest.mark.parametrize("after", [0, 1, 2, 5, 9])
def test_a_client_that_leaves_stops_both_generators(http: httpx.Client, after: int) -> None:
    leave(http, after)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_clients_that_leave_stop_both_generators_a_hundred_times(http: httpx.Client) -> None:
    dice = random.Random(7)
    for _ in range(100):
        leave(http, after=dice.randrange(12))


def leave(http: httpx.Client, after: int) -> None:
    """Hang up after `after` events while both generators work; they stop long before they would finish."""
    with http.stream("POST", "/v1/scenes", json=scene(STEPS), headers=EVENTS) as response:
        reported = events(response)
        for _ in range(after):
            assert next(reported)[0] == "layer.progress"
        until(lambda: busy("Character") and busy("Background"), 20)
    until(lambda: not (busy("Character") or busy("Background")), STEPS * ONE_STEP_S / 2)


def test_a_lost_replica_is_heard_and_costs_nothing(http: httpx.Client) -> None:
    whole = http.post("/v1/scenes", json=scene(10), headers={"Accept": "application/json"}).json()
    with http.stream("POST", "/v1/scenes", json=scene(10), headers=EVENTS) as response:
        reported = events(response)
        next(reported)
        until(lambda: replica("Background")).kill()
        rest = list(reported)
    assert rest[-1][0] == "scene.completed", rest[-1]
    assert rest[-1][1]["image"] == whole["image"]


def test_several_figures_travel_from_replica_to_replica(http: httpx.Client) -> None:
    """Request previews as well: both of the merger's calls get every figure."""
    figure = {"prompt": "a knight", "width": 128, "height": 192}
    frame = {"width": 256, "height": 128}
    requested = {"characters": [figure] * 4, "background": "a castle", "seed": 90, "merge": frame}
    with http.stream("POST", "/v1/scenes?previews=2", json=requested, headers=EVENTS) as response:
        reported = list(events(response))
    name, whole = reported[-1]
    assert name == "scene.completed", whole
    done = {data.get("index") for name, data in reported if name == "layer.completed"}
    assert done == {0, 1, 2, 3, None}
    assert whole["seeds"]["characters"] == [90, 91, 92, 93]
    assert [figure["mode"] for figure in whole["merge"]["figures"]] == ["cutout"] * 4


def test_a_member_of_the_cast_is_compared_by_the_merger(http: httpx.Client) -> None:
    """Her picture goes to the merger beside the layer that a generator's replica has painted."""
    steps = {"num_inference_steps": 2}
    layer = {"prompt": "a girl", "seed": 91, "output": {"format": "png"}, **steps}
    painted = http.post("/v1/characters", json=layer)
    assert painted.status_code == 200, painted.text
    reference = {"b64_json": base64.b64encode(painted.content).decode()}
    added = http.post("/v1/cast", json={"name": "mira", "seed": 91, "references": [reference]})
    assert added.status_code == 201, added.text
    mira = {"cast": "mira", "prompt": "waves", **steps}
    place = {"prompt": "a castle", **steps}
    requested = {"characters": [mira, mira | {"seed": 92}], "background": place, "seed": 90}
    with http.stream("POST", "/v1/scenes", json=requested, headers=EVENTS) as response:
        name, whole = list(events(response))[-1]
    assert name == "scene.completed", whole
    same, other = whole["cast"]["characters"]
    assert same["consistency"] > 0.9 > other["consistency"], whole["warnings"]
    sheet = http.post("/v1/cast/mira/sheet", json={"poses": [mira]}, headers={"Accept": "application/json"})
    assert sheet.status_code == 200, sheet.text
    assert sheet.json()["frames"]["waves.png"]["consistency"] > 0.9
    assert http.delete("/v1/cast/mira").status_code == 200
