"""Mutated files, bodies, headers, paths and queries at the whole edge: no 500, and errors in our format.

The short run is a seed of each; the long one (`-m slow`) asks 20,000 times. A failure prints the seed of the
one input, and `PYTEST_FUZZ_SEED` starts elsewhere.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest
from starlette.types import ASGIApp

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.plain_headers import PlainHeaders
from serve.ingress import build_http
from tests.support.fuzzed_headers import HEADERS, SEEN, plain
from tests.support.hostile_bodies import BODIES, LORAS, guided
from tests.support.local_service import served
from tests.support.mutations import NUMBERS, mutated_bytes, mutated_json, with_chunk, with_tag
from tests.support.picture_files import FILES, PLACE, TAG
from tests.support.scene_requests import SCENE, SMALL

FIRST_SEED = int(os.environ.get("PYTEST_FUZZ_SEED", "1"))
SHORT, LONG = 150, 20_000
EDGE = "http://localhost"
"""Goes before each path, since a path that begins with two slashes would name another host."""
GUARDED = "http://keys.localhost"
CORPUS = tuple(FILES.values())
TAGS = [
    json.loads(TAG % (layer, mode)) for layer in ("character", "background") for mode in ("cutout", "paste")
]
OPTIONS: dict[str, Any] = {
    "merge": {"mode": "paste", "width": 64, "height": 64, "position": "left", "scale": 1.0, "contrast": 1.0},
    "output": {"format": "png"},
}
EDIT: dict[str, Any] = {"prompt": "a | b", "num_inference_steps": 1, "seed": 1, "size": "64x64"}
PATHS = (
    *(
        *BODIES,
        "/v1/jobs",
        "/v1/pictures",
        "/v1/pictures/pic_0",
        "/v1/images/edits",
        "/v1/models",
        "/v1/models/x",
    ),
    *("/healthz", "/readyz", "/", "/openapi.json"),
)


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

    def behind(authentication: str) -> httpx.ASGITransport:
        asked = ServiceConfig.model_validate(data | {"authentication": authentication})
        sending = guided(asked, tmp_path / "loras")
        app: ASGIApp = PlainHeaders(served(build_http(sending, graph)))
        return httpx.ASGITransport(app)

    open_keys(tmp_path).create("one", ("generate", "jobs"))
    async with httpx.AsyncClient(
        transport=behind("off"), mounts={GUARDED: behind("required")}, base_url=EDGE, timeout=60
    ) as client:
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


async def upload_file(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Upload a damaged file, then request it by an id that is nearly right."""
    data = mutated_bytes(chance, with_chunk(chance, chance.choice(CORPUS)), CORPUS)
    field = chance.choice(("file", "file", "file", "url", ""))
    response = await edge.post("/v1/pictures", files={field: ("p.png", data)})
    if response.status_code != 200 or chance.random() < 0.5:
        return response
    kept = response.json()["id"].encode()
    name = quote_from_bytes(mutated_bytes(chance, kept, (kept,)) if chance.random() < 0.5 else kept)
    method = chance.choice(("GET", "HEAD", "DELETE"))
    return await edge.request(method, f"/v1/pictures/{name}", headers=any_headers(chance))


