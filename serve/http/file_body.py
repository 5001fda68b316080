"""Respond with an open file, a piece at a time, and close it however the response ends.

A client that reads nothing for a minute, or too little overall, is disconnected. Otherwise it could hold the
file for as long as it likes.

Ray Serve's own proxy takes all pieces at once, and buffers what its client has not read. So the response ends
only when the proxy reports that nothing is left (http.disconnect). Until then the file counts as being sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import BinaryIO

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..telemetry.logs import logger
from .body import hang_up

PIECE_BYTES = 256 << 10
PIECE_S = 60.0
"""The longest time for sending one piece."""
LEAST_BYTES_S = 64 << 10
"""The fewest bytes that a client must read per second, after the first PIECE_S."""


class FileBody(Response):
    """A file of `size` bytes."""

    def __init__(self, file: BinaryIO, size: int, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(None, 200, {**headers, "Content-Length": str(size)}, media_type)
        self._file, self._size = file, size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(PIECE_S + self._size / LEAST_BYTES_S):
                await self._send(send)
                await hang_up(receive)
        except TimeoutError:
            logger.warning("a client read a file of %d bytes too slowly, and was disconnected", self._size)
        finally:
            self._file.close()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
            async with asyncio.timeout(PIECE_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
