"""Check at startup that the listening process limits what strangers send it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

TOO_MANY_BYTES = 80 << 10
LONGEST_S = 60.0
RETRY_S = 0.2


class Unbounded(Exception):
    """The header was not refused. The message gives the response that came instead of 431."""


def wait_until_bounded(
    url: str, tls: ssl.SSLContext | None, longest_s: float, check: Callable[[], None] = lambda: None
) -> None:
    """Send the long header to `url`, retrying for `longest_s` while the listener dies and is replaced.

    `check` is called before each try. Raises Unbounded, OSError if no try got a response, and what `check`
    raises.
    """
    deadline = time.monotonic() + longest_s
    while True:
        check()
        try:
            refuses_long_headers(url, tls)
            return
        except (ConnectionError, TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            if time.monotonic() > deadline:
                raise
        time.sleep(RETRY_S)


def refuses_long_headers(url: str, tls: ssl.SSLContext | None) -> None:
    """Send one header over the limit to `url`.

    Raises Unbounded, ConnectionError if nothing listens or responds, and other OSErrors.
    """
    where = urlsplit(url)
    host, port = where.hostname or "", where.port or (443 if tls else 80)
    probe = f"GET /-/healthz HTTP/1.1\r\nHost: {where.netloc}\r\nX-Fill: {'a' * TOO_MANY_BYTES}\r\n\r\n"
    with socket.create_connection((host, port), LONGEST_S) as plain:
        connection = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        with connection:
            with suppress(ConnectionError):  # If it is refused before its end, the response may still come.
                connection.sendall(probe.encode())
            response = _first_line(connection)
    if not response:
        raise ConnectionResetError("the connection was closed without a response")
    if response.split(" ")[1:2] != ["431"]:
        raise Unbounded(f"a header of {TOO_MANY_BYTES} bytes got the response {response!r} instead of 431")


def _first_line(connection: socket.socket) -> str:
    received = b""
    while b"\n" not in received and (piece := connection.recv(1_024)):
        received += piece
    return received.partition(b"\n")[0].decode("latin-1").strip()
