"""Read server-sent events from a response, as section 9.2.6 of the HTML standard specifies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

MAX_LINE_BYTES = 64 << 20
"""An event carries a whole picture in base64."""


@dataclass(frozen=True)
class Event:
    name: str
    data: str


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """Yield the events, skipping comments, ids and retry times.

    Raises ValueError for a line that is too long.
    """
    name, data = "message", list[str]()
    async for line in _lines(response):
        if not line:
            if data:
                yield Event(name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """Yield lines. aiohttp's own line reader stops at 512 KiB, less than a picture."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield b"".join([*pieces, piece]).removesuffix(b"\r").decode("utf-8", "replace")
            pieces, size = [], 0
        pieces.append(rest)
        size += len(rest)
        if size > MAX_LINE_BYTES:
            raise ValueError("a line of the event stream is too long")
