"""Read a request's body, and see whether its sender is still there.

A body's media type, size and time are checked before any of it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ..config.request_limits import Limits
from .body_limits import announced_bytes, holding, json_body_bytes
from .error_responses import ACCEPTED_CODINGS, CODING, ClientGone, Refusal, first_fault
from .inflated_bodies import MOST_EMPTY_BYTES, PIECE_BYTES, Inflated
from .inline_pictures import file_bytes, may_hold_pictures, without_pictures
from .off_loop import off_loop
from .strict_json import AT_ONCE_BYTES, Body, decode, digest_of

Shape = TypeVar("Shape", bound=BaseModel)
Result = TypeVar("Result")


class Decoder(Protocol):
    """Decodes a body as it arrives."""

    def feed(self, sent: bytes) -> Iterator[bytes]:
        """Yield decoded pieces of at most PIECE_BYTES. Raises Refusal 400 if the encoding is invalid."""

    def finish(self) -> None:
        """Raise Refusal 400 if the body is incomplete."""


def decoder_for(headers: Headers) -> Decoder:
    """Choose a decoder by Content-Encoding. Raises Refusal 415 for unknown codings."""
    named = [coding.strip().lower() for coding in ",".join(headers.getlist(CODING)).split(",")]
    codings = [coding.removeprefix("x-") for coding in named if coding not in ("", "identity")]
    if not codings:
        return AsItIs()
    if len(codings) == 1 and codings[0] in ACCEPTED_CODINGS:
        return Inflated(codings[0])
    message = f"send the body uncompressed, or with one Content-Encoding: {' or '.join(ACCEPTED_CODINGS)}"
    raise Refusal(415, "unsupported_media_type", message, CODING)


class AsItIs:
    """Reads a body that is not compressed."""

    def feed(self, sent: bytes) -> Iterator[bytes]:
        """Cut the body into pieces."""
        for start in range(0, len(sent), PIECE_BYTES):
            yield sent[start : start + PIECE_BYTES]

    def finish(self) -> None:
        """Do nothing: an uncompressed body has no end mark that could be missing."""


async def accept(request: Request, shape: type[Shape], limits: Limits) -> Shape:
    """Read a request's body as `shape`. Raises Refusal, InvalidJson, and InvalidRequest naming the field."""
    return await understand(await read_json(request, limits), limits, lambda body: parse(body, shape))


async def accept_with_digest(
    request: Request, shape: type[Shape], limits: Limits, wanted: bool = True
) -> tuple[Shape, str]:
    """Read a request's body as `shape`, and return it with the digest of its content, empty unless `wanted`.

    Raises what accept raises.
    """
    if not wanted:
        return await accept(request, shape, limits), ""
    data = await read_json(request, limits)
    return await understand(data, limits, lambda body: (parse(body, shape), digest_of(body)))


async def understand(data: Body, limits: Limits, read: Callable[[Any], Result]) -> Result:
    """Decode JSON and pass it to `read`: here if it is small, else off the event loop.

    Raises InvalidJson, and Refusal 413.
    """

    def read_decoded() -> Result:
        return read(decode(data, limits.max_json_values))

    def read_long() -> Result:
        body, pictures = without_pictures(data)
        if len(body) > limits.max_json_bytes or file_bytes(pictures) > limits.max_inline_bytes:
            raise _too_much_json(limits)
        return read(decode(body, limits.max_json_values, pictures))

    return read_decoded() if len(data) <= AT_ONCE_BYTES else await off_loop(read_long)


def parse(body: Any, shape: type[Shape]) -> Shape:
    """Return the body as `shape`. Raises InvalidRequest naming the first field at fault."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        fault = first_fault(error)
    raise fault  # Raised here it has no context, which would keep the whole body alive.


async def read_json(request: Request, limits: Limits) -> bytearray:
    """Return the body of a request that declares JSON. Raises Refusal (408, 413, 415).

    A body with pictures inside may be longer. `understand` bounds its length without them.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, "unsupported_media_type", "send the body as Content-Type: application/json")
    most_bytes = limits.max_json_bytes

    def check(body: bytearray) -> None:
        if most_bytes < len(body) <= most_bytes + PIECE_BYTES and not may_hold_pictures(body):
            raise _too_large(most_bytes)

    whole_bytes, too_large = json_body_bytes(limits), partial(_too_much_json, limits)
    return await read_bytes(request, whole_bytes, limits.body_timeout_s, check, too_large)


async def read_bytes(
    request: Request,
    max_bytes: int,
    timeout_s: float,
    check: Callable[[bytearray], None] = lambda body: None,
    too_large: Callable[[], Refusal] | None = None,
) -> bytearray:
    """Return the whole body without copying it, which would block the event loop for milliseconds.

    After each piece `check` is called with all that has arrived so far.

    Raises Refusal: that of `too_large`, 413, as soon as the body is over the limit, announced or not; 408
    if it is late.
    """
    body = bytearray()
    async with in_time(timeout_s):
        async for chunk in bounded(request, max_bytes, too_large):
            body += chunk
            check(body)
    return body


async def bounded(
    request: Request, max_bytes: int, too_large: Callable[[], Refusal] | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the decompressed body in pieces, letting other tasks run between them.

    The compressed bytes are bounded too: a compressed body could go on for ever without any content.
    Raises Refusal: 413, before the first piece if the length was announced; 415 and 400 for the encoding.
    Raises Overloaded if all bodies together would exceed their limit (http/body_limits.py).
    """
    too_large = too_large or partial(_too_large, max_bytes)
    decoder = decoder_for(request.headers)
    if announced_bytes(request.headers) > max_bytes:
        raise too_large()
    hold = holding(request.scope, request.headers, max_bytes)
    sent = received = 0
    async for chunk in request.stream():
        if sent > received + MOST_EMPTY_BYTES:
            raise too_large()
        sent += len(chunk)
        if sent > max_bytes:
            raise too_large()
        for piece in decoder.feed(chunk):
            received += len(piece)
            if received > max_bytes:
                raise too_large()
            hold(received)
            yield piece
            if received > PIECE_BYTES:
                await asyncio.sleep(0)
    decoder.finish()


def _too_much_json(limits: Limits) -> Refusal:
    message = (
        f"the body is limited to {limits.max_json_bytes} bytes, plus {limits.max_inline_bytes} bytes of"
        " picture files: upload larger pictures to /v1/pictures and refer to them by their ids"
    )
    return Refusal(413, "payload_too_large", message)


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(413, "payload_too_large", f"the body is limited to {max_bytes} bytes")


@asynccontextmanager
async def in_time(timeout_s: float) -> AsyncGenerator[None, None]:
    """Bound the time for reading a body inside the block.

    Raises Refusal (408) if the body is late, ClientGone if its sender leaves.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise Refusal(408, "request_timeout", f"the body did not arrive within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise ClientGone from None


async def abandon_with_client(request: Request, read_decoded: Coroutine[Any, Any, Result]) -> Result:
    """Return the work's result.

    If the client hangs up first, cancel the work and raise ClientGone.
    """
    working = asyncio.ensure_future(read_decoded)
    leaving = asyncio.ensure_future(hang_up(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        # Wait for both: asyncio logs a task's error that was never retrieved.
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def hang_up(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
