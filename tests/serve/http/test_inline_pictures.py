"""Pictures in a JSON body: long ones are taken out before it is parsed, which does not change its meaning."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.config.request_limits import Limits
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.inline_pictures import LEAST_BYTES, MOST_KEYS, decode_base64, without_pictures
from serve.http.strict_json import WINDOW_BYTES, InvalidJson, decode
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.scene_requests import error_of

MIB = 1 << 20
NOISE = random.Random(3).randbytes(4 * MIB)
LONG = base64.b64encode(NOISE[: 2 * LEAST_BYTES]).decode()


def read(body: bytes) -> Any:
    rest, pictures = without_pictures(body)
    return decode(rest, texts=pictures)


@pytest.mark.parametrize("separators", [(",", ":"), (" ,\n ", " :\t ")])
@pytest.mark.parametrize(
    "value",
    [
        {"b64_json": LONG},
        {"a": [{"b64_json": LONG}, {"b64_json": LONG[4:]}], "b64_json": "short"},
        {"x": 'a \\"b64_json": "', "b64_json": LONG, "y": {"b64_json": ""}},
        {'x"b64_json': LONG},
        {"b64_json": {"b64_json": LONG}},
        {"b64_json": [LONG], "c": None},
        {"b64_json": "\u00e9" * 2 * LEAST_BYTES},
        {"b64_json": LONG + "\n"},
        {"b64_json": "\\" * 2 * LEAST_BYTES},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_means_the_same(value: Any, separators: tuple[str, str]) -> None:
    body = json.dumps(value, separators=separators).encode()
    assert read(body) == value
    assert read(body.replace(b"/", b"\\/")) == value, "as PHP writes a slash"


def outcome(reads: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return reads(body)
    except InvalidJson:
        return "refused"


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.integers(0, 2 * WINDOW_BYTES))
def test_whatever_stands_around_it(around: bytes, at: int) -> None:
    body = b'{"pad": "%s", "b64_json": "%s"}' % (b" " * at, LONG.encode())
    body = body[: at // 2] + around + body[at // 2 :]
    assert outcome(read, body) == outcome(decode, body)


def test_long_pictures_are_taken_out_and_short_ones_are_not() -> None:
    body = json.dumps({"b64_json": LONG, "a": {"b64_json": LONG[: LEAST_BYTES // 2]}}).encode()
    rest, pictures = without_pictures(body)
    assert list(pictures.values()) == [LONG] and LONG.encode() not in rest and len(rest) < LEAST_BYTES


def test_very_many_keys_are_not_looked_through() -> None:
    body = b'{"a": [' + b'{"b64_json": ""},' * MOST_KEYS + b'{"b64_json": "%s"}]}' % LONG.encode()
    assert without_pictures(body) == (body, {})


def test_base64_in_pieces_is_base64() -> None:
    for size in (0, 1, 2, 3, WINDOW_BYTES, 3 * WINDOW_BYTES // 4, 3 * WINDOW_BYTES // 4 + 1, 200_001):
        assert decode_base64(base64.b64encode(NOISE[:size]).decode()) == NOISE[:size]
    whole = "A" * WINDOW_BYTES
    for text in ("A", "AAA=A", "AA==" * 2, whole[:-2] + "==" + "AAAA", whole + "A", "é" * 4, "AA\nA", "-_-_"):
        with pytest.raises(ValueError, match=r"."):
            decode_base64(text)


LAYER = {"prompt": "a", "num_inference_steps": 1, "width": 64, "height": 64}


def of(size: int) -> dict[str, Any]:
    """Return a layer whose picture is an invalid file of so many bytes."""
    return LAYER | {"image": {"b64_json": base64.b64encode(NOISE[:size]).decode()}}


async def refused(client: httpx.AsyncClient, path: str, body: Any) -> tuple[int, str, str | None]:
    response = await client.post(path, json=body)
    return response.status_code, error_of(response)["code"], error_of(response)["param"]


@pytest.mark.parametrize("size", [MIB // 2, MIB, 2 * MIB, 4 * MIB])
async def test_a_picture_may_be_so_large(client: httpx.AsyncClient, size: int) -> None:
    """It is decoded as a file, and refused as an invalid one."""
    assert Limits().max_inline_bytes == 4 * MIB
    for path, body, param in (
        ("/v1/backgrounds", of(size), "image"),
        ("/v1/scenes", {"character": "a", "background": of(size)}, "background.image"),
        ("/v1/jobs", {"scenes": [{"character": of(size), "background": "b"}]}, "scenes.0.character.image"),
        (
            "/v1/images/generations",
            {"prompt": "", "character": "a", "background": of(size)},
            "background.image",
        ),
    ):
        assert await refused(client, path, body) == (422, "invalid_request", f"{param}.b64_json")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_larger_one_is_refused_and_the_uploads_are_named(
    client: httpx.AsyncClient, announced: bool
) -> None:
    half = base64.b64encode(NOISE[: 2 * MIB + 60_000]).decode()
    pictures = {"image": {"b64_json": half}, "mask": {"b64_json": half}}
    content = json.dumps(LAYER | pictures).encode()

    async def pieces() -> Any:
        yield content

    for body in (content, content + b" " * MIB):
        response = await client.post(
            "/v1/backgrounds",
            content=body if announced else pieces(),
            headers={"Content-Type": "application/json"},
        )
        error = error_of(response)
        assert (response.status_code, error["code"]) == (413, "payload_too_large")
        assert "/v1/pictures" in error["message"] and str(4 * MIB) in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        LAYER | {"prompt": "a" * 2 * MIB},
        LAYER | {"negative_prompt": "\u00e9" * MIB},
        of(MIB) | {"prompt": "a" * 2 * MIB},
        LAYER | {"image": {"b64_json": "\u00e9" * MIB}},
    ],
    ids=["words", "escapes", "words beside a picture", "a picture that is not base64"],
)
async def test_what_is_no_picture_may_be_no_larger_than_before(client: httpx.AsyncClient, body: Any) -> None:
    assert (await refused(client, "/v1/backgrounds", body))[:2] == (413, "payload_too_large")


async def test_no_body_is_longer_than_an_upload_may_be(config: ServiceConfig, graph: Graph) -> None:
    data = config.model_dump()
    data["limits"] |= {"max_upload_bytes": MIB, "max_json_bytes": MIB // 2}
    app = served(build_http(ServiceConfig.model_validate(data), graph))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert (await refused(client, "/v1/backgrounds", of(MIB // 2)))[0] == 422
        assert (await refused(client, "/v1/backgrounds", of(MIB)))[:2] == (413, "payload_too_large")
