"""Read a request's body, and see whether its sender is still there.

Type, size and time are bounded before a byte of the body is believed.
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
    """Turns what is sent into what is meant."""

    def feed(self, sent: bytes) -> Iterator[bytes]:
        """Yield pieces of at most PIECE_BYTES. Raises Refusal 400 for what is not so encoded."""

    def finish(self) -> None:
        """Raise Refusal 400 where more was to come."""


def decoder_for(headers: Headers) -> Decoder:
    """Choose by Content-Encoding. Raises Refusal 415 for codings that are not known here."""
    named = [coding.strip().lower() for coding in ",".join(headers.getlist(CODING)).split(",")]
    codings = [coding.removeprefix("x-") for coding in named if coding not in ("", "identity")]
    if not codings:
        return AsItIs()
    if len(codings) == 1 and codings[0] in ACCEPTED_CODINGS:
        return Inflated(codings[0])
    message = f"a body is sent as it is, or with one Content-Encoding of {' and '.join(ACCEPTED_CODINGS)}"
    raise Refusal(415, "unsupported_media_type", message, CODING)


class AsItIs:
    """Reads a body that is not compressed."""

    def feed(self, sent: bytes) -> Iterator[bytes]:
        """Cut the body into pieces."""
        for start in range(0, len(sent), PIECE_BYTES):
            yield sent[start : start + PIECE_BYTES]

    def finish(self) -> None:
        """Do nothing: nothing can be missing."""


async def accept(request: Request, shape: type[Shape], limits: Limits) -> Shape:
    """Read a request's body as `shape`. Raises Refusal, InvalidJson, and InvalidRequest naming the field."""
    return await understand(await read_json(request, limits), limits, lambda body: parse(body, shape))


async def accept_with_digest(
    request: Request, shape: type[Shape], limits: Limits, wanted: bool = True
) -> tuple[Shape, str]:
    """Read a request's body as `shape`, and return the digest of what it says, empty where it is not wanted.

    Raises what accept raises.
    """
    if not wanted:
        return await accept(request, shape, limits), ""
    data = await read_json(request, limits)
    return await understand(data, limits, lambda body: (parse(body, shape), digest_of(body)))


async def understand(data: Body, limits: Limits, read: Callable[[Any], Result]) -> Result:
    """Decode JSON and hand it to `read`: here if it is small, else off the event loop.

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
    raise fault  # Here it has no context, which would hold all of the body.


async def read_json(request: Request, limits: Limits) -> bytearray:
    """Return the body of a request that says it is JSON. Raises Refusal (408, 413, 415).

    One with pictures inside may be longer; `understand` bounds what it is without them.
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
    """Return the whole body, and no copy of it, which would stop the event loop for milliseconds.

    `check` is given each piece of it with all before.

    Raises Refusal: that of `too_large`, 413, as soon as the body is over the limit, announced or not; 408
    when it is late.
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
    """Yield the body in pieces, decompressed, letting others run between them.

    It is bounded as it is sent too: a compressed body may go on for ever and hold nothing.
    Raises Refusal: 413, before the first where its length was announced; 415 and 400 for how it is encoded.
    Raises Overloaded where it grows over what all bodies may hold (http/body_limits.py).
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
        f"the body is limited to {limits.max_json_bytes} bytes, and to {limits.max_inline_bytes} bytes of"
        " picture files besides: upload larger ones to /v1/pictures and name them by their ids"
    )
    return Refusal(413, "payload_too_large", message)


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(413, "payload_too_large", f"the body is limited to {max_bytes} bytes")


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
        # Both are waited for: asyncio logs an error that nobody took from a task.
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def hang_up(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
