"""Two thousand hostile bodies: none gets a 5xx, and all errors have the documented format."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.hostile_bodies import BODIES, guided
from tests.support.local_service import served

CORPUS = 2_000
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 2**31, 2**53, 2**63, -(2**64), 10**299, 1e308, -1e308, 5e-324),
    *("", " ", "a", "\x00", "\x1b[31m", "‮", "é" * 50, "𝕏", "\r\nX-Seed: 1", "%s%n{0}", "../../etc/passwd"),
    *(
        "__class__",
        "a" * 3_000,
        "NaN",
        "1",
        "true",
        "auto",
        "|",
        "1x1",
        "99x99",
        "0x0",
        "-1x64",
        "transparent",
    ),
    *([], [[]], [None], [1] * 20, {}, {"": {}}, {"prompt": {"prompt": "a"}}, {"__proto__": 1}, [{}, "a"]),
)
LITERALS = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" * 400, b'"\\ud800"', b'"\\udc00x"')
RAW = (
    *(
        b"",
        b" ",
        b"\x00",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{",
        b"[",
        b'"',
        b"{}x",
        b"[" * 100_000,
        b'{"a":' * 5_000,
    ),
    *(
        b"null",
        b"1",
        b'"a"',
        b"true",
        b"[]",
        b"{}",
        b"[{}]",
        b"{'a': 1}",
        b"<a/>",
        b"a=1&b=2",
        b"\xc0\x80",
        b"//",
        b"{,}",
    ),
)
SECRETS = re.compile(
    r"Traceback|/(work|var|home|root|usr|tmp)/|site-packages|pydantic|File \"|0x[0-9a-f]{6,}|object at"
)


def paths(value: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*so_far, key)
        yield from paths(inner, (*so_far, key))


def any_value(dice: random.Random) -> Any:
    """Return a copy of a value, since it may be modified after it is put into a body."""
    return copy.deepcopy(dice.choice(VALUES))


def spoilt(body: Any, dice: random.Random) -> Any:
    """Return the body with one to three places changed, added or removed."""
    made = json.loads(json.dumps(body))
    for _ in range(dice.randint(1, 3)):
        *way, last = dice.choice(list(paths(made)))
        place = made
        for key in way:
            place = place[key]
        match dice.randrange(4):
            case 0 | 1:
                place[last] = any_value(dice)
            case 2 if isinstance(place, dict):
                place[str(dice.choice(VALUES))[:100]] = any_value(dice)
            case _:
                del place[last]
        if not made:
            break
    return made


def bodies(base: dict[str, Any], dice: random.Random) -> Iterator[bytes]:
    yield from RAW
    while True:
        text = json.dumps(spoilt(base, dice), ensure_ascii=dice.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        )
        match dice.randrange(6):
            case 0:
                text = text[: dice.randrange(len(text) + 1)]
            case 1:
                at = dice.randrange(len(text) + 1)
                text = text[:at] + dice.randbytes(dice.randint(1, 4)) + text[at + 1 :]
            case 2:
                literal = b": " + dice.choice(LITERALS)
                text = re.sub(rb": (1|64|128)\b", lambda _, literal=literal: literal, text, count=1)
            case 3:
                text = text.replace(b"{", b'{"prompt": "a", ', 1)
        yield text


@pytest.fixture
def guided_client(config: ServiceConfig, graph: Graph, tmp_path: Path) -> httpx.AsyncClient:
    """Return a client of a service whose layers may have references, poses and LoRAs."""
    limits = config.limits.model_copy(update={"max_image_size": 512})
    mine = guided(config.model_copy(update={"limits": limits}), tmp_path / "loras")
    transport = httpx.ASGITransport(served(build_http(mine, graph)))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.mark.parametrize("route", BODIES)
async def test_each_is_accepted_before_it_is_spoilt(guided_client: httpx.AsyncClient, route: str) -> None:
    response = await guided_client.post(route, json=BODIES[route])
    assert response.is_success, response.text


@pytest.mark.timeout(600)
@pytest.mark.parametrize("route", BODIES)
async def test_a_hostile_body(guided_client: httpx.AsyncClient, route: str) -> None:
    dice = random.Random(route)
    corpus = bodies(BODIES[route], dice)

    async def send(body: bytes) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        response = await guided_client.post(route, content=body, headers=headers)
        assert response.status_code < 500, (response.status_code, body[:300], response.text[:300])
        if response.status_code >= 400:
            error = response.json()["error"]
            assert set(error) == {"type", "code", "message", "param", "request_id"}
            assert not SECRETS.search(response.text), (body[:300], response.text)
            response.headers["x-request-id"].encode("ascii")

    sent = 0
    while sent < CORPUS // len(BODIES):
        batch = [next(corpus) for _ in range(8)]
        await asyncio.gather(*map(send, batch))
        sent += len(batch)


async def test_the_corpus_is_not_all_refused_and_not_all_accepted(client: httpx.AsyncClient) -> None:
    corpus, dice = [], random.Random(1)
    source = bodies(BODIES["/v1/backgrounds"], dice)
    corpus = [next(source) for _ in range(len(RAW) + 30)][len(RAW) :]
    headers = {"Content-Type": "application/json"}
    statuses = {
        (await client.post("/v1/backgrounds", content=body, headers=headers)).status_code for body in corpus
    }
    assert {200, 400, 422} <= statuses
