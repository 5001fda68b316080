"""Speak TLS on a connection that was accepted without, so that it counts before its handshake, not after."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any


async def shake_hands(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    timeout_s: float,
    early: bytearray,
) -> asyncio.Transport | None:
    """Return the transport that `protocol` speaks by from now on; None where the handshake failed.

    `early` is what `protocol` was given before the event loop knew better: uvloop reads as soon as a
    connection is made, and its start_tls has no place for it.
    """
    loop = asyncio.get_running_loop()
    handshake = loop.create_task(
        loop.start_tls(transport, protocol, context, server_side=True, ssl_handshake_timeout=timeout_s)
    )
    await asyncio.sleep(0)  # Now TLS's own protocol is in its place, and nothing has been read for it yet.
    if early:
        loop.call_soon(_hand, transport.get_protocol(), bytes(early))
        early.clear()
    try:
        return await handshake
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError.
        return None


def _hand(protocol: Any, data: bytes) -> None:
    """Give data to the protocol as an event loop does to any asyncio.BufferedProtocol."""
    while data:
        buffer = protocol.get_buffer(len(data))
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
