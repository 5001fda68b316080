"""Mutated files, bodies, headers, paths and queries at the whole edge: no 500, and every refusal in our form.

The short run is a seed of each; the long one (`-m slow`) asks 20,000 times. A failure prints the seed of the
one input, and `PYTEST_FUZZ_SEED` starts elsewhere.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest
from starlette.types import ASGIApp

from serve.config import ServiceConfig
from serve.http.plain_headers import PlainHeaders
from serve.ingress import build_http
from serve.scene import Graph

from ..deployments.imaging.files.test_mutations import FILES, PLACE, TAG
from .conftest import served
from .mutations import mutated_bytes, mutated_json, with_chunk, with_tag
from .test_hostile_bodies import BODIES

FIRST_SEED = int(os.environ.get("PYTEST_FUZZ_SEED", "1"))
SHORT, LONG = 150, 20_000
CORPUS = tuple(FILES.values())
TAGS = [
    json.loads(TAG % (layer, mode)) for layer in ("character", "background") for mode in ("cutout", "paste")
]
OPTIONS: dict[str, Any] = {
    "merge": {"mode": "paste", "width": 64, "height": 64, "position": "left", "scale": 1.0, "contrast": 1.0},
    "output": {"format": "png"},
}
PATHS = (*BODIES, "/v1/jobs", "/v1/models", "/v1/models/x", "/healthz", "/readyz", "/", "/openapi.json")
HEADERS = (
    *("host", "origin", "accept", "accept-encoding", "content-type", "content-encoding", "content-length"),
    *("authorization", "x-request-id", "x-session-id", "serve_multiplexed_model_id", "idempotency-key"),
    *(
        "last-event-id",
        "traceparent",
        "tracestate",
        "sec-fetch-site",
        "x-forwarded-host",
        "x-forwarded-prefix",
    ),
    *("x-request-timeout-seconds", "x-request-disconnect-disabled", "if-none-match", "range", "expect"),
)
SEEN = (b"application/json", b"*/*", b"image/png;q=0.5", b"text/event-stream", b"localhost", b"gzip", b"1")


@pytest.fixture
async def edge(config: ServiceConfig, graph: Graph, tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    data = config.model_dump() | {"state_dir": str(tmp_path)}
    data["limits"] |= {"max_upload_pixels": 100_000, "max_image_size": 128, "max_steps": 8}
    for kind in ("character", "background"):
        data[kind]["defaults"] = {
            "num_inference_steps": 1,
            "guidance_scale": 6.0,
            "width": 64,
            "height": 64,
        }
    app: ASGIApp = PlainHeaders(served(build_http(ServiceConfig.model_validate(data), graph)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        yield client


async def merge_files(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    def file(whole: bytes) -> bytes:
        match chance.randrange(5):
            case 0:
                return with_chunk(chance, chance.choice(CORPUS))
            case 1:
                return with_tag(chance, FILES["png with alpha"], chance.choice(TAGS))
            case 2:
                return mutated_bytes(chance, with_chunk(chance, chance.choice(CORPUS)), CORPUS)
            case 3:
                return mutated_bytes(chance, chance.choice(CORPUS), CORPUS)
        return whole

    options = json.dumps(OPTIONS if chance.random() < 0.7 else mutated_json(chance, OPTIONS))
    files = {"character": ("c.png", file(FILES["a layer"])), "background": ("b.png", file(PLACE))}
    return await edge.post("/v1/merges", files=files, data={"options": options})


async def send_body(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    path, body = chance.choice(list(BODIES.items()))
    content = json.dumps(mutated_json(chance, body) if chance.random() < 0.6 else body).encode()
    if chance.random() < 0.5:
        content = mutated_bytes(chance, content, (content,))
    return await edge.post(path, content=content, headers={"Content-Type": "application/json"})


async def send_head(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    path = chance.choice(PATHS)
    if chance.random() < 0.5:
        path = "/" + quote_from_bytes(mutated_bytes(chance, path.encode(), (b"%2e/", b"\0", b"\xff")))
    if chance.random() < 0.5:
        path += "?" + quote_from_bytes(chance.randbytes(chance.randint(0, 40)), safe="=&%+")
    headers = [
        (
            chance.choice(HEADERS).encode(),
            chance.choice(SEEN)
            if chance.random() < 0.3
            else bytes(set(chance.randbytes(chance.randint(0, 60))) - set(b"\r\n\0")),
        )
        for _ in range(chance.randint(0, 5))
    ]
    method = chance.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
    content = b"{}" if method in ("POST", "PUT", "PATCH") else None
    return await edge.request(method, path, headers=headers, content=content)


HOW = {"files": merge_files, "bodies": send_body, "heads": send_head}


async def fuzz(edge: httpx.AsyncClient, how: str, times: int) -> Counter[int]:
    """Ask so often. Fails with the seed of the first input that was answered as it may not be."""
    counts: Counter[int] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + times):
        answer = await HOW[how](edge, random.Random(f"{how} {seed}"))
        counts[answer.status_code] += 1
        assert answer.status_code not in (500, 502), (seed, answer.text[:300])
        assert answer.headers["x-request-id"], seed
        if answer.status_code >= 400 and answer.request.method != "HEAD":
            error = answer.json()["error"]
            assert error.keys() == {"type", "code", "message", "param", "request_id"}, seed
            assert error["code"] != "internal", seed
    return counts


@pytest.mark.parametrize("how", HOW)
async def test_a_seed_of_each(edge: httpx.AsyncClient, how: str) -> None:
    counts = await fuzz(edge, how, SHORT)
    assert len(counts) > 1, "some pass, and some are refused"


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("how", "share"), [("files", 0.5), ("bodies", 0.25), ("heads", 0.25)])
async def test_twenty_thousand(edge: httpx.AsyncClient, how: str, share: float) -> None:
    counts = await fuzz(edge, how, int(LONG * share))
    print(how, dict(counts))
