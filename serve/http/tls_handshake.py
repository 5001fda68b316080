"""Start TLS on a connection that was accepted without it, so that it is counted before its handshake."""

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
    """Do the handshake. Return the transport that `protocol` uses from now on, or None if it failed.

    `early` is what `protocol` received before TLS was started: uvloop reads as soon as a connection is made,
    and its start_tls does not accept those bytes.
    """
    loop = asyncio.get_running_loop()
    handshake = loop.create_task(
        loop.start_tls(transport, protocol, context, server_side=True, ssl_handshake_timeout=timeout_s)
    )
    await asyncio.sleep(0)  # Now TLS's own protocol is installed, and nothing has been read for it yet.
    if early:
        loop.call_soon(_hand, transport.get_protocol(), bytes(early))
        early.clear()
    try:
        return await handshake
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError.
        return None


def _hand(protocol: Any, data: bytes) -> None:
    """Pass data to the protocol as an event loop does for any asyncio.BufferedProtocol."""
    while data:
        buffer = protocol.get_buffer(len(data))
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
