"""Serve HTTP/1.0 as its clients expect: a response of unknown length ends with its connection.

uvicorn's faster protocol, over httptools, sends every such response in chunks, which HTTP/1.0 does not have
(RFC 9112, 7.1). Its other one, over h11, does not. So h11 serves a connection that begins with HTTP/1.0.
"""

from __future__ import annotations

from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .connection_table import Connection, ConnectionTable
from .error_responses import Refusal
from .raw_refusals import bytes_of
from .stalled_writes import StalledWrites, WatchedWrites


def is_one_zero(received: bytearray) -> bool | None:
    """Return whether the first request line is HTTP/1.0; None while the line is incomplete."""
    line, ended, _ = bytes(received).lstrip(b"\r\n").partition(b"\n")
    return line.rstrip().endswith(b" HTTP/1.0") if ended else None


def head_has_ended(received: bytearray, within: int) -> bool:
    """Return whether the empty line that ends a request's header comes within this many bytes."""
    start = len(received) - len(received.lstrip(b"\r\n"))
    return any(received.find(end, start, start + within) >= 0 for end in (b"\n\r\n", b"\n\n"))


class OneZeroProtocol(WatchedWrites, H11Protocol):
    """h11's protocol for a connection that BoundedProtocol has admitted, and whose header is complete."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.ws_protocol_class = None

    def keep_place(self, table: ConnectionTable, connection: Connection, writes: StalledWrites) -> None:
        """Take over the limits of the connection."""
        self._table, self._connection, self._writes = table, connection, writes
        self.conn = h11.Connection(h11.SERVER, table.limits.header_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.leave(self._connection)
        self._writes.stop()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._writes.watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse in the documented error format."""
        self.transport.write(bytes_of(Refusal(400, "invalid_request", "this is not an HTTP request")))
        self.transport.close()
        self._writes.watch()
