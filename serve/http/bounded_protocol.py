"""uvicorn's HTTP protocol with limits: header bytes, header time, connections, pipelines, stalled peers.

uvicorn's own, over httptools, joins whatever it is sent until a header ends, which takes memory and, growing
with its square, the event loop of all others.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from .connection_limits import ConnectionLimits
from .connection_table import Connection, ConnectionTable
from .error_responses import Refusal
from .one_zero import OneZeroProtocol, head_has_ended, is_one_zero
from .raw_refusals import answering, bytes_of
from .stalled_writes import StalledWrites, WatchedWrites
from .tls_handshake import shake_hands

PIECE_BYTES = 4 << 10
"""The bytes parsed at once: what a piece holds too much is known before the next one."""
MOST_PIPELINED = 16
"""Requests of one connection that wait for the answer to an earlier one; later ones are not even parsed."""
FRAMING_TO_BODY = 16
"""Bytes of chunk sizes, extensions and trailers for each byte of a body: clients that send single bytes in
chunks have six."""
LINGER_BYTES = 1 << 20
"""The bytes that may still come after an answer that did not wait for the body."""
PROBES = (b"/healthz", b"/readyz", b"/-/healthz", b"/-/routes")
BUSY = Refusal(429, "overloaded", "all connections of this service are in use", retry_after_s=1)
MALFORMED = Refusal(400, "invalid_request", "this is not an HTTP request")
TOO_LATE = Refusal(408, "request_timeout", "the request's header did not arrive in time")
CROWDED = Refusal(429, "rate_limited", "too many connections from this address", retry_after_s=1)


class HeaderTooLarge(Exception):
    """Refusal, raised in a parser's callback."""


class HeldFlow(FlowControl):
    """Read on only when all that was read has been parsed."""

    def __init__(self, transport: asyncio.Transport, unread: bytearray) -> None:
        super().__init__(transport)
        self._unread = unread

    def resume_reading(self) -> None:
        if not self._unread:
            super().resume_reading()


