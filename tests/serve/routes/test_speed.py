"""A layer's `speed`: what it trades for speed is requested by name, and declared in the response."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

FAST = {"prompt": "a castle", "num_inference_steps": 4, "speed": {"cache": 2}}
PLAIN = {"prompt": "a knight", "num_inference_steps": 4}


async def test_what_a_layer_gives_up_is_declared_for_it_alone(client: httpx.AsyncClient) -> None:
    request = {"character": PLAIN, "background": FAST, "seed": 3}
    answer = await client.post("/v1/scenes", json=request, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["degraded"] == ["background: cached_guidance"]
    assert answer.headers["x-degraded"] == "background: cached_guidance"


@pytest.mark.parametrize("speed", [None, {}, {"cache": None}])
async def test_where_nothing_is_given_up_nothing_is_declared(client: httpx.AsyncClient, speed: Any) -> None:
    answer = await client.post("/v1/backgrounds", json=PLAIN | {"speed": speed})
    assert (answer.status_code, "x-degraded" in answer.headers) == (200, False)


async def test_an_equal_request_gets_the_same_and_another_does_not(client: httpx.AsyncClient) -> None:
    """A response from the result cache declares it too."""

    async def painted(speed: Any) -> tuple[bool, list[str]]:
        body = FAST | {"prompt": "a mill", "seed": 1, "speed": speed}
        answer = await client.post("/v1/backgrounds", json=body, headers={"Accept": "application/json"})
        return answer.json()["usage"]["device_s"] == 0, answer.json()["degraded"]

    answers = [await painted(speed) for speed in ({"cache": 2}, None, {"cache": 2}, {"cache": 3})]
    declared = ["cached_guidance"]
    assert answers == [(False, declared), (False, []), (True, declared), (False, declared)]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"speed": {"cache": 1}}, "speed.cache", "greater than or equal to 2"),
        ({"speed": {"cache": 9}}, "speed.cache", "less than or equal to 8"),
        ({"speed": {"cache": 2.5}}, "speed.cache", "integer"),
        ({"speed": {"deep": 2}}, "speed.deep", "not a known field"),
        ({"guidance_scale": 1}, "speed.cache", "set guidance_scale above 1"),
    ],
    ids=str,
)
async def test_what_cannot_be_given_up_is_refused_by_name(
    client: httpx.AsyncClient, fields: dict[str, Any], param: str, words: str
) -> None:
    answer = await client.post("/v1/backgrounds", json=FAST | fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (422, param), error
    assert words in error["message"]
