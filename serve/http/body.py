"""Read a request's body: type, size and time are bounded before a byte of it is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from ..config.service_config import Limits
from .body_budget import announced_bytes, holding
from .content_coding import PIECE_BYTES, decoder_for
from .disconnects import ClientGone
from .error_responses import Refusal, first_fault
from .off_loop import off_loop
from .strict_json import AT_ONCE_BYTES, decode

Asked = TypeVar("Asked", bound=BaseModel)
Result = TypeVar("Result")


async def accept(request: Request, shape: type[Asked], limits: Limits) -> Asked:
    """Read a request's body as `shape`. Raises Refusal, InvalidJson, and InvalidRequest naming the field."""
    return await understand(await read_json(request, limits), limits, lambda body: parse(body, shape))


async def understand(data: bytes, limits: Limits, read: Callable[[Any], Result]) -> Result:
    """Decode JSON and hand it to `read`: here if it is small, else off the event loop. Raises InvalidJson."""

    def work() -> Result:
        return read(decode(data, limits.max_json_values))

    return work() if len(data) <= AT_ONCE_BYTES else await off_loop(work)


def parse(body: Any, shape: type[Asked]) -> Asked:
    """Return the body as `shape`. Raises InvalidRequest naming the first field at fault."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        raise first_fault(error) from None


async def read_json(request: Request, limits: Limits) -> bytes:
    """Return the body of a request that says it is JSON. Raises Refusal (408, 413, 415)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, "unsupported_media_type", "send the body as Content-Type: application/json")
    return await read_bytes(request, limits.max_json_bytes, limits.body_timeout_s)


async def read_bytes(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """Return the whole body.

    Raises Refusal: 413 as soon as the body is over the limit, announced or not, 408 when it is late.
    """
    body = bytearray()
    async with in_time(timeout_s):
        async for chunk in bounded(request, max_bytes):
            body += chunk
    return bytes(body)


async def bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces, decompressed, letting others run between them.

    It is bounded as it is sent too: a compressed body may go on for ever and hold nothing.
    Raises Refusal: 413, before the first where its length was announced; 415 and 400 for how it is encoded.
    Raises Overloaded where it grows over what all bodies may hold (http/body_budget.py).
    """
    decoder = decoder_for(request.headers)
    too_large = Refusal(413, "payload_too_large", f"the body is limited to {max_bytes} bytes")
    if announced_bytes(request.headers) > max_bytes:
        raise too_large
    hold = holding(request.scope, request.headers, max_bytes)
    sent = received = 0
    async for chunk in request.stream():
        sent += len(chunk)
        if sent > max_bytes:
            raise too_large
        for piece in decoder.feed(chunk):
            received += len(piece)
            if received > max_bytes:
                raise too_large
            hold(received)
            yield piece
            if received > PIECE_BYTES:
                await asyncio.sleep(0)
    decoder.finish()


@asynccontextmanager
async def in_time(timeout_s: float) -> AsyncGenerator[None, None]:
    """Bound the time of reading a body inside.

    Raises Refusal (408) when it is late, ClientGone when its sender leaves.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise Refusal(408, "request_timeout", f"the body did not arrive within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise ClientGone from None
