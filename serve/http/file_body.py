"""Answer with an open file, a piece at a time, and close it however the answer ends.

A reader that takes nothing for a minute, or too little over all, loses its connection: it would hold the file
for as long as it likes.

Ray Serve's own proxy takes all pieces at once, and holds what its reader has not taken. So the answer ends
only when the proxy says that nothing is left (http.disconnect), and the file counts as under way until then.
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
"""The time in which a piece is taken."""
LEAST_BYTES_S = 64 << 10
"""The bytes that a reader takes in a second at least, after the first PIECE_S."""


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
            logger.warning("a reader took too little of a file of %d bytes, and is cut off", self._size)
        finally:
            self._file.close()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
            async with asyncio.timeout(PIECE_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