async def edit_picture(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Edit a picture with OpenAI's form, in which a file, a name or a text is nearly right."""

    def file(whole: bytes) -> bytes:
        return mutated_bytes(chance, whole, CORPUS) if chance.random() < 0.4 else whole

    texts = {name: str(value) for name, value in EDIT.items()}
    if chance.random() < 0.6:
        name = chance.choice((*texts, "merge[width]", "merge[mode][x]", "strength", "background", "url", "n"))
        texts[name] = chance.choice(
            ("", "null", "NaN", "1e400", "-1", "0.5", "2", "transparent", "[", '"', "\x00")
        )
    parts: list[tuple[str, Any]] = [("image", ("i.png", file(FILES["png"])))]
    if chance.random() < 0.6:
        parts.append(("mask", ("m.png", file(FILES["png with alpha"]))))
    if chance.random() < 0.2:
        name = chance.choice(("image[]", "image[1]", "mask", "markup", "prompt", "image[", "\xff"))
        parts.append((name, chance.choice((("x", b""), (None, b""), (None, b"null"), ("x", PLACE)))))
    return await edge.post("/v1/images/edits", data=texts, files=parts)


async def start_from_pictures(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Paint from pictures whose files, base64 or ids are nearly right."""

    def picture() -> dict[str, Any]:
        data = mutated_bytes(chance, FILES["png"], CORPUS) if chance.random() < 0.4 else FILES["png"]
        text = base64.b64encode(data + b"\0" * chance.choice((0, 0, 20_000))).decode()
        if chance.random() < 0.3:
            text = plain(mutated_bytes(chance, text.encode(), (b"=", b"\\/", b"-_"))).decode("latin-1")
        return {"b64_json": text} if chance.random() < 0.8 else {"id": "pic_" + text[:64].lower()}

    start = {"image": picture(), "mask": picture(), "strength": chance.choice((0.1, 1, 0, 2, "0.5"))}
    kept = {name: start[name] for name in start if chance.random() < 0.7}
    body = chance.choice(
        (
            ("/v1/backgrounds", BODIES["/v1/backgrounds"] | kept),
            ("/v1/characters", BODIES["/v1/characters"] | kept),
            ("/v1/jobs", {"scenes": [BODIES["/v1/scenes"] | {"background": {"prompt": "b", **kept}}]}),
        )
    )
    return await edge.post(body[0], json=body[1])


async def paint_with_loras(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Paint with a list of LoRAs that is nearly right."""
    layer = SMALL | (LORAS if chance.random() < 0.3 else {"loras": mutated_json(chance, LORAS["loras"])})
    path, body = chance.choice(
        (
            ("/v1/characters", layer),
            ("/v1/backgrounds", layer),
            ("/v1/scenes", SCENE | {"character": layer}),
            ("/v1/jobs", {"scenes": [SCENE | {"background": layer}]}),
        )
    )
    return await edge.post(path, json=body)


async def send_coded(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    path, body = chance.choice(list(BODIES.items()))
    coding = chance.choice(("gzip", "x-gzip", "deflate", "GZIP", "gzip, gzip", "br"))
    content = json.dumps(body).encode()
    content = gzip.compress(content) if "gzip" in coding.lower() else zlib.compress(content)
    if chance.random() < 0.8:
        content = mutated_bytes(chance, content, (content, gzip.compress(b"[" * 1_000)))
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    return await edge.post(path, content=content, headers=headers)


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
    method = chance.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
    content = b"{}" if method in ("POST", "PUT", "PATCH") else None
    return await edge.request(method, EDGE + path, headers=any_headers(chance), content=content)


async def send_head_of_work(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Send any headers with a valid body, since some of them are returned in the response."""
    path, body = chance.choice(list(BODIES.items()))
    headers = [(b"content-type", b"application/json"), *any_headers(chance)]
    return await edge.post(path, headers=headers, content=json.dumps(body).encode())


async def request_of_jobs(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Request ended jobs with paths, cursors and event ids that are nearly right."""
    jobs = (await edge.get("/v1/jobs", params={"limit": 1})).json()
    if not jobs["next"]:
        for _ in range(2):
            made = (await edge.post("/v1/jobs", json=BODIES["/v1/jobs"])).json()
            await edge.delete(f"/v1/jobs/{made['id']}")
        return await request_of_jobs(edge, chance)
    job = jobs["data"][0]["id"]
    reported, cursor = f"{job}.1".encode(), jobs["next"].encode()

    def nearly(right: bytes) -> bytes:
        return mutated_bytes(chance, right, (reported, cursor)) if chance.random() < 0.8 else right

    path = chance.choice(
        (f"/v1/jobs/{job}/events", f"/v1/jobs/{job}/scenes/0", f"/v1/jobs/{job}", "/v1/jobs")
    )
    if path == "/v1/jobs":
        path += f"?limit={chance.choice(NUMBERS)}&after={quote_from_bytes(nearly(cursor))}"
    elif chance.random() < 0.5:
        path = "/" + quote_from_bytes(nearly(path.encode()))
    headers = [(b"last-event-id", plain(nearly(reported))), *any_headers(chance)]
    return await edge.request(chance.choice(("GET", "HEAD")), EDGE + path, headers=headers)


async def offer_key(edge: httpx.AsyncClient, chance: random.Random) -> httpx.Response:
    """Send a request that needs a key, with an invalid one."""
    offered = b"Bearer sw_0123abcd_" + b"a" * 43
    headers = [*any_headers(chance), (b"authorization", plain(mutated_bytes(chance, offered, (offered,))))]
    return await edge.get(GUARDED + chance.choice(PATHS), headers=headers)


def any_headers(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Return up to five headers of those that some code reads."""
    return [
        (
            chance.choice(HEADERS).encode(),
            chance.choice(SEEN) if chance.random() < 0.3 else plain(chance.randbytes(chance.randint(0, 60))),
        )
        for _ in range(chance.randint(0, 5))
    ]


HOW = {
    "files": merge_files,
    "uploads": upload_file,
    "edits": edit_picture,
    "start pictures": start_from_pictures,
    "loras": paint_with_loras,
    "bodies": send_body,
    "coded bodies": send_coded,
    "heads": send_head,
    "heads of work": send_head_of_work,
    "jobs": request_of_jobs,
    "keys": offer_key,
}
SHARES = {"files": 0.4, "bodies": 0.15, "heads": 0.15, "coded bodies": 0.1, "jobs": 0.1}


async def fuzz(edge: httpx.AsyncClient, how: str, times: int) -> Counter[int]:
    """Send so many requests. Fails with the seed of the first input whose response is wrong."""
    counts: Counter[int] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + times):
        response = await HOW[how](edge, random.Random(f"{how} {seed}"))
        counts[response.status_code] += 1
        assert response.status_code not in (500, 502), (seed, response.text[:300])
        assert response.headers["x-request-id"], seed
        if response.status_code >= 400 and response.request.method != "HEAD":
            error = response.json()["error"]
            assert error.keys() == {"type", "code", "message", "param", "request_id"}, seed
            assert error["code"] != "internal", seed
    return counts


@pytest.mark.parametrize("how", HOW)
async def test_a_seed_of_each(edge: httpx.AsyncClient, how: str) -> None:
    counts = await fuzz(edge, how, SHORT)
    assert len(counts) > 1, "some requests pass, and some are refused"


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("how", HOW)
async def test_twenty_thousand(edge: httpx.AsyncClient, how: str) -> None:
    counts = await fuzz(edge, how, int(LONG * SHARES.get(how, 0.05)))
    print(how, dict(counts))
