"""End a connection whose peer does not read: what is written to it stays in our memory."""

from __future__ import annotations

import asyncio


class StalledWrites:
    """Check one transport at intervals, while it has something left to send."""

    def __init__(self, transport: asyncio.Transport, stalled_after_s: float) -> None:
        self._transport = transport
        self._stalled_after_s = stalled_after_s
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0

    def watch(self) -> None:
        """Drop the connection unless the unsent bytes decrease from now on."""
        if self._timer is None:
            self._left = self._transport.get_write_buffer_size()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._stalled_after_s, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        left = self._transport.get_write_buffer_size()
        if (left and left >= self._left) or (self._transport.is_closing() and not left):
            self._transport.abort()
        elif left:
            self.watch()


class WatchedWrites(asyncio.Protocol):
    """Mixin for uvicorn's protocols: watch a connection as soon as its peer stops reading."""

    _writes: StalledWrites

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writes.watch()
