"""Serve HTTP/1.0 as its clients expect: an answer of unknown length ends with its connection.

uvicorn's faster protocol, over httptools, writes every such answer in chunks, which HTTP/1.0 does not know
(RFC 9112, 7.1); its other one, over h11, does not. So a connection whose first request is HTTP/1.0 is h11's.
Ray Serve has one hook into the process that listens, called before uvicorn chooses its protocol:
`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.middleware import Middleware
from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .plain_headers import PlainHeaders

HOOK = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.http.one_zero:install"}
MAX_LINE_BYTES = 64 << 10


def install() -> list[Middleware]:
    """Let uvicorn choose by the first request. Returns what the hook puts before Serve's own code."""
    uvicorn_config.HTTP_PROTOCOLS["auto"] = f"{__name__}:EitherProtocol"
    return [Middleware(PlainHeaders)]


class EitherProtocol(HttpToolsProtocol):
    """httptools' protocol, which hands a connection of HTTP/1.0 to h11's."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._made_of = arguments, more
        self._first: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Keep what comes until the first line is whole."""
        if self._first is None:
            super().data_received(data)
            return
        self._first += data
        line, ended, _ = self._first.lstrip(b"\r\n").partition(b"\n")
        if not ended and len(self._first) < MAX_LINE_BYTES:
            return
        first, self._first = self._first, None
        if line.rstrip().endswith(b" HTTP/1.0"):
            self._hand_over(first)
        else:
            super().data_received(first)

    def _hand_over(self, first: bytes) -> None:
        """As uvicorn itself does for a WebSocket."""
        arguments, more = self._made_of
        transport: asyncio.Transport = self.transport
        self.connections.discard(self)
        protocol = H11Protocol(*arguments, **more)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(first)
