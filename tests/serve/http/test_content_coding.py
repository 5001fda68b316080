"""Compressed bodies: decoded within the limits of a body, or refused with the reason."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.datastructures import Headers

from serve.http.body import decoder_for
from serve.http.error_responses import Refusal
from serve.http.inflated_bodies import PIECE_BYTES
from tests.support.scene_requests import SCENE, SMALL, error_of

JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
    ("", bytes),
    ("identity, gzip", gzip.compress),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("coding", "compress"), CODINGS)
async def test_a_body_is_decoded(
    client: httpx.AsyncClient, coding: str, compress: Callable[[bytes], bytes], at_once: bool
) -> None:
    sent = compress(json.dumps(SMALL | {"seed": 5}).encode())

    async def byte_by_byte() -> AsyncIterator[bytes]:
        for byte in sent:
            yield bytes([byte])

    content = sent if at_once else byte_by_byte()
    response = await client.post(
        "/v1/characters", content=content, headers=JSON | {"Content-Encoding": coding}
    )
    assert (response.status_code, response.headers["x-seed"]) == (200, "5")


async def test_a_job_and_a_form_too(client: httpx.AsyncClient) -> None:
    packed = {"Content-Encoding": "gzip"}
    job = gzip.compress(json.dumps({"scenes": [SCENE]}).encode())
    assert (await client.post("/v1/jobs", content=job, headers=JSON | packed)).status_code == 202
    picture = BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    files = {"character": picture.getvalue(), "background": picture.getvalue()}
    form = client.build_request("POST", "/v1/merges", files=files)
    form_type = {"Content-Type": form.headers["content-type"]}
    response = await client.post("/v1/merges", content=gzip.compress(form.read()), headers=form_type | packed)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "nonsense", "\xff"]
)
@pytest.mark.parametrize("route", ["/v1/scenes", "/v1/jobs", "/v1/images/generations", "/v1/merges"])
async def test_an_unknown_coding_gets_the_known_ones(
    client: httpx.AsyncClient, coding: str, route: str
) -> None:
    kind = "multipart/form-data; boundary=x" if route == "/v1/merges" else "application/json"
    headers = {"Content-Type": kind.encode(), "Content-Encoding": coding.encode("latin-1")}
    response = await client.post(route, content=b"{}", headers=headers)
    error = error_of(response)
    assert (response.status_code, error["code"]) == (415, "unsupported_media_type")
    assert error["param"] == "Content-Encoding"
    assert response.headers["accept-encoding"] == "gzip, deflate"


async def test_another_media_type_is_not_about_codings(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (response.status_code, "accept-encoding" in response.headers) == (415, False)


@pytest.mark.parametrize(("coding", "compress"), [CODINGS[0], CODINGS[3], CODINGS[4]])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: b"",
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed + b"x",
        lambda packed: packed + packed,
        lambda packed: b'{"prompt": "a"}',
    ],
    ids=["nothing", "cut", "halved", "longer", "twice", "not packed"],
)
async def test_what_is_not_so_encoded_is_refused(
    client: httpx.AsyncClient,
    coding: str,
    compress: Callable[[bytes], bytes],
    spoil: Callable[[bytes], bytes],
) -> None:
    sent = spoil(compress(json.dumps(SMALL).encode()))
    response = await client.post("/v1/characters", content=sent, headers=JSON | {"Content-Encoding": coding})
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (
        400,
        "invalid_request",
        "Content-Encoding",
    )


@pytest.mark.parametrize(("route", "limit"), [("/v1/scenes", MIB), ("/v1/jobs", 8 * MIB)])
async def test_a_bomb_is_too_large(client: httpx.AsyncClient, route: str, limit: int) -> None:
    packer = zlib.compressobj()
    bomb = packer.compress(b" " * (limit + 1)) + packer.flush()
    assert len(bomb) < limit / 500
    response = await client.post(route, content=bomb, headers=JSON | {"Content-Encoding": "deflate"})
    assert (response.status_code, error_of(response)["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("coding", "piece", "start"),
    [
        ("deflate", b"\0\0\0\xff\xff" * 10_000, b""),  # empty blocks
        ("gzip", b"n" * 50_000, b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"),  # a file name that never ends
    ],
)
async def test_a_body_that_holds_nothing_has_an_end_too(
    client: httpx.AsyncClient, coding: str, piece: bytes, start: bytes
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield start
        while sent < 4 * MIB:
            sent += len(piece)
            yield piece

    response = await client.post("/v1/scenes", content=endless(), headers=JSON | {"Content-Encoding": coding})
    assert (response.status_code, error_of(response)["code"]) == (413, "payload_too_large")
    assert sent < 2 * MIB


@pytest.mark.parametrize("packed", [gzip.compress(b"\0" * (64 * MIB)), raw_deflate(b"\0" * MIB)])
def test_no_more_than_a_piece_is_inflated_at_once(packed: bytes) -> None:
    coding = "gzip" if packed.startswith(b"\x1f\x8b") else "deflate"
    pieces: Any = decoder_for(Headers({"Content-Encoding": coding})).feed(packed)
    assert [len(next(pieces)) for _ in range(3)] == [PIECE_BYTES] * 3
    assert {len(piece) for piece in pieces} <= {*range(1, PIECE_BYTES + 1)}


def test_a_large_body_is_cut_into_pieces() -> None:
    body = bytes(range(256)) * 1_000
    pieces = [*decoder_for(Headers({})).feed(body)]
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) == PIECE_BYTES


def test_all_headers_of_that_name_count() -> None:
    both = Headers(raw=[(b"content-encoding", b"gzip"), (b"content-encoding", b"br")])
    with pytest.raises(Refusal):
        decoder_for(both)
