"""End connections so that their responses arrive: refuse, read on for a moment, and only then close.

A connection that is closed with bytes unread loses what was written to it (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .connection_limits import ConnectionLimits
from .connection_table import Connection, ConnectionTable
from .error_responses import Refusal
from .raw_refusals import bytes_of
from .stalled_writes import WatchedWrites

LINGER_BYTES = 1 << 20
"""The most bytes that may still come after a response that did not wait for the body."""


class HeldFlow(FlowControl):
    """Flow control that resumes reading only when all that was read has been parsed."""

    def __init__(self, transport: asyncio.Transport, unread: bytearray) -> None:
        super().__init__(transport)
        self._unread = unread

    def resume_reading(self) -> None:
        if not self._unread:
            super().resume_reading()


class LingeringProtocol(WatchedWrites, HttpToolsProtocol):
    """One connection. `table` holds all connections of this process.

    `_unread` is what was received and not parsed yet. Only one deadline runs at a time.
    """

    table: ClassVar[ConnectionTable] = ConnectionTable(ConnectionLimits())
    _connection: Connection

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits = self.table.limits
        self._unread = bytearray()
        self._discards = False
        self._discarded_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def _refuse(self, refusal: Refusal) -> None:
        """Respond, and read on for a moment."""
        self._unread.clear()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self._drop()
                return
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False  # Write nothing more.
            cycle.message_event.set()
        self._discards = True
        self._linger()
        self.transport.write(bytes_of(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def _linger(self) -> None:
        """Receive the rest of a request after its response, within limits, while there is room."""
        self._discarded_bytes = 0
        self.table.wait(self._connection)
        self._unset_keepalive_if_required()
        self._set_deadline(self._limits.linger_s, self._drop)

    def _discard(self, received: int) -> bool:
        """Count discarded bytes. Return whether more may come."""
        self._discarded_bytes += received
        if self._discarded_bytes > LINGER_BYTES:
            self._drop()
        return not self.transport.is_closing()

    def _drop(self) -> None:
        self.table.leave(self._connection)
        self.transport.abort()

    def _is_busy(self) -> bool:
        """Return whether a response is still being sent, or received bytes are still unread."""
        if self.transport.get_write_buffer_size():
            return True
        found = self.transport.get_extra_info("socket")
        if found is None or found.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(found.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _set_deadline(self, seconds: float, action: Callable[[], None]) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, action)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
