"""uvicorn without its fixed waits of a tenth of a second each, before and during its shutdown."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

LOOKS_EVERY_S = 0.005
MOST_LOOKS = 40
"""How often a forced shutdown checks whether the connections have closed."""


class QuickServer(uvicorn.Server):
    """Start and serve as uvicorn does, and shut down as soon as nothing is left to wait for."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(LOOKS_EVERY_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        looks = 0
        while self.server_state.connections or self.server_state.tasks:
            if self.force_exit and looks >= MOST_LOOKS:
                break
            looks += 1
            await asyncio.sleep(LOOKS_EVERY_S)
        for server in self.servers:
            await server.wait_closed()
