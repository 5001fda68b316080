from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import Request

from serve.config.request_limits import Limits
from serve.http.body import read_bytes
from serve.http.error_responses import ClientGone, Refusal

JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def request_of(*messages: dict[str, Any], **headers: str) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw}, receive)


def part(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = await client.post("/v1/scenes", content=b"{}", headers=headers)
    assert code(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_parameter_and_capitals_do_not_matter(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/scenes", content=b"{}", headers={"Content-Type": media_type})
    assert code(response) == (422, "invalid_request")


async def test_a_body_over_the_limit_is_refused_when_announced(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", content=b" " * (MIB + 1), headers=JSON)
    assert code(response) == (413, "payload_too_large")
    assert response.json()["error"]["message"] == "the body is limited to 1048576 bytes"


async def test_a_body_over_the_limit_is_refused_when_it_comes_in_chunks(client: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b" " * 65_536

    response = await client.post("/v1/scenes", content=chunks(), headers=JSON)
    assert code(response) == (413, "payload_too_large")
    assert sent <= 18, "the rest is not read"


async def test_a_body_of_the_limit_is_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", content=b"{}".ljust(MIB), headers=JSON)
    assert code(response) == (422, "invalid_request")


async def test_a_body_that_dawdles_is_given_up(client_with: Callable[..., httpx.AsyncClient]) -> None:
    async def dawdling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await client_with(limits={"body_timeout_s": 0.05}).post(
        "/v1/scenes", content=dawdling(), headers=JSON
    )
    assert code(response) == (408, "request_timeout")


async def test_an_announcement_is_not_believed_when_it_is_too_small() -> None:
    request = request_of(part(b"12345", True), part(b"67890"), content_length="3")
    with pytest.raises(Refusal) as raised:
        await read_bytes(request, 8, 1)
    assert raised.value.status == 413


@pytest.mark.parametrize("announced", ["\u00b2", "-1", "many", "9" * 5_000, ""])
async def test_a_meaningless_announcement_is_no_fault_of_ours(announced: str) -> None:
    assert await read_bytes(request_of(part(b"1", True), part(b"2"), content_length=announced), 8, 1) == b"12"


async def test_a_client_that_leaves_in_the_middle_is_gone() -> None:
    with pytest.raises(ClientGone):
        await read_bytes(request_of(part(b"1", True), {"type": "http.disconnect"}), 8, 1)


def test_the_limits_are_the_contracts() -> None:
    assert Limits().max_json_bytes == MIB
