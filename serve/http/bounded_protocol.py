"""uvicorn's HTTP protocol with limits: header bytes, header time, connections, pipelines, stalled peers.

uvicorn's own protocol, over httptools, concatenates whatever it receives until a header ends. That takes
memory, and time of the shared event loop that grows with the square of the header's length.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httptools
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from .connection_table import Connection
from .error_responses import Refusal
from .lingering import HeldFlow, LingeringProtocol
from .one_zero import OneZeroProtocol, head_has_ended, is_one_zero
from .raw_refusals import bytes_of, refusing
from .request_bounds import PIECE_BYTES, RequestBounds
from .stalled_writes import StalledWrites
from .tls_handshake import shake_hands

MOST_PIPELINED = 16
"""Requests of one connection that may wait for an earlier one's response. Later ones are not parsed yet."""
PROBES = (b"/healthz", b"/readyz", b"/-/healthz", b"/-/routes")
BUSY = Refusal(429, "overloaded", "all connections of this service are in use", retry_after_s=1)
TOO_LATE = Refusal(408, "request_timeout", "the request's header did not arrive in time")
CROWDED = Refusal(429, "rate_limited", "too many connections from this address", retry_after_s=1)


class BoundedProtocol(LingeringProtocol):
    """One connection, from its first byte on."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._made_of = arguments, more
        self.ws_protocol_class = None  # There are no WebSockets here, and uvicorn's have no limits.
        self._usual_app = self.app
        self._bounds = RequestBounds(self._limits)
        self._protocol_known = False
        self._begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        remote = get_remote_addr(transport)
        self.transport = transport
        self._connection = Connection(remote[0] if remote else "", self._drop, self._is_busy)
        context: ssl.SSLContext | None = getattr(self.config, "tls_context", None)
        if not self.table.enter(self._connection):
            if context is None:
                transport.write(bytes_of(CROWDED))
            transport.close()
            self.loop.call_later(self._limits.linger_s, transport.abort)
        elif context is None or is_ssl(transport):
            self._begin(transport)
        else:
            self._handshake = self.loop.create_task(self._shake_hands(transport, context))

    def _begin(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.flow = HeldFlow(transport, self._unread)
        self._begun = True
        self._writes = StalledWrites(transport, self._limits.stalled_after_s)
        self._set_deadline(self._limits.header_timeout_s, self._late)

    async def _shake_hands(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        seconds = self._limits.header_timeout_s
        secured = await shake_hands(transport, self, context, seconds, self._unread)
        if secured is None or transport.is_closing():
            self.table.leave(self._connection)
            transport.abort()
        else:
            self._begin(secured)
            if self._unread:  # It came with the end of the handshake.
                data = bytes(self._unread)
                self._unread.clear()
                self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.leave(self._connection)
        self._clear_deadline()
        self._unread.clear()
        if self._begun:
            self._writes.stop()
            super().connection_lost(exc)
            self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._unread += data
            return
        if self.transport.is_closing():
            return
        if self._discards:
            self._discard(len(data))
            return
        if self._bounds.between and not self._unread and not data.strip(b"\r\n"):
            return  # Empty lines are no part of a request (RFC 9112, 2.2): some clients end a body with one.
        self._unset_keepalive_if_required()
        self._unread += data
        if self._deadline is None and not self._connection.busy:
            self._set_deadline(self._limits.header_timeout_s, self._late)
        if self._protocol_known or self._choose_protocol():
            self._parse()

    def _choose_protocol(self) -> bool:
        """Read the first line, and hand over an HTTP/1.0 connection once its header is complete."""
        over = len(self._unread) > self._limits.header_bytes
        one_zero = is_one_zero(self._unread)
        if one_zero is None and not over:
            return False
        if one_zero:
            if over and not head_has_ended(self._unread, self._limits.header_bytes):
                self._refuse(self._bounds.header_too_large())
                return False
            if not head_has_ended(self._unread, len(self._unread)):
                return False
            self._hand_over()
            return False
        self._protocol_known = True
        return True

    def _hand_over(self) -> None:
        """Hand the connection to the protocol for HTTP/1.0, as uvicorn itself does for a WebSocket."""
        arguments, more = self._made_of
        transport = self.transport
        self._clear_deadline()
        self.connections.discard(self)
        protocol = OneZeroProtocol(*arguments, **more)
        protocol.keep_place(self.table, self._connection, self._writes)
        method, target, *_ = bytes(self._unread).lstrip(b"\r\n").split(b" ", 2)
        if not self._may_begin(method, target):
            protocol.app = refusing(BUSY)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(bytes(self._unread))

    def _parse(self) -> None:
        while self._unread and not self._discards and not self.transport.is_closing():
            if len(self.pipeline) >= MOST_PIPELINED:
                self.flow.pause_reading()
                return
            piece = bytes(self._unread[:PIECE_BYTES])
            del self._unread[:PIECE_BYTES]
            self._bounds.begin_piece()
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                pass  # The request is handled as if it had no Upgrade, which HTTP allows.
            except httptools.HttpParserError:
                self._refuse(self._bounds.refusal())
                return
            if refusal := self._bounds.end_piece(len(piece)):
                self._refuse(refusal)
                return
            if self._discarded_responded() and not self._discard(len(piece)):
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._bounds.begin_request()

    def on_url(self, url: bytes) -> None:
        self._bounds.count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._bounds.count_header(len(name) + len(value) + 4)
        self._bounds.count_field()
        if self._bounds.in_head:
            super().on_header(name, value)  # Trailers are counted and dropped.

    def on_headers_complete(self) -> None:
        self._bounds.end_header()
        self._clear_deadline()
        may_begin = self._may_begin(self.parser.get_method(), self.url)
        self.app = self._usual_app if may_begin else refusing(BUSY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bounds.count_body(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        responded = self._discarded_responded()
        self._bounds.end_request()
        if responded:
            self.cycle.more_body = False
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._writes.watch()
        elif self._discarded_responded() and not self.pipeline:
            self._linger()  # Its body is still arriving after the response.
        else:
            if self.cycle.response_complete:
                self._rest()
            if self._unread:
                self.loop.call_soon(self._go_on)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._writes.watch()

    def _go_on(self) -> None:
        if self._begun and self.parser is not None:
            self._parse()
            self.flow.resume_reading()

    def _rest(self) -> None:
        """Wait for the next request. uvicorn's timer bounds the wait, ours a request that has begun."""
        self.table.wait(self._connection)
        self._clear_deadline()
        if self._bounds.raw_bytes or self._unread:
            self._unset_keepalive_if_required()
            self._set_deadline(self._limits.header_timeout_s, self._late)
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _may_begin(self, method: bytes, target: bytes) -> bool:
        """Return whether the request may be processed.

        If all places are taken, only health checks may: they wait for nothing and have no body.
        """
        probes = method in (b"GET", b"HEAD") and target.partition(b"?")[0].endswith(PROBES)
        return self.table.begin(self._connection) or probes

    def _discarded_responded(self) -> bool:
        """Return whether the arriving body belongs to a request whose response is complete."""
        return not self._bounds.in_head and self.cycle is not None and self.cycle.response_complete

    def _late(self) -> None:
        """Refuse a late request. Close a connection without a response if it sent no part of a request."""
        if self._bounds.is_request or self._unread.strip(b"\r\n"):
            self._refuse(TOO_LATE)
        else:
            self._drop()