class BoundedProtocol(WatchedWrites, HttpToolsProtocol):
    """One connection. `table` is that of all connections of this process."""

    table: ClassVar[ConnectionTable] = ConnectionTable(ConnectionLimits())

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._made_of = arguments, more
        self.ws_protocol_class = None  # There are no WebSockets here, and uvicorn's know no limits.
        self._limits = self.table.limits
        self._usual_app = self.app
        self._unread = bytearray()
        self._protocol_known = False
        self._in_head, self._head_bytes, self._head_fields, self._raw_bytes = True, 0, 0, 0
        self._framing_bytes, self._body_bytes, self._piece_body_bytes = 0, 0, 0
        self._too_large = self._discards = self._between = self._is_request = False
        self._discarded_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False

    # The connection.

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
            if self._unread:  # Came with the end of the handshake.
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

    # Receiving.

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._unread += data
            return
        if self.transport.is_closing():
            return
        if self._discards:
            self._discard(len(data))
            return
        if self._between and not self._unread and not data.strip(b"\r\n"):
            return  # Empty lines are no part of a request (RFC 9112, 2.2): some clients end a body with one.
        self._unset_keepalive_if_required()
        self._unread += data
        if self._deadline is None and not self._connection.busy:
            self._set_deadline(self._limits.header_timeout_s, self._late)
        if self._protocol_known or self._choose_protocol():
            self._parse()

    def _choose_protocol(self) -> bool:
        """Look at the first line, and hand a connection of HTTP/1.0 over once its header is whole."""
        over = len(self._unread) > self._limits.header_bytes
        one_zero = is_one_zero(self._unread)
        if one_zero is None and not over:
            return False
        if one_zero:
            if over and not head_has_ended(self._unread, self._limits.header_bytes):
                self._refuse(self._header_too_large())
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
            protocol.app = answering(BUSY)
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
            self._piece_body_bytes, self._between = 0, False
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                pass  # Answered as if without Upgrade, which HTTP allows; it says nothing more.
            except httptools.HttpParserError:
                self._refuse(self._header_too_large() if self._too_large else MALFORMED)
                return
            if not self._is_bounded(len(piece)):
                return

    def _is_bounded(self, received: int) -> bool:
        """Count what the parser keeps in silence: a header or a chunk's extension without end."""
        if self._between:
            return True  # A request ended with these bytes and no other has begun.
        if self._in_head:
            self._raw_bytes += received
            if self._raw_bytes > self._limits.header_bytes + PIECE_BYTES:
                self._refuse(self._header_too_large())
                return False
            return True
        self._framing_bytes += received - self._piece_body_bytes
        if self._framing_bytes > self._limits.header_bytes + FRAMING_TO_BODY * self._body_bytes:
            self._refuse(MALFORMED)
            return False
        if self._discarded_responded():
            return self._discard_body(received)
        return True

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between, self._is_request = False, True
        self._head_bytes = self._head_fields = 0

    def on_url(self, url: bytes) -> None:
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value) + 4)
        self._head_fields += 1
        if self._head_fields > self._limits.header_fields:
            self._raise_too_large()
        if self._in_head:
            super().on_header(name, value)  # Trailers are counted and let go.

    def on_headers_complete(self) -> None:
        self._in_head, self._raw_bytes = False, 0
        self._framing_bytes = self._body_bytes = 0
        self._clear_deadline()
        may_begin = self._may_begin(self.parser.get_method(), self.url)
        self.app = self._usual_app if may_begin else answering(BUSY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._piece_body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        responded = self._discarded_responded()
        self._in_head, self._raw_bytes, self._head_bytes, self._head_fields = True, 0, 0, 0
        self._between, self._is_request = True, False
        if responded:
            self.cycle.more_body = False
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._writes.watch()
        elif self._discarded_responded() and not self.pipeline:
            # Its body goes on after the answer: let the rest come, within bounds, while there is room.
            self._discarded_bytes = 0
            self.table.wait(self._connection)
            self._unset_keepalive_if_required()
            self._set_deadline(self._limits.linger_s, self._drop)
        else:
            if self.cycle.response_complete:
                self._rest()
            if self._unread:
                self.loop.call_soon(self._go_on)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._writes.watch()

    # The request after this one.

    def _go_on(self) -> None:
        if self._begun and self.parser is not None:
            self._parse()
            self.flow.resume_reading()

    def _rest(self) -> None:
        """Wait for the next request: uvicorn's own timer bounds how long, ours what has already begun."""
        self.table.wait(self._connection)
        self._clear_deadline()
        if self._raw_bytes or self._unread:
            self._unset_keepalive_if_required()
            self._set_deadline(self._limits.header_timeout_s, self._late)
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _may_begin(self, method: bytes, target: bytes) -> bool:
        """Return whether the request may be worked on.

        Where all places are taken only health checks may, which wait for nothing and bring no body.
        """
        probes = method in (b"GET", b"HEAD") and target.partition(b"?")[0].endswith(PROBES)
        return self.table.begin(self._connection) or probes

    def _discarded_responded(self) -> bool:
        """Return whether the body that arrives belongs to a request that has its answer."""
        return not self._in_head and self.cycle is not None and self.cycle.response_complete

    def _discard_body(self, received: int) -> bool:
        self._discarded_bytes += received
        if self._discarded_bytes > LINGER_BYTES:
            self._drop()
        return not self.transport.is_closing()

    def _discard(self, received: int) -> None:
        self._discarded_bytes += received
        if self._discarded_bytes > LINGER_BYTES:
            self._drop()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, and read on for a moment, since a connection that is closed unread loses the answer."""
        self._unread.clear()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self._drop()
                return
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False  # Nothing is written any more.
            cycle.message_event.set()
        self._discards, self._discarded_bytes = True, 0
        self.table.wait(self._connection)
        self._unset_keepalive_if_required()
        self.transport.write(bytes_of(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._set_deadline(self._limits.linger_s, self._drop)

    def _late(self) -> None:
        """Refuse a late request. Close a connection that never sent a byte of one without a word."""
        if self._is_request or self._unread.strip(b"\r\n"):
            self._refuse(TOO_LATE)
        else:
            self._drop()

    def _count_header(self, received: int) -> None:
        self._head_bytes += received
        if self._head_bytes > self._limits.header_bytes:
            self._raise_too_large()

    def _raise_too_large(self) -> None:
        self._too_large = self._in_head
        raise HeaderTooLarge

    def _header_too_large(self) -> Refusal:
        most = f"{self._limits.header_bytes} bytes and {self._limits.header_fields} fields"
        return Refusal(431, "header_too_large", f"a request's header is limited to {most}")

    def _drop(self) -> None:
        self.table.leave(self._connection)
        self.transport.abort()

    def _is_busy(self) -> bool:
        """Return whether an answer is still being sent, or bytes have come that are not read yet."""
        if self.transport.get_write_buffer_size():
            return True
        found = self.transport.get_extra_info("socket")
        if found is None or found.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(found.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _set_deadline(self, seconds: float, action: Any) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, action)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
